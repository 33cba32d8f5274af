"""What keeps the stack's programs, with programs that behave badly."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from doradura.settings import Address
from stack import running
from stack.addresses import AddressTakenError, check_free, with_ports
from stack.facts import settings_of
from stack.logfile import LogFile
from stack.programs import Place, Program
from stack.record import Child, Record, Said, end, start_of

DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which children inherit
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("x" * 300_000)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
"""Ignores SIGTERM, has a child that does too, and writes more than a pipe holds."""


def program(code: str, *, term_seconds: float = 0.3) -> Program:
    """Make a program of a piece of Python."""
    return Program("nasty", (sys.executable, "-c", code), {"MARK": "of the test"}, term_seconds)


class Shown:
    """What the runner shows, to be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._came = trio.Event()

    def take(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)
        self._came.set()
        self._came = trio.Event()

    async def until(self, text: str) -> str:
        """Wait for a line that has this in it."""
        with trio.fail_after(20):
            while not (found := [line for line in self.lines if text in line]):
                await self._came.wait()
        return found[-1]


@asynccontextmanager
async def kept(tmp_path: Path, *programs: Program) -> AsyncIterator[Shown]:
    """Run programs; cancelled at the end."""
    shown, record = Shown(), Record(tmp_path)
    record.begin(mode="native", urls={})
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[None]) -> None:
            await running.run(
                programs,
                [],
                logs=tmp_path / "logs",
                record=record,
                environment={"PYTHONUNBUFFERED": "1"},
                show=shown.take,
                task_status=task_status,
            )

        await nursery.start(run)
        yield shown
        nursery.cancel_scope.cancel()


async def test_a_deaf_program_is_killed_with_its_children(tmp_path: Path) -> None:
    """What ignores SIGTERM and floods its output is killed with all it started, once its time is over."""
    async with kept(tmp_path, program(DEAF)) as shown:
        line = (await shown.until(" | ")) and await shown.until(" | " + str(Record(tmp_path).children()[0].pid))
        leader, child = map(int, line.partition(" | ")[2].split())
        assert start_of(leader) is not None
        assert start_of(child) is not None
    assert start_of(leader) is None
    with trio.fail_after(30):
        while start_of(child) is not None:  # noqa: ASYNC110 - the kernel's, not ours: it dies when it next runs
            await trio.sleep(0.01)


async def test_a_program_that_ends_ends_the_whole(tmp_path: Path) -> None:
    """Its exit code is said, and its last words are in its log although it left at once."""
    with pytest.RaisesGroup(
        pytest.RaisesExc(running.ProgramEndedError, match="with exit code 7"), flatten_subgroups=True
    ):
        async with kept(tmp_path, program("print('last words'); raise SystemExit(7)")):
            await trio.sleep_forever()
    assert (tmp_path / "logs" / "nasty.log").read_text() == "last words\n"


async def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A binary that can't be started is an error that names it, and what was started before is ended."""
    missing = Program("missing", (str(tmp_path / "nothing"),))
    with pytest.RaisesGroup(FileNotFoundError, flatten_subgroups=True):
        async with kept(tmp_path, program("import time; time.sleep(600)"), missing):
            pass
    assert Record(tmp_path).children() == []


async def test_programs_see_only_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets the environment it is given and its own additions, and nothing of this process's."""
    monkeypatch.setenv("DORADURA_TELEGRAM_TOKEN", "secret")
    code = "import os, time; print('I have', sorted(os.environ)); time.sleep(600)"
    async with kept(tmp_path, program(code)) as shown:
        line = await shown.until("I have")
    assert "'MARK', " in line
    assert "DORADURA" not in line


async def test_a_silent_place_is_said(tmp_path: Path) -> None:
    """A program that runs and never answers is an error that says where it was asked."""
    place = Place("nasty", Address("127.0.0.1", 1), "/-/ready", "DORADURA_STACK_NASTY")
    with pytest.RaisesGroup(
        pytest.RaisesExc(running.NotReadyError, match=r"nasty does not answer at http://127\.0\.0\.1:1/-/ready"),
        flatten_subgroups=True,
    ):
        await running.run(
            [program("import time; time.sleep(600)")],
            [place],
            logs=tmp_path / "logs",
            record=Record(tmp_path),
            environment={},
            show=print,
            ready_seconds=0.2,
        )


async def test_strangers_are_left_alone(tmp_path: Path) -> None:
    """A recorded pid that is somebody else's by now is not touched; the recorded process itself is ended."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    start = start_of(process.pid)
    assert start is not None
    end([Child("stranger", process.pid, str(int(start) - 1))], seconds=1)
    assert process.poll() is None
    end([Child("ours", process.pid, start)], seconds=30)
    with trio.fail_after(30):
        assert await process.wait() == -signal.SIGTERM


def test_port_0_is_any_free_one() -> None:
    """Each address of the stack's with port 0 gets one of its own; one that has a port keeps it."""
    settings = settings_of({"DORADURA_STACK_PROMETHEUS": "127.0.0.1:0", "DORADURA_STACK_GRAFANA": "[::1]:0"})
    found = with_ports(settings)
    assert found.stack_prometheus.port
    assert found.stack_grafana.port
    assert (found.stack_grafana.host, str(found.stack_alertmanager)) == ("::1", "127.0.0.1:9093")


def test_a_torn_record_is_no_record(tmp_path: Path) -> None:
    """A record that is missing, torn or of another form names nobody."""
    record = Record(tmp_path)
    child = '{"mode": "native", "children": [{"name": "a", "pid": %s, "start": %s}]}'
    foreign = (child % ("-1", "null"), child % ("0", '"1"'), child % ('"1"', '"1"'), child % ("1e999", '"1"'))
    nonsense = ('{"children": [{"pid": 1}]}', '{"mode": 1}', '{"mode": "native", "urls": [1]}', "[" * 100_000, "\xff")
    unread = ('{"mode": "\xff"}', '{"another": ' + "[" * 100_000)
    for text in (None, "", "{", "[]", *nonsense, *unread, *foreign):
        if text is not None:
            (tmp_path / "running.json").write_text(text, encoding="latin-1")
        assert record.children() == []
        assert record.read() == Said()


def test_a_log_is_bounded(tmp_path: Path) -> None:
    """A log over its limit goes on in a new file, the older part beside it; the rest is dropped."""
    log = LogFile(tmp_path / "logs" / "a.log", limit_bytes=100)
    for number in range(50):
        log.write(f"line {number:02}".encode())
    log.close()
    assert (tmp_path / "logs" / "a.log").read_text().splitlines()[-1] == "line 49"
    assert sum(path.stat().st_size for path in (tmp_path / "logs").iterdir()) <= 200
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_an_address_of_others_is_named() -> None:
    """An address that is not this machine's is a sentence with the setting."""
    place = Place("grafana", Address("192.0.2.1", 3000), "/", "DORADURA_STACK_GRAFANA")
    with pytest.raises(AddressTakenError, match=r"grafana can't listen on 192\.0\.2\.1:3000.*DORADURA_STACK_GRAFANA"):
        check_free(place)


def test_no_zombie_counts_as_running() -> None:
    """A process that ended and was not collected is not running."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert start_of(pid) is None
    os.waitpid(pid, 0)
