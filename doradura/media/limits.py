"""What one job may use of this machine, and the processes that belong to it.

Owns the process-wide limits a child puts on itself, and everything read from /proc: who is in a session, what it
uses, and how it is ended. Linux only. It must not know what a job is about.

A job is a session: its leader's pid is the session's id, and every process it starts stays in it unless it asks for a
session of its own. Nothing is ever signalled by number alone. A number may have been given to somebody else between
looking and signalling, so a process is held by its pidfd first, then looked at again, and only then signalled.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from doradura.media.protocol import Limits

PROC: Final = Path("/proc")
NICE: Final = 10
OOM_SCORE: Final = 500
"""When memory runs out the kernel shall take a job before the bot or the database beside it."""
SESSION_VARIABLE: Final = "DORADURA_SESSION"
"""`pid:start_time` of a session's leader, in the environment of all it starts: what outlives it is known by that."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_CPU_GRACE_SECONDS: Final = 5
_ROUND_SECONDS: Final = 0.01


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat (proc(5))."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int
    """Clock ticks since the machine started: with the pid it names a process for good."""
    resident_bytes: int

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie has nothing left but its number."""
        return self.state not in "ZX"


def apply(limits: Limits) -> None:
    """Put the limits on this process and on all it will start. None can be lifted again by what is run under them.

    Memory and process counts are not among them: address-space limits break ffmpeg and RLIMIT_NPROC counts by user, so
    the fork server sums those from /proc.
    """
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds, grace=_CPU_GRACE_SECONDS)
    _lower(resource.RLIMIT_CORE, 0)
    os.umask(0o077)
    with contextlib.suppress(PermissionError):  # already nicer than that: only root could go back
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):
        # Where the kernel groups processes by session, niceness counts inside the group alone: the job's session is a
        # group of its own and would have as much of the processors as the bot (sched(7), "The autogroup feature").
        (PROC / "self" / "autogroup").write_text(str(NICE))
    with contextlib.suppress(OSError):
        (PROC / "self" / "oom_score_adj").write_text(str(OOM_SCORE))
    _prctl(_PR_SET_NO_NEW_PRIVS)


def _lower(kind: int, soft: int, *, grace: int = 0) -> None:
    """Set the soft limit, and the hard one `grace` above it, never above what this process was given."""
    _, hard = resource.getrlimit(kind)
    ceiling = soft + grace if hard == resource.RLIM_INFINITY else min(soft + grace, hard)
    resource.setrlimit(kind, (min(soft, ceiling), ceiling))


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies (PR_SET_CHILD_SUBREAPER).

    Else they would go to pid 1, which in a container is often a program that never reaps.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER)


def _prctl(option: int) -> None:
    """Where the kernel refuses, the job runs without: both options are a second line of defence."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, 1, 0, 0, 0)


def read_process(pid: int) -> Process | None:
    """The process of that number, None when there is none."""
    try:
        line = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = line.rpartition(")")[2].split()  # the name before it may hold anything, brackets too
    return Process(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
        resident_bytes=int(fields[21]) * resource.getpagesize(),
    )


def processes() -> Iterator[Process]:
    """Every process there is, zombies too. One short read each, about 40 us."""
    for name in os.listdir(PROC):  # noqa: PTH208  # strings are what is wanted, and half the time
        if name.isdigit() and (process := read_process(int(name))) is not None:
            yield process


def descendants(pid: int) -> Iterator[tuple[Process, int]]:
    """Every process below `pid`, zombies too, each with the number of the child of `pid` that it is below (or is).

    Walks what the kernel says of each process's children, so it costs by the processes found (about 70 us each) and not
    by those of the machine. A process that is born or dies meanwhile may be missed. Where the kernel does not tell
    children (CONFIG_PROC_CHILDREN), it sorts all processes there are instead.
    """
    if not _TELLS_CHILDREN.exists():
        yield from _sorted_out(pid)
        return
    waiting = [(child, child) for child in _children(pid)]
    while waiting:
        number, top = waiting.pop()
        process = read_process(number)
        if process is not None:
            yield process, top
            waiting += [(child, top) for child in _children(number)]


_TELLS_CHILDREN: Final = PROC / "thread-self" / "children"


def _children(pid: int) -> Iterator[int]:
    """The children of a process: each of its threads has its own."""
    tasks = f"{PROC}/{pid}/task"
    try:
        for thread in os.listdir(tasks):  # noqa: PTH208  # as in `processes`
            with open(f"{tasks}/{thread}/children", encoding="ascii") as file:  # noqa: PTH123  # half the time
                yield from map(int, file.read().split())
    except OSError:  # it ended meanwhile
        return


def _sorted_out(pid: int) -> Iterator[tuple[Process, int]]:
    below: dict[int, list[Process]] = {}
    for process in processes():
        below.setdefault(process.parent, []).append(process)
    waiting = [(child, child.pid) for child in below.get(pid, ())]
    while waiting:
        process, top = waiting.pop()
        yield process, top
        waiting += [(child, top) for child in below.get(process.pid, ())]


def session_members(sid: int) -> list[Process]:
    """The live processes of a session."""
    return [process for process in processes() if process.session == sid and process.alive]


def kill_process(process: Process) -> bool:
    """SIGKILL exactly this process; False when it is gone, or its number is another's by now."""
    try:
        held = os.pidfd_open(process.pid)
    except OSError:  # gone; or out of descriptors, and then the caller's next round tries again
        return False
    try:
        now = read_process(process.pid)
        if now is None or (now.start_time, now.session) != (process.start_time, process.session):
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True


def kill_session(sid: int) -> int:
    """SIGKILL every process of the session, once; how many there were. Call again until it gives 0: they may fork.

    The caller knows that the session is a job's: its leader is an unreaped child, or was looked at a moment ago. Raises
    ValueError for a session that can be none: 0, 1, and our own.
    """
    if sid <= 1 or sid == os.getsid(0):
        raise ValueError(f"{sid} is no job's session")
    members = session_members(sid)
    for member in members:
        kill_process(member)
    return len(members)


def end_session(sid: int, start_time: int) -> int:
    """Kill what is left of a session whose leader was `sid` with that start time; how many processes were killed.

    For sessions of servers that are dead: nobody holds the leader's number any more. If the leader still is there, its
    start time says whether the session is the one meant. If it is gone, only processes go that carry the leader's name
    in their environment. Blocks, usually for two looks at /proc, at most for some seconds: a process that the kernel
    holds does not hold us.
    """
    if sid <= 1 or sid == os.getsid(0):
        return 0
    killed: set[tuple[int, int]] = set()
    for _ in range(200):
        leader = read_process(sid)
        if leader is not None and (leader.start_time != start_time or leader.session != sid):
            return len(killed)
        members = session_members(sid)
        if leader is None:
            members = [member for member in members if _belongs(member, sid, start_time)]
        if not members:
            return len(killed)
        killed.update((member.pid, member.start_time) for member in members if kill_process(member))
        time.sleep(_ROUND_SECONDS)
    return len(killed)


def _belongs(process: Process, sid: int, start_time: int) -> bool:
    """Whether the process was started by that session's leader or below it (exec keeps what the leader had set)."""
    try:
        environment = (PROC / str(process.pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{SESSION_VARIABLE}={sid}:{start_time}".encode() in environment.split(b"\0")
