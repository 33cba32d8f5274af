"""The egress guard in a real child, against every way out that Python code has."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import msgspec
import pytest
import trio

from doradura.media.protocol import Failure, Order, Result, SelfTest, WorkerMessage
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
    with trio.fail_after(60):
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


@pytest.mark.parametrize("by", ["allowance", "proxy"])
async def test_ways_out(workers: ForkWorkers, new_order: NewOrder, nursery: trio.Nursery, by: str) -> None:
    """Every spelling of every private address is refused by every client; the endpoint allowed, or proxy, passes."""
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
    if by == "proxy":
        order = msgspec.structs.replace(new_order(url), proxy=f"http://{endpoint}")
    else:
        order = new_order(url, allowed=(endpoint,))
    end = await the_end(workers, order)
    assert isinstance(end, Result), end
    told = json.loads(end.title)
    assert len(told) > 90
    wrong = {
        name: outcome
        for name, outcome in told.items()
        if outcome != ("program refused" if name in PROGRAMS else "passed" if name in PASSING else "refused")
    }
    assert not wrong
    assert told.keys() > PROGRAMS | PASSING
    assert not reached


async def test_guard_is_there(workers: ForkWorkers, new_order: NewOrder) -> None:
    """A child can tell that it is guarded."""
    assert await the_end(workers, new_order("", task="selftest")) == SelfTest(yt_dlp="", ffmpeg="", guarded=True)


@pytest.mark.parametrize(
    ("url", "proxy", "reason", "words"),
    [
        ("http://127.0.0.1/x", "http://127.0.0.1:3128", "refused_address", "127.0.0.1 port 80 is not public: loopback"),
        ("http://localhost:8080/x", "socks5://127.0.0.1", "refused_address", "port 8080 is not public"),
        ("ftp://192.0.2.1/x", "http://127.0.0.1:3128", "refused_address", "is no http link"),
        ("http://nowhere.invalid/x", "http://127.0.0.1:3128", "network", "was not found"),
        ("http://8.8.8.8/x", "http://nowhere.invalid:3128", "network", "was not found"),
    ],
)
async def test_link_is_judged_before_a_proxy_sees_it(
    *, workers: ForkWorkers, new_order: NewOrder, url: str, proxy: str, reason: str, words: str
) -> None:
    """With a proxy, the link's own host is judged in the child before the job begins."""
    end = await the_end(workers, msgspec.structs.replace(new_order(url), proxy=proxy))
    assert isinstance(end, Failure)
    assert end.reason == reason
    assert words in end.detail
