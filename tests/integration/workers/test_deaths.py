"""What is left when the bot or its fork server is killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trio

from doradura.media import processes
from doradura.media.protocol import Order, Progress, Result, WorkerLostError
from doradura.workers.fork import ForkWorkers

NewOrder = Callable[..., Order]
Gone = Callable[[int], Awaitable[None]]

BOT = """
import os, sys, msgspec, trio
from doradura.media.protocol import Order
from doradura.workers.fork import ForkWorkers

async def main():
    workers = ForkWorkers(environment=os.environ, job="nasty_job:run_job")
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        async with workers.work(msgspec.json.decode(sys.argv[1], type=Order)) as conversation:
            pids = [(await anext(aiter(conversation))).fetched_bytes for _ in range(2)]
            print(workers.server_pid, conversation.pid, *pids, flush=True)
            await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_killed_bot(environment: dict[str, str], new_order: NewOrder, gone: Gone, number: signal.Signals) -> None:
    """When the bot is killed, the server, a job that ignores SIGTERM and its grandchildren are gone soon."""
    bot = await trio.lowlevel.open_process(
        [sys.executable, "-c", BOT, msgspec.json.encode(new_order("stubborn")).decode()],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert bot.stdout is not None
    try:
        with trio.fail_after(60):
            said = b""
            while not said.endswith(b"\n"):
                said += await bot.stdout.receive_some()
        pids = [int(word) for word in said.split()]
        assert len(pids) == 4
        bot.send_signal(number)
        with trio.fail_after(30):
            await bot.wait()
            for pid in pids:
                await gone(pid)
        assert not processes.session_members(pids[1])
    finally:
        bot.kill()
        await bot.wait()
        await bot.stdout.aclose()


@pytest.mark.parametrize("url", ["hang", "stubborn"])
async def test_killed_server(workers: ForkWorkers, new_order: NewOrder, url: str) -> None:
    """When the server is killed, its job is reported as lost only once nothing of it runs, and the next job works."""
    first = workers.server_pid
    assert first is not None
    with trio.fail_after(60):
        async with workers.work(new_order(url)) as conversation:
            await anext(aiter(conversation))
            os.kill(first, signal.SIGKILL)
            with pytest.raises(WorkerLostError):
                [message async for message in conversation]
            assert not processes.session_members(conversation.pid)
        assert not workers.alive
        async with workers.work(new_order("quick")) as conversation:  # waits for the next server
            assert isinstance(await anext(aiter(conversation)), Result)
    assert workers.starts == 2
    assert workers.server_pid not in {None, first}


def zombies() -> set[int]:
    """Return the ended children of this process that nobody waited for."""
    return {each.pid for each in processes.all_processes() if each.parent == os.getpid() and each.state == "Z"}


async def test_server_killed_again_and_again(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Eight jobs that lose their servers three times end all the same when they are given out again."""
    done = 0
    others = zombies()

    async def until_done() -> None:
        nonlocal done
        while True:
            try:
                async with workers.work(new_order("quick")) as conversation:
                    assert isinstance(await anext(aiter(conversation)), Result)
                    done += 1
                    return
            except WorkerLostError:
                continue

    with trio.fail_after(90):
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(until_done)
                if workers.server_pid is not None:
                    os.kill(workers.server_pid, signal.SIGKILL)
    assert done == 24
    assert zombies() <= others


async def test_stopped_server(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Signals meant for the bot that reach the server too (Ctrl-C, a service manager's SIGTERM) do not end it."""
    server = workers.server_pid
    assert server is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(server, number)
    with trio.fail_after(30):
        async with workers.work(new_order("quick")) as conversation:
            assert isinstance(await anext(aiter(conversation)), Result)
    assert (workers.server_pid, workers.starts) == (server, 1)


async def test_cancelled_run(environment: dict[str, str], new_order: NewOrder, gone: Gone) -> None:
    """Cancelling everything at once leaves neither the server nor a job that ignores SIGTERM."""
    pids: list[int | None] = []
    workers = ForkWorkers(environment=environment, job="nasty_job:run_job")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.run)
            async with workers.work(new_order("stubborn")) as conversation:
                for _ in range(2):
                    message = await anext(aiter(conversation))
                    assert isinstance(message, Progress)
                    pids.append(message.fetched_bytes)
                pids += [conversation.pid, workers.server_pid]
                nursery.cancel_scope.cancel()
                await trio.lowlevel.checkpoint()
        assert not workers.alive
        for pid in pids:
            assert pid
            await gone(pid)


async def test_work_waits_for_the_server(environment: dict[str, str], new_order: NewOrder) -> None:
    """An order given before the server is ready waits for it."""
    workers = ForkWorkers(environment=environment, job="nasty_job:run_job")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workers.run)
        with trio.fail_after(60):
            async with workers.work(new_order("quick")) as conversation:
                assert isinstance(await anext(aiter(conversation)), Result)
        nursery.cancel_scope.cancel()
