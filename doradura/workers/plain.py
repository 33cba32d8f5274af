"""Workers without a fork server: one child process per job, and one kept ready.

Owns the processes that it starts until they are reaped: each leads a session of its own, which is ended as a whole when
its job's context is left. Used where fork is not available, and in tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import msgspec
import trio

from doradura.media import processes
from doradura.media.forkcontrol import Exited
from doradura.media.protocol import Order, WorkerLostError
from doradura.workers.conversation import ChildConversation, Work

COMMAND = (sys.executable, "-m", "doradura.child.plainchild")
TERMINATE_SECONDS = 3.0
LAST_WORDS_SECONDS = 1.0
"""The last output of a dead child may still be on its way, while what it started may keep the pipe open for long."""
_STDERR_BYTES = 4096
_TAIL_LENGTH = 300


class PlainWorkers:
    """Runs each job in a child process; `run` keeps one warm; without it everything works, only more slowly."""

    def __init__(self, command: Sequence[str] = COMMAND, *, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is for the children; None passes on ours."""
        self._command = tuple(command)
        self._environment = environment
        self._spare: trio.Process | None = None
        self._taken = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep one process started and waiting for its order. Raises OSError if none can be started."""
        try:
            while True:
                self._taken = trio.Event()
                if self._spare is None or self._spare.poll() is not None:
                    self._spare = await self.start()
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await self._taken.wait()
        finally:
            spare, self._spare = self._spare, None
            if spare is not None:
                await end_session(spare)

    def work(self, order: Order) -> _Running:
        """Start one job. Entering raises WorkerLostError if no process can be started."""
        return _Running(self, order)

    async def start(self) -> trio.Process:
        """Start a process that waits for an order. Raises OSError."""
        return await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=self._environment,
        )

    def take_spare(self) -> trio.Process | None:
        """Return the waiting process if there is one that is still alive."""
        spare, self._spare = self._spare, None
        self._taken.set()
        return spare if spare is not None and spare.poll() is None else None


class _Running:
    """The context of one job. It is not a generator: an error in the body must not come out wrapped in a group."""

    def __init__(self, workers: PlainWorkers, order: Order) -> None:
        self._workers = workers
        self._order = order
        self._process: trio.Process | None = None
        self._nursery_manager = trio.open_nursery()

    async def __aenter__(self) -> ChildConversation:
        line = msgspec.json.encode(self._order) + b"\n"
        self._process = process = self._workers.take_spare() or await self._start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(trio.BrokenResourceError):  # it died at once: its end of file says so
                await process.stdin.send_all(line)
                await process.stdin.aclose()
            nursery = await self._nursery_manager.__aenter__()
        except BaseException:
            await end_session(process)
            raise
        work = Work(work_id=0, pid=process.pid, start_time=start_time(process.pid))
        nursery.start_soon(_follow, process, work)
        self._nursery = nursery
        return ChildConversation(work, process.stdout, self._order.task)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        try:
            await end_session(self._process)
        finally:
            self._nursery.cancel_scope.cancel()
            # The body's error does not concern the nursery: it is raised by itself.
            await self._nursery_manager.__aexit__(None, None, None)

    async def _start(self) -> trio.Process:
        try:
            return await self._workers.start()
        except OSError as error:
            raise WorkerLostError(f"no process to be had: {error}") from error


async def _follow(process: trio.Process, work: Work) -> None:
    """Read the error pipe as long as anybody writes to it, and record the child's end with its last output."""
    said = bytearray()
    silent = trio.Event()

    async def read() -> None:
        assert process.stderr is not None
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for piece in process.stderr:
                said.extend(piece)
                del said[:-_STDERR_BYTES]
        silent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await process.wait()
        with trio.move_on_after(LAST_WORDS_SECONDS):
            await silent.wait()
        tail = said.decode(errors="replace")[-_TAIL_LENGTH:]
        work.end(Exited(work_id=work.work_id, status=process.returncode, tail=tail))


async def end_session(process: trio.Process) -> None:
    """End a child and its whole group, grandchildren included, and reap it. Takes bounded time and is never cut short.

    SIGTERM comes first, so that ffmpeg closes its files; then SIGKILL for whatever is left, even if the leader ended by
    itself. It waits for what was killed, because its directory is about to be removed.
    """
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with trio.move_on_after(TERMINATE_SECONDS):
                await process.wait()
        _signal_group(process.pid, signal.SIGKILL)
        with trio.move_on_after(TERMINATE_SECONDS):
            await process.wait()
            if processes.PROC.is_dir():
                # In a thread, because it reads every process there is; repeatedly, because these are another process's
                # children by now and nothing reports their end.
                while await trio.to_thread.run_sync(processes.kill_session, process.pid) > 0:  # noqa: ASYNC110
                    await trio.sleep(0.01)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                await pipe.aclose()


def _signal_group(leader: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; a zombie alone on some systems
        os.killpg(leader, which)


def start_time(pid: int) -> int:
    """Return a process's start time in clock ticks since boot, 0 if there is no /proc."""
    process = processes.read_process(pid)
    return 0 if process is None else process.start_time
