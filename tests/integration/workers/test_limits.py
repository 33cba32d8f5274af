"""What is read from /proc and signalled by it, on real processes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from doradura.media import processes

PAUSE = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]


@pytest.fixture
def paused() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a session of its own and waits."""
    with subprocess.Popen(PAUSE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_own_process() -> None:
    """A process reads of itself what the system calls say."""
    own = processes.read_process(os.getpid())
    assert own is not None
    assert (own.pid, own.parent, own.group, own.session) == (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))
    assert own.alive
    assert own.start_time > 0
    assert own.resident_bytes > 5_000_000


def test_name_with_brackets(paused: subprocess.Popen[bytes]) -> None:
    """A process whose name looks like other fields of the line is read right."""
    renaming = "import pathlib, os, signal; pathlib.Path('/proc/self/comm').write_text('x) Z 1 1 (');"
    with subprocess.Popen(
        [sys.executable, "-c", renaming + PAUSE[2]], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = processes.read_process(process.pid)
        process.kill()
    assert found is not None
    assert (found.alive, found.parent, found.session) == (True, os.getpid(), process.pid)


def test_no_process() -> None:
    """There is nothing to read of a number nobody has."""
    assert processes.read_process(2**22 + 1) is None


def test_session(paused: subprocess.Popen[bytes]) -> None:
    """A session's members are its live processes; a killed one has none, though its zombie is not reaped."""
    (member,) = processes.session_members(paused.pid)
    assert 2_000_000 < member.resident_bytes < 200_000_000
    assert processes.kill_session(paused.pid) == 1
    os.waitid(os.P_PID, paused.pid, os.WEXITED | os.WNOWAIT)
    assert processes.session_members(paused.pid) == []
    assert processes.read_process(paused.pid) is not None
    assert processes.kill_session(paused.pid) == 0


def test_a_number_that_is_anothers_now(paused: subprocess.Popen[bytes]) -> None:
    """A process that has the number but not the start time or session looked for is not killed."""
    found = processes.read_process(paused.pid)
    assert found is not None
    assert not processes.kill_process(dataclasses.replace(found, start_time=found.start_time - 1))
    assert not processes.kill_process(dataclasses.replace(found, session=1))
    assert paused.poll() is None
    assert processes.kill_process(found)
    assert paused.wait() == -9
    assert not processes.kill_process(found)


@pytest.mark.parametrize("sid", [-1, 0, 1, os.getsid(0)])
def test_sessions_that_are_no_job(sid: int) -> None:
    """Everybody's, the first process's and our own session are never killed."""
    with pytest.raises(ValueError, match="no job's session"):
        processes.kill_session(sid)
    assert processes.end_session(sid, 0) == 0
