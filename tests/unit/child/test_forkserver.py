"""When a job's memory is looked at, by numbers alone: no process is started or signalled."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from doradura.child import forkserver
from doradura.child.forkserver import ForkServer, look_after
from doradura.media import processes

GIB = 1024**3
LIMIT_BYTES = 4 * GIB
LEADER = 4711


@pytest.mark.parametrize(
    ("left_bytes", "seconds"),
    [(4 * GIB, 0.25), (GIB, 0.25), (GIB // 2, 0.125), (GIB // 10, 0.025), (1, 0.01), (0, 0.01), (-1, 0.01)],
)
def test_looks_come_sooner_near_the_limit(left_bytes: int, seconds: float) -> None:
    """A job is looked at before it can have grown past its limit, at most four and at most a hundred times a second."""
    assert look_after(left_bytes) == pytest.approx(seconds)


class Machine:
    """A clock, and one job's process of whatever size is set; what would be signalled is noted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.resident_bytes = 0
        self.killed: list[int] = []

    def descendants(self, _pid: int) -> Iterator[tuple[processes.Process, int]]:
        yield processes.Process(LEADER, "R", os.getpid(), LEADER, LEADER, 1, self.resident_bytes), LEADER


Looks = Callable[[int], float]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """What the server sees of the machine."""
    machine = Machine()
    monkeypatch.setattr(forkserver, "time", SimpleNamespace(monotonic=lambda: machine.now))
    monkeypatch.setattr(processes, "descendants", machine.descendants)
    monkeypatch.setattr(os, "waitid", lambda *_what: None)
    monkeypatch.setattr(forkserver, "_kill", machine.killed.append)
    return machine


@pytest.fixture
def look(machine: Machine) -> Looks:
    """Let a server with one job look at it, of so many bytes; gives the seconds until the next look."""
    server = ForkServer(cast("socket.socket", None), lambda _conversation: 0)  # it is not served
    server._jobs[1] = forkserver._Job(1, LEADER, 1, memory_bytes=LIMIT_BYTES, processes=5, output=-1)

    def look(resident_bytes: int) -> float:
        machine.resident_bytes = resident_bytes
        server._look()
        patience = server._patience()
        assert patience is not None
        return patience

    return look


def test_a_job_that_grows_is_looked_at_more_often(look: Looks, machine: Machine) -> None:
    """The server itself waits the shorter, the nearer the job is to its limit, and longer again when it shrinks."""
    sizes = (0, 3 * GIB, 7 * GIB // 2, 39 * GIB // 10, LIMIT_BYTES, 0)
    assert [look(size) for size in sizes] == pytest.approx([0.25, 0.25, 0.125, 0.025, 0.01, 0.25])
    assert machine.killed == []


@pytest.mark.parametrize("bytes_a_second", [GIB // 2, 2 * GIB, 4 * GIB])
def test_no_growth_gets_far_past_the_limit(look: Looks, machine: Machine, bytes_a_second: int) -> None:
    """However fast memory fills, it is over its limit by less than what fits into two of the shortest pauses."""
    size = 0
    while not machine.killed:
        pause = look(size)
        machine.now += pause
        seen, size = size, size + round(bytes_a_second * pause)
    assert machine.killed == [LEADER]
    assert 0 < seen - LIMIT_BYTES <= 0.02 * bytes_a_second
