"""The egress guard in a real child, against every way out that Python code has."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import msgspec
import pytest
import trio

from doradura.media.protocol import Door, Order, Result, SelfTest, WorkerMessage
from doradura.workers.fork import ForkWorkers

NewOrder = Callable[..., Order]
PROGRAMS = {"shell", "other program", "program by name", "os.system", "os.posix_spawn", "os.execv"}
PASSING = {"ffmpeg", "allowed urllib", "allowed requests", "allowed mapped", "socketpair", "connected sendmsg"}


@pytest.fixture
async def workers(nursery: trio.Nursery, environment: dict[str, str]) -> ForkWorkers:
    """A fork server whose jobs are those of egress_job.py."""
    workers = ForkWorkers(environment=environment, job="egress_job:run_job")
    await nursery.start(workers.run)
    return workers


async def the_end(workers: ForkWorkers, order: Order) -> WorkerMessage:
    """What the job says last."""
    with trio.fail_after(240):
        async with workers.work(order) as conversation:
            return [message async for message in conversation][-1]


async def answer(redirect: str, stream: trio.SocketStream) -> None:
    """One HTTP answer: a redirect, or something fine."""
    async with stream:
        request = await stream.receive_some()
        if request.startswith(b"GET /redirect"):
            await stream.send_all(f"HTTP/1.1 302 Found\r\nLocation: {redirect}\r\nContent-Length: 0\r\n\r\n".encode())
        elif request.startswith(b"GET"):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


@pytest.mark.parametrize("by", ["allowance", "door"])
async def test_ways_out(workers: ForkWorkers, new_order: NewOrder, nursery: trio.Nursery, by: str) -> None:
    """Every spelling of every private address is refused by every client; the endpoint allowed, or the gate, passes."""
    reached: list[trio.SocketStream] = []

    async def note(stream: trio.SocketStream) -> None:
        reached.append(stream)
        await stream.aclose()

    (closed,) = await nursery.start(functools.partial(trio.serve_tcp, note, 0, host="127.0.0.1"))
    closed_port = closed.socket.getsockname()[1]
    handler = functools.partial(answer, f"http://localhost:{closed_port}/")
    (opened,) = await nursery.start(functools.partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
    endpoint = f"127.0.0.1:{opened.socket.getsockname()[1]}"
    url = f"http://8.8.8.8/?{endpoint.rpartition(':')[2]},{closed_port}"
    if by == "door":  # of another spelling the gate's own address is no way out either
        door = Door(host="127.0.0.1", port=int(endpoint.rpartition(":")[2]), token="t")
        order, passing = msgspec.structs.replace(new_order(url), door=door), PASSING - {"allowed mapped"}
    else:
        order, passing = new_order(url, allowed=(endpoint,)), PASSING
    end = await the_end(workers, order)
    assert isinstance(end, Result), end
    told = json.loads(end.title)
    assert len(told) > 90
    wrong = {
        name: outcome
        for name, outcome in told.items()
        if outcome != ("program refused" if name in PROGRAMS else "passed" if name in passing else "refused")
    }
    assert not wrong
    assert told.keys() > PROGRAMS | PASSING
    assert not reached


async def test_guard_is_there(workers: ForkWorkers, new_order: NewOrder) -> None:
    """A child can tell that it is guarded."""
    assert await the_end(workers, new_order("", task="selftest")) == SelfTest(yt_dlp="", ffmpeg="", guarded=True)


async def test_with_a_gate_nothing_else_is_reached(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Public addresses are refused too: the gate is the only way out, and knows of every connection."""
    order = msgspec.structs.replace(
        new_order("http://8.8.8.8/?9,9", task="selftest"), door=Door(host="127.0.0.1", port=9, token="t")
    )
    assert await the_end(workers, order) == SelfTest(yt_dlp="", ffmpeg="public refused", guarded=True)
