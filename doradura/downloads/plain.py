"""Workers without a fork server: one child process a job, and one kept ready.

Owns the processes it starts, from their start to their reaping: each leads a session of its own, which is ended as a
whole when its job's context is left. Serves where fork is not to be had, and in tests.
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

from doradura.downloads import limits
from doradura.downloads.conversation import failure_of
from doradura.downloads.forkcontrol import Exited
from doradura.downloads.protocol import (
    LINE_LIMIT_BYTES,
    Failure,
    Metadata,
    Order,
    Result,
    SelfTest,
    WorkerLostError,
    WorkerMessage,
)

COMMAND = (sys.executable, "-m", "doradura.downloads.plainchild")
TERMINATE_SECONDS = 3.0
_STDERR_BYTES = 4096
_MESSAGES: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)


class PlainWorkers:
    """Runs each job in a child process; `run` keeps one warm, and everything works, more slowly, without it."""

    def __init__(self, command: Sequence[str] = COMMAND, *, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is the children's; None hands down ours."""
        self._command = tuple(command)
        self._environment = environment
        self._spare: trio.Process | None = None
        self._taken = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep one process started and waiting for its order. Raises OSError when none can be started."""
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

    def work(self, order: Order) -> _Work:
        """Start one job. Entering raises WorkerLostError when there is no process to be had."""
        return _Work(self, order)

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
        """Hand over the waiting process, if there is one that still lives."""
        spare, self._spare = self._spare, None
        self._taken.set()
        return spare if spare is not None and spare.poll() is None else None


class _Work:
    """The context of one job. Not a generator: an error in the body must not come out wrapped in a group."""

    def __init__(self, workers: PlainWorkers, order: Order) -> None:
        self._workers = workers
        self._order = order
        self._process: trio.Process | None = None
        self._nursery_manager = trio.open_nursery()

    async def __aenter__(self) -> PlainConversation:
        line = msgspec.json.encode(self._order) + b"\n"
        self._process = process = self._workers.take_spare() or await self._start()
        try:
            assert process.stdin is not None
            with suppress(trio.BrokenResourceError):  # it died at once: its end of file says so
                await process.stdin.send_all(line)
                await process.stdin.aclose()
            nursery = await self._nursery_manager.__aenter__()
        except BaseException:
            await end_session(process)
            raise
        conversation = PlainConversation(process, probe=self._order.task == "probe")
        nursery.start_soon(conversation.read_stderr)
        self._nursery = nursery
        return conversation

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
            # The body's error is not the nursery's affair: it goes on by itself.
            await self._nursery_manager.__aexit__(None, None, None)

    async def _start(self) -> trio.Process:
        try:
            return await self._workers.start()
        except OSError as error:
            raise WorkerLostError(f"no process to be had: {error}") from error


class PlainConversation:
    """One child's messages."""

    def __init__(self, process: trio.Process, *, probe: bool) -> None:
        """`probe` says that the order was to look only, so that `Metadata` is its last message."""
        self.pid = process.pid
        self.started_at = start_time(process.pid)
        self._process = process
        self._buffer = bytearray()
        self._stderr = bytearray()
        self._stderr_ended = trio.Event()
        self._ended = False
        self._final = (Failure, Metadata) if probe else (Failure, Result, SelfTest)

    def __aiter__(self) -> PlainConversation:
        return self

    async def __anext__(self) -> WorkerMessage:
        """Return the next message; a child that ends or talks nonsense ends with `tool_crash`."""
        if self._ended:
            raise StopAsyncIteration
        message = await self._next()
        self._ended = isinstance(message, self._final)
        return message

    async def read_stderr(self) -> None:
        """Keep the pipe empty and the last lines of it."""
        assert self._process.stderr is not None
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for piece in self._process.stderr:
                    self._stderr += piece
                    del self._stderr[:-_STDERR_BYTES]
        finally:
            self._stderr_ended.set()

    async def _next(self) -> WorkerMessage:
        line = await self._line()
        if line is None:
            return await self._crash("ended without a final message")
        if len(line) > LINE_LIMIT_BYTES:
            return await self._crash("sent a line over the limit")
        try:
            return _MESSAGES.decode(line)
        except msgspec.DecodeError as error:
            return await self._crash(f"sent no message: {error}")

    async def _line(self) -> bytes | None:
        """One line, None at the end; what is longer than the limit is given as far as it was read."""
        assert self._process.stdout is not None
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_LIMIT_BYTES:
                return bytes(self._buffer)
            try:
                piece = await self._process.stdout.receive_some()
            except trio.BrokenResourceError:
                piece = b""
            if not piece:
                return None
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def _crash(self, what: str) -> Failure:
        with trio.move_on_after(1):  # the last words are often still on their way
            await self._stderr_ended.wait()
            await self._process.wait()
        ended = failure_of(Exited(work_id=0, status=self._process.returncode))
        if ended.reason != "tool_crash":  # one of its own limits ended it
            return ended
        said = " ".join(self._stderr.decode(errors="replace").split())[-300:]
        return Failure(reason="tool_crash", detail=f"the child {what} (exit {self._process.poll()}): {said}"[:500])


async def end_session(process: trio.Process) -> None:
    """End a child and all its group, grandchildren included, and reap it. Bounded, and never cut short.

    SIGTERM first, so that ffmpeg closes its files; SIGKILL for whatever is left, even when the leader went by itself.
    What was killed is waited for: its directory is about to be removed.
    """
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with trio.move_on_after(TERMINATE_SECONDS):
                await process.wait()
        _signal_group(process.pid, signal.SIGKILL)
        with trio.move_on_after(TERMINATE_SECONDS):
            await process.wait()
            if limits.PROC.is_dir():
                # In a thread, because it reads every process there is; again and again, because these are somebody
                # else's children by now, and nothing tells us of their end.
                while await trio.to_thread.run_sync(limits.kill_session, process.pid) > 0:  # noqa: ASYNC110
                    await trio.sleep(0.01)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                await pipe.aclose()


def _signal_group(leader: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; a zombie alone on some systems
        os.killpg(leader, which)


def start_time(pid: int) -> int:
    """The kernel's start time of a process in clock ticks since boot, 0 where there is no /proc."""
    process = limits.read_process(pid)
    return 0 if process is None else process.start_time
