"""The fork server: forks one child per job from a process that has everything loaded, and ends what it forked.

Owns the jobs' processes: nobody else reaps or signals them while it lives. Linux only, single-threaded and without an
event loop, because only then a fork is safe. It must not know what a job is about, nor Trio. Why it is safe to signal a
leader's pid here: it stays ours until it is reaped, and it is reaped last, when nothing is left of its session. When
the control socket ends, the bot is gone, however it died: the server kills every session and exits. (PR_SET_PDEATHSIG
would be tied to the bot's thread that started us, not to the bot.)
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection
from typing import Final, NoReturn

import msgspec

from doradura.media import processes
from doradura.media.forkcontrol import (
    PACKET_BYTES,
    ControlRequest,
    Exited,
    Ready,
    Report,
    StartChild,
    Started,
    StopChild,
)

LOOK_SECONDS: Final = 0.25
"""The longest pause between two sums of what each session uses; near its limit they come sooner, see `look_after`."""
SOONEST_LOOK_SECONDS: Final = 0.01
FASTEST_GROWTH: Final = 4 * 1024**3
"""How fast a job's memory can grow, in bytes per second: about twice what two cores were measured to fill."""
ENDING_SECONDS: Final = 0.02
"""The pause between two looks at a session that was killed and is not gone."""
LEAVE_SECONDS: Final = 5.0
TAIL_BYTES: Final = 2048
_KILL_ROUNDS: Final = 20
_CRASHED: Final = 70  # sysexits.h: EX_SOFTWARE


def look_after(left_bytes: int) -> float:
    """Return the seconds until a job that may use this many more bytes is checked again.

    By then it can at most have reached its limit, so it exceeds it by no more than it takes in the shortest pause.
    """
    return min(LOOK_SECONDS, max(SOONEST_LOOK_SECONDS, left_bytes / FASTEST_GROWTH))


Child = Callable[[socket.socket], int]
"""What the child does with its conversation; it returns the exit status."""


@dataclasses.dataclass(slots=True)
class _Job:
    work_id: int
    pid: int
    start_time: int
    memory_bytes: int
    processes: int
    output: int
    """The reading end of the pipe that is the child's stdout and stderr."""
    tail: bytes = b""
    kill_at: float = math.inf
    """When the grace period of a stop ends."""
    over_limit: str | None = None
    by_tool: bool = False
    resident_bytes: int = 0


class ForkServer:
    """Serves one control socket until it ends. `child` runs in each fork and must not return to its caller."""

    def __init__(self, control: socket.socket, child: Child, *, spared: Collection[int] = ()) -> None:
        self._control = control
        self._child = child
        self._spared = frozenset(spared)
        self._jobs: dict[int, _Job] = {}
        self._selector = selectors.PollSelector()  # epoll's state would be shared with the children
        self._decoder = msgspec.json.Decoder(ControlRequest)
        self._serving = True
        self._look_at = math.inf

    def run(self, *, loaded_seconds: float) -> None:
        """Serve until the other side has gone and no process of any job is left (or five seconds have passed since)."""
        wake, woken = self._take_signals()
        self._control.setblocking(True)
        self._selector.register(self._control, selectors.EVENT_READ, self._read_control)
        self._selector.register(wake, selectors.EVENT_READ, lambda: self._woken(wake))
        self._send(Ready(loaded_seconds=loaded_seconds))
        while self._serving:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            if time.monotonic() >= self._look_at:
                self._look()
        signal.set_wakeup_fd(-1)
        wake.close()
        woken.close()
        self._leave()

    def _take_signals(self) -> tuple[socket.socket, socket.socket]:
        """Ignore all signals that would end us: only the bot's end does. A terminal or service manager also signals us.

        SIGTERM stays blocked for good, so that a child can be told to stop before it has set up its own signals.
        """
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        return wake, woken

    def _patience(self) -> float | None:
        """Return how long nothing needs to be done; None (for ever) without jobs."""
        return None if self._look_at == math.inf else max(0.0, self._look_at - time.monotonic())

    def _woken(self, wake: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)
        self._look_at = 0.0  # a child ended

    def _read_control(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            packet, descriptors = b"", []
        if not packet:
            self._serving = False
            return
        match self._decoder.decode(packet):
            case StartChild() as start:
                self._start(start, descriptors)
            case StopChild() as stop:
                self._stop(stop)

    def _send(self, report: Report) -> None:
        try:
            self._control.send(msgspec.json.encode(report))
        except (BrokenPipeError, ConnectionResetError):
            self._serving = False

    def _start(self, start: StartChild, descriptors: list[int]) -> None:
        opened = list(descriptors)
        try:
            conversation = descriptors[0]  # absent when this process is out of descriptors
            output, written = os.pipe()
            opened += [output, written]
            pid = os.fork()
        except (OSError, IndexError) as error:
            for descriptor in opened:
                os.close(descriptor)
            self._send(Exited(work_id=start.work_id, tail=f"no process to be had: {error}"))
            return
        if pid == 0:
            self._be_child(conversation, written)
        os.close(conversation)
        os.close(written)
        os.set_blocking(output, False)
        process = processes.read_process(pid)
        assert process is not None  # ours until we reap it
        job = _Job(
            work_id=start.work_id,
            pid=pid,
            start_time=process.start_time,
            memory_bytes=start.memory_bytes,
            processes=start.processes,
            output=output,
        )
        self._jobs[job.work_id] = job
        self._selector.register(output, selectors.EVENT_READ, lambda: self._read_output(job))
        self._send(Started(work_id=job.work_id, pid=pid, start_time=job.start_time))
        self._look_at = min(self._look_at, time.monotonic() + SOONEST_LOOK_SECONDS)

    def _be_child(self, conversation: int, written: int) -> NoReturn:
        """In the fork: set up a session, signals and descriptors of its own, run the job, then exit.

        The process's barrier: any error is written where it reaches the log.
        """
        status = _CRASHED
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.dup2(written, 1)
            os.dup2(written, 2)
            for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # strings are what is wanted
                if int(name) > 2 and int(name) != conversation and int(name) not in self._spared:
                    with contextlib.suppress(OSError):  # the listing's own
                        os.close(int(name))
            status = self._child(socket.socket(fileno=conversation))
        except BaseException:  # noqa: BLE001  # the barrier named above
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(status)  # whatever was raised: the server's frames above must not continue in the child

    def _read_output(self, job: _Job) -> bool:
        """Read what the child wrote to stdout and stderr, and keep the end of it.

        It is read although only the end is wanted: a child that writes into a full pipe (64 KiB) would wait until
        somebody reads it. Return False if there is nothing more to read for now.
        """
        try:
            piece = os.read(job.output, PACKET_BYTES)
        except BlockingIOError:
            return False
        job.tail = (job.tail + piece)[-TAIL_BYTES:]
        if not piece:
            self._selector.unregister(job.output)
        return bool(piece)

    def _stop(self, stop: StopChild) -> None:
        job = self._jobs.get(stop.work_id)
        if job is None:
            self._send(Exited(work_id=stop.work_id))
            return
        try:
            os.killpg(job.pid, signal.SIGTERM)
        except ProcessLookupError:  # it has no group of its own yet
            os.kill(job.pid, signal.SIGTERM)
        job.kill_at = min(job.kill_at, time.monotonic() + stop.grace_seconds)
        self._look_at = min(self._look_at, job.kill_at)

    def _look(self) -> None:
        """Sum what each job uses, kill jobs over their limit or grace period, and report those that are gone.

        A job's processes are all descendants of its leader, plus those of its session that became our own children when
        their parent died.
        """
        leaders = {job.pid: job for job in self._jobs.values()}
        members: dict[int, list[processes.Process]] = {pid: [] for pid in leaders}
        for process, top in processes.descendants(os.getpid()):
            leader = process.session if process.session in members else top
            if leader in members and process.alive:
                members[leader].append(process)
            elif process.pid == top and top not in leaders:
                _end_orphan(process)
        now = time.monotonic()
        self._look_at = math.inf  # each remaining job says when
        for job in leaders.values():
            self._judge(job, members[job.pid], now)

    def _judge(self, job: _Job, members: list[processes.Process], now: float) -> None:
        left = os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        resident = sum(member.resident_bytes for member in members)
        job.resident_bytes = max(job.resident_bytes, resident)
        if not left and job.over_limit is None:
            if len(members) > job.processes:  # first: each fork counts what it shares again, so both may be over
                job.over_limit = "processes"
            elif resident > job.memory_bytes:
                job.over_limit = "memory"
                job.by_tool = max(members, key=lambda member: member.resident_bytes).pid != job.pid
        if left or job.over_limit is not None or now >= job.kill_at:
            if members or not left or processes.session_members(job.pid):
                _kill(job.pid)
                self._look_at = min(self._look_at, now + ENDING_SECONDS)
            else:
                self._finish(job)
        else:
            self._look_at = min(self._look_at, job.kill_at, now + look_after(job.memory_bytes - resident))

    def _finish(self, job: _Job) -> None:
        _, status, usage = os.wait4(job.pid, 0)
        if job.output in self._selector.get_map():
            while self._read_output(job):
                pass
        if job.output in self._selector.get_map():  # held open by a process that left the session
            self._selector.unregister(job.output)
        os.close(job.output)
        del self._jobs[job.work_id]
        if not self._jobs:
            self._look_at = math.inf
        self._send(
            Exited(
                work_id=job.work_id,
                status=os.waitstatus_to_exitcode(status),
                over_limit=job.over_limit,
                by_tool=job.by_tool,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
                resident_bytes=max(job.resident_bytes, usage.ru_maxrss * 1024),
                tail=job.tail.decode(errors="replace"),
            )
        )

    def _leave(self) -> None:
        """The bot is gone: kill everything and wait until it has ended."""
        until = time.monotonic() + LEAVE_SECONDS
        for job in self._jobs.values():
            job.kill_at = 0.0
        while self._jobs and time.monotonic() < until:
            self._look()
            time.sleep(ENDING_SECONDS)
        self._look()  # for orphans that came to us with the last of them


def _kill(leader: int) -> None:
    """Send SIGKILL to the session of a child that was not reaped.

    Its group dies at once, which a fork bomb cannot outrun. Processes in other groups are killed one by one, repeatedly
    as long as there are new ones.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    os.kill(leader, signal.SIGKILL)
    for _ in range(_KILL_ROUNDS):
        if not processes.kill_session(leader):
            return


def _end_orphan(process: processes.Process) -> None:
    """Reap a dead descendant that became ours when its parent died; kill a live one that left its job's session."""
    if process.alive:
        processes.kill_process(process)
    else:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
