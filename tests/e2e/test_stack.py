"""The stack's runner with the real programs: one command starts all, every way of stopping leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stack.record import Record
from tests.e2e.program import processes_in, until
from tests.e2e.stack import READY, Stack, answering, stack
from tests.programs import found

ALL_UP = {"doradura-bot": 1.0, "prometheus": 1.0, "alertmanager": 1.0}


@pytest.fixture(autouse=True)
def _programs() -> None:
    found("prometheus")
    found("prometheus-alertmanager")


@asynccontextmanager
async def ready(data_dir: Path, **extra: str) -> AsyncIterator[Stack]:
    """Start the stack around something to scrape; it is ready."""
    async with answering(lambda _head, _body: b"something 1\n") as bot:
        target = bot.removeprefix("http://")
        async with stack(data_dir, "--speed", "30", "--targets", target, **extra) as running:
            await running.until_said(READY)
            yield running


async def test_one_command_starts_all_of_it(tmp_path: Path) -> None:
    """Prometheus scrapes the bot, itself and Alertmanager, and knows where alerts go; SIGTERM ends all, exit code 0."""
    async with ready(tmp_path / "data") as running:

        async def all_up() -> bool:
            return await running.up() == ALL_UP

        await until(all_up, seconds=60)
        answer = await running.client.get(f"{running.urls['prometheus']}/api/v1/alertmanagers")
        known = [entry["url"] for entry in answer.json()["data"]["activeAlertmanagers"]]
        assert known == [f"{running.urls['alertmanager']}/api/v2/alerts"]
        flags = (await running.client.get(f"{running.urls['prometheus']}/api/v1/status/flags")).json()["data"]
        assert flags["storage.tsdb.retention.time"] in {"30d", "4w2d"}

        kept = [path for path in (tmp_path / "data").rglob("*") if "data/stack/data" not in str(path)]
        assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_file()} == {"0o600"}
        assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_dir()} == {"0o700"}

        code, said = await running.command("run", "--native")
        assert (code, "The stack is already running" in said) == (3, True)
        code, said = await running.command("check")
        assert (code, said.count(" is up")) == (0, 3), said
        code, said = await running.command("logs", "prometheus")
        assert (code, "Server is ready to receive web requests" in said) == (0, True)
        assert "prometheus   | " in running.said
        assert "alertmanager | " in running.said

        assert await running.stop() == 0
        assert processes_in(tmp_path / "data") == []
        assert (await running.command("down"))[1] == "The stack is not running.\n"


async def test_ctrl_c_and_down_stop_all_of_it(tmp_path: Path) -> None:
    """Ctrl-C ends everything, and so does `down` from elsewhere; the next start goes on with the same data."""
    async with ready(tmp_path / "data") as running:
        assert await running.stop(signal.SIGINT) == 0
        assert processes_in(tmp_path / "data") == []
    async with ready(tmp_path / "data") as running:
        assert await running.command("down") == (0, "The stack is stopped.\n")
        assert await running.until_ended() == 0
        assert processes_in(tmp_path / "data") == []


async def test_a_killed_runner_leaves_nothing_for_ever(tmp_path: Path) -> None:
    """After kill -9 of the runner its programs are ended by `down`, or by the next start, which then runs."""
    data_dir = tmp_path / "data"
    async with ready(data_dir) as running:
        running.process.kill()
        await running.process.wait()
        assert {child.name for child in Record(data_dir / "stack").children()} == {"prometheus", "alertmanager"}
        assert await running.command("down") == (0, "The stack is stopped.\n")
        assert processes_in(data_dir) == []
    async with ready(data_dir) as running:
        running.process.kill()
        await running.process.wait()
        left = Record(data_dir / "stack").children()
        assert len(left) == 2
        async with ready(data_dir) as again:
            assert "Ending what an earlier start left running: prometheus, alertmanager." in again.said
            assert not any(child.alive for child in left)


async def test_a_program_that_dies_ends_the_whole(tmp_path: Path) -> None:
    """A stack that lost a part says which, ends the others, and exits 1."""
    data_dir = tmp_path / "data"
    async with ready(data_dir) as running:
        children = {child.name: child for child in Record(data_dir / "stack").children()}
        os.kill(children["alertmanager"].pid, signal.SIGKILL)
        assert await running.until_ended() == 1
        assert "stack: alertmanager stopped unexpectedly, killed by SIGKILL" in running.said
        assert processes_in(data_dir) == []


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """An address in use is a sentence with the setting that moves it, and nothing is started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        async with stack(tmp_path / "data", "--targets", "a:1", DORADURA_STACK_ALERTMANAGER=taken) as running:
            assert await running.until_ended() == 2
            assert f"alertmanager can't listen on {taken}: Address already in use." in running.said
            assert "DORADURA_STACK_ALERTMANAGER" in running.said
            assert processes_in(tmp_path / "data") == []


async def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """The programs that are there run; for each that is not the install line is said. With none, the exit code is 1."""
    only = tmp_path / "bin"
    only.mkdir()
    async with stack(tmp_path / "data", "--targets", "a:1", PATH=str(only)) as running:
        assert await running.until_ended() == 1
        assert "stack: none of the stack's programs is installed" in running.said
    (only / "prometheus").symlink_to(found("prometheus"))
    async with stack(tmp_path / "data", "--targets", "a:1", PATH=str(only)) as running:
        await running.until_said(READY)
        assert set(running.urls) == {"prometheus"}
        assert "apt-get install -y --no-install-recommends prometheus-alertmanager" in running.said
        assert "Grafana is not installed" in running.said
