"""A fork server that is kept for many tests, each of which has a `trio.run` of its own.

A fork server belongs to the run that started it, and starting one, or a process for each job, costs a second of CPU
for yt-dlp's import. So one runs in a thread, in a run of its own, and the tests' jobs are passed to it.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import trio

from doradura.media.protocol import Order, WorkerMessage
from doradura.workers.fork import ForkWorkers
from doradura.workers.interface import Conversation

_LAST_SAID: Final = StopAsyncIteration()


@dataclass
class _Passed:
    """The conversation of a job in the other run: what it said, as `Conversation` has it."""

    pid: int
    started_at: int
    said: trio.MemoryReceiveChannel[WorkerMessage | Exception]

    def __aiter__(self) -> Conversation:
        return self

    async def __anext__(self) -> WorkerMessage:
        said = await self.said.receive()
        if isinstance(said, Exception):
            raise said
        return said


class KeptWorkers:
    """Runs jobs on the kept fork server, whose run is reached by the token `there`."""

    def __init__(self, workers: ForkWorkers, nursery: trio.Nursery, token: trio.lowlevel.TrioToken) -> None:
        self._workers = workers
        self._nursery = nursery
        self.there = token

    @asynccontextmanager
    async def work(self, order: Order) -> AsyncIterator[Conversation]:
        """Run one order. Leaving the context ends the job in the other run, and waits until that is done."""
        here, scope, ended = trio.lowlevel.current_trio_token(), trio.CancelScope(), trio.Event()
        say, said = trio.open_memory_channel[WorkerMessage | Exception | tuple[int, int]](math.inf)

        async def run() -> None:
            def tell(what: WorkerMessage | Exception | tuple[int, int]) -> None:
                here.run_sync_soon(say.send_nowait, what)

            try:
                with scope:
                    async with self._workers.work(order) as conversation:
                        tell((conversation.pid, conversation.started_at))
                        async for message in conversation:
                            tell(message)
                        tell(_LAST_SAID)
                        await trio.sleep_forever()
            except Exception as error:  # noqa: BLE001 - it is raised in the test's run
                tell(error)
            finally:
                here.run_sync_soon(ended.set)

        self.there.run_sync_soon(self._nursery.start_soon, run)
        try:
            began = await said.receive()
            if isinstance(began, Exception):
                raise began
            assert isinstance(began, tuple)
            yield _Passed(*began, said)  # type: ignore[arg-type]  # what follows is messages and exceptions
        finally:
            self.there.run_sync_soon(scope.cancel)
            with trio.CancelScope(shield=True):
                await ended.wait()


@contextmanager
def kept_workers() -> Iterator[KeptWorkers]:
    """Run a fork server in a thread until the block is left."""
    ready, over, found = threading.Event(), trio.Event(), list[KeptWorkers]()

    async def host() -> None:
        workers = ForkWorkers(environment=os.environ)
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.run)
            found.append(KeptWorkers(workers, nursery, trio.lowlevel.current_trio_token()))
            ready.set()
            await over.wait()
            nursery.cancel_scope.cancel()

    def run() -> None:
        try:
            trio.run(host)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        yield found[0]
    finally:
        for kept in found:
            kept.there.run_sync_soon(over.set)
        thread.join()
