"""The processes that belong to a job, read from /proc: who is in its session, what they use, and how they are ended.

Both sides of the fork read it: the fork server ends what it forked, the bot what a killed server left. Linux only. It
must not know what a job is about.

A job is a session: its leader's pid is the session's id, and every process it starts stays in it unless it asks for a
session of its own. Nothing is ever signalled by number alone. A number may have been given to somebody else between
looking and signalling, so a process is held by its pidfd first, then looked at again, and only then signalled.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
SESSION_VARIABLE: Final = "DORADURA_SESSION"
"""`pid:start_time` of a session's leader, in the environment of all it starts: what outlives it is known by that."""

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


def all_processes() -> Iterator[Process]:
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
    for process in all_processes():
        below.setdefault(process.parent, []).append(process)
    waiting = [(child, child.pid) for child in below.get(pid, ())]
    while waiting:
        process, top = waiting.pop()
        yield process, top
        waiting += [(child, top) for child in below.get(process.pid, ())]


def session_members(sid: int) -> list[Process]:
    """The live processes of a session."""
    return [process for process in all_processes() if process.session == sid and process.alive]


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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stray:
    """A child of a program that was killed, as it was noted: whose it was, and what tells its process from others."""

    owner_id: int
    """The job's or the card's."""
    pid: int
    start_time: int
    """The kernel's, in clock ticks."""


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
