"""The processes of a job, read from /proc: which are in its session, what they use, and how they are ended.

Both sides of the fork use it: the fork server ends what it forked, the bot what a killed server left. Linux only. It
must not know what a job is about. A job is a session: its leader's pid is the session's id, and every process that it
starts stays in it unless it asks for a session of its own. Nothing is ever signalled by number alone: the number may
have been given to another process between looking and signalling. So a process is first held by its pidfd, then looked
at again, and only then signalled.
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
"""`pid:start_time` of a session's leader, in the environment of everything it starts: this identifies what outlives
it."""

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
    """Clock ticks since the machine started: together with the pid it identifies a process for good."""
    resident_bytes: int

    @property
    def alive(self) -> bool:
        """Whether it is still running: a zombie is not."""
        return self.state not in "ZX"


def read_process(pid: int) -> Process | None:
    """Return the process with that number, None if there is none."""
    try:
        line = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = line.rpartition(")")[2].split()  # the name before it may contain anything, even brackets
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
    """Yield every process, zombies too. One short read each, about 40 us."""
    for name in os.listdir(PROC):  # noqa: PTH208  # strings are what is wanted, and half the time
        if name.isdigit() and (process := read_process(int(name))) is not None:
            yield process


def descendants(pid: int) -> Iterator[tuple[Process, int]]:
    """Yield every process below `pid`, zombies too, each with the child of `pid` that it descends from (or is).

    It follows the kernel's lists of children, so its cost depends on the processes found (about 70 us each), not on
    those of the machine. A process that starts or ends meanwhile may be missed. If the kernel does not list children
    (CONFIG_PROC_CHILDREN), it sorts all processes instead.
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
    """Yield the ids of a process's children; the kernel lists those of each of its threads."""
    tasks = f"{PROC}/{pid}/task"
    try:
        for thread in os.listdir(tasks):  # noqa: PTH208  # as in `all_processes`
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
    """Return the live processes of a session."""
    return [process for process in all_processes() if process.session == sid and process.alive]


def kill_process(process: Process) -> bool:
    """Send SIGKILL to exactly this process; return False if it is gone, or its number is another process's by now."""
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
    """Send SIGKILL once to every process of the session; return how many. Repeat until it returns 0: they may fork.

    The caller knows that the session is a job's: its leader is an unreaped child, or was checked a moment ago. Raises
    ValueError for 0, 1 and our own session.
    """
    if sid <= 1 or sid == os.getsid(0):
        raise ValueError(f"{sid} is no job's session")
    members = session_members(sid)
    for member in members:
        kill_process(member)
    return len(members)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stray:
    """A child of a program that was killed, as recorded: whose it was, and what identifies its process."""

    owner_id: int
    """The id of the job or of the card's link."""
    pid: int
    start_time: int
    """The kernel's, in clock ticks."""


def end_session(sid: int, start_time: int) -> int:
    """Kill what is left of the session of leader `sid` with that start time; return how many processes were killed.

    For sessions of dead servers, when nothing holds the leader's number any more. If the leader still exists, its start
    time says whether it is the right session. If it is gone, only processes are killed that carry the leader's name in
    their environment. Blocks, usually for two looks at /proc, at most for some seconds: a process stuck in the kernel
    does not hold us up.
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
    """Return whether the session's leader, or a descendant, started the process (exec keeps the environment)."""
    try:
        environment = (PROC / str(process.pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{SESSION_VARIABLE}={sid}:{start_time}".encode() in environment.split(b"\0")
