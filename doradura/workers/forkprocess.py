"""The fork server as the bot sees it: its process, the socket to it, and the children given to it.

Owns one server from its start to its end. After `run` nothing of the server or of its jobs is left, however either side
ended.
"""

from __future__ import annotations

import itertools
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec
import trio

from doradura.media import processes
from doradura.media.forkcontrol import (
    PACKET_BYTES,
    READY_SECONDS,
    ControlRequest,
    Exited,
    Ready,
    Report,
    StartChild,
    Started,
    StopChild,
)
from doradura.media.protocol import Limits, WorkerLostError
from doradura.startup import StartupError
from doradura.workers.conversation import Work

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 3.0
"""The time that a job has between SIGTERM and SIGKILL."""
STOP_SECONDS: Final = 5.0
"""How long ending a job waits until its processes are gone. After that the server continues killing alone."""
LEAVE_SECONDS: Final = 6.0
"""How long the server has to kill its jobs and exit once its socket has ended."""
_TAIL_BYTES: Final = 4096
_DECODER: Final = msgspec.json.Decoder(Report)


class WorkersError(StartupError):
    """The fork server does not start; the message says why, in the server's own words."""


class ServerProcess:
    """One fork server. `run` is its whole life; the other methods work during it."""

    def __init__(self, *, job: str, environment: Mapping[str, str], ffmpeg: str | None = None) -> None:
        self._job = job
        self._ffmpeg = ffmpeg
        self._environment = environment
        self._control: trio.socket.SocketType | None = None
        self._sending = trio.Lock()
        self._works: dict[int, Work] = {}
        self._work_ids: Iterator[int] = itertools.count(1)
        self._tail = b""
        self.pid = 0
        self.serving = False
        """Whether it is ready and not known to be gone."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Start it, call `ready` once it is, return when it has died. Raises WorkersError if it never became ready."""
        try:
            await self._run(ready)
        except OSError as error:  # no process, no descriptors, no interpreter any more
            raise WorkersError(f"the fork server can't be started: {error}") from error

    async def _run(self, ready: Callable[[], None]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, trio.socket.from_stdlib_socket(ours) as control:
            process = await trio.lowlevel.open_process(
                [
                    sys.executable,
                    "-m",
                    "doradura.child.worker",
                    f"--control={theirs.fileno()}",
                    f"--job={self._job}",
                    *([] if self._ffmpeg is None else [f"--runs={self._ffmpeg}"]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a terminal's Ctrl-C, meant for us, must not reach the jobs while we drain
                env=self._environment,
            )
            self.pid = process.pid
            self._control = control
            theirs.close()  # else its death would not be our end of file
            try:
                was_ready = await self._talk(process, control, ready)
            finally:
                self.serving = False
                with trio.CancelScope(shield=True):
                    await self._bury(process, control)
        words = self._tail.decode(errors="replace").strip()
        if not was_ready:
            raise WorkersError(words or f"the fork server was not ready and left with status {process.returncode}")
        log.error("the fork server died", extra={"status": process.returncode, "stderr": words})

    async def _talk(self, process: trio.Process, control: trio.socket.SocketType, ready: Callable[[], None]) -> bool:
        """Read until the socket ends; return whether the server ever was ready."""
        async with trio.open_nursery() as nursery:
            errors_read = trio.Event()
            nursery.start_soon(self._read_errors, process, errors_read)
            report: Report | None = None
            with trio.move_on_after(READY_SECONDS):
                report = await _receive(control)
            if was_ready := isinstance(report, Ready):
                self.serving = True
                ready()
            while report is not None:
                report = await _receive(control)
                self._note(report)
            self.serving = False
            with trio.move_on_after(1):  # its last words are in the pipe, unless something else holds it open
                await errors_read.wait()
            nursery.cancel_scope.cancel()
        return was_ready

    async def _read_errors(self, process: trio.Process, done: trio.Event) -> None:
        """Read the error pipe, which would otherwise block the server; only its end is kept."""
        assert process.stderr is not None
        async for piece in process.stderr:
            self._tail = (self._tail + piece)[-_TAIL_BYTES:]
        done.set()

    def _note(self, report: Report | None) -> None:
        match report:
            case Started(work_id=work_id):
                begun = self._works[work_id]
                begun.pid, begun.start_time = report.pid, report.start_time
                begun.begun.set()
            case Exited(work_id=work_id):
                ended = self._works.pop(work_id, None)  # a stop that crossed its end is answered a second time
                if ended is not None:
                    ended.end(report)
            case _:
                pass

    async def _bury(self, process: trio.Process, control: trio.socket.SocketType) -> None:
        """Make sure that nothing keeps running: a live server does it when its socket ends; for a dead one we do it."""
        control.close()
        with trio.move_on_after(LEAVE_SECONDS):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        assert process.stderr is not None
        await process.stderr.aclose()
        for work in list(self._works.values()):
            if work.pid:
                await trio.to_thread.run_sync(processes.end_session, work.pid, work.start_time)
            work.end(None)
        self._works.clear()

    async def start(self, job_limits: Limits, conversation: socket.socket) -> Work:
        """Have a child forked that has `conversation`; `begun` tells when.

        Raises WorkerLostError if the server is gone.
        """
        work = Work(next(self._work_ids))
        request = StartChild(work_id=work.work_id, memory_bytes=job_limits.memory_bytes, processes=job_limits.processes)
        descriptor = conversation.fileno().to_bytes(4, sys.byteorder)
        self._works[work.work_id] = work
        try:
            await self._send(request, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])
        except (OSError, trio.ClosedResourceError) as error:
            self._works.pop(work.work_id, None)
            raise WorkerLostError("the fork server was gone before the job began") from error
        except trio.Cancelled:
            self._works.pop(work.work_id, None)
            raise
        return work

    async def stop(self, work: Work) -> None:
        """End the child and its whole session, and wait for that, at most five seconds. Call it shielded."""
        with trio.move_on_after(STOP_SECONDS):
            if not work.ended.is_set():
                with suppress(OSError, trio.ClosedResourceError):  # `run` sees the same and ends the work
                    await self._send(StopChild(work_id=work.work_id, grace_seconds=GRACE_SECONDS))
            await work.ended.wait()
            return
        log.error("a job's processes do not end", extra={"pid": work.pid})

    async def _send(self, request: ControlRequest, ancillary: list[tuple[int, int, bytes]] | None = None) -> None:
        """Send one packet, whole or not at all, even when cancelled."""
        assert self._control is not None
        async with self._sending:
            await self._control.sendmsg([msgspec.json.encode(request)], ancillary or [])


async def _receive(control: trio.socket.SocketType) -> Report | None:
    """Return the next report, None at the end."""
    try:
        packet = await control.recv(PACKET_BYTES)
    except ConnectionResetError:
        return None
    return _DECODER.decode(packet) if packet else None
