"""The commands of the pages in docs/, run in order as a reader would, each with what the page shows of its answer."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from tests.e2e.markdown import PAGES, ROOT, Command, commands, of_kind
from tests.e2e.program import MEDIA_CACHE
from tests.monitors import LOOK_SECONDS
from tests.ports import free_port
from tests.programs import found

SHOWN_SECONDS = 90
"""How long a reader looks again before what the page shows must be there: a first scrape and a rule take their time."""

STOP_SECONDS = 60

PROGRAMS = {
    "monitoring.md": ("just", "curl", "prometheus", "promtool", "prometheus-alertmanager"),
    "security.md": ("just", "curl", "openssl", "prometheus", "promtool", "prometheus-alertmanager"),
}
"""What a page's commands need on the machine."""

WRITTEN_PORTS = ("9090", "9091", "9093", "3000", "8082")
"""The ports of the pages: bot, Prometheus, Alertmanager, Grafana, sandbox."""


def settings(ports: dict[str, str], data: Path) -> dict[str, str]:
    """The environment: the ports in use, and no proxy between loopback and itself."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DORADURA_") and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "DORADURA_DATA_DIR": str(data),
        "DORADURA_HTTP_BIND": f"127.0.0.1:{ports['9090']}",
        "DORADURA_STACK_PROMETHEUS": f"127.0.0.1:{ports['9091']}",
        "DORADURA_STACK_ALERTMANAGER": f"127.0.0.1:{ports['9093']}",
        "DORADURA_STACK_GRAFANA": f"127.0.0.1:{ports['3000']}",
        "DORADURA_SANDBOX_BIND": f"127.0.0.1:{ports['8082']}",
        "PYTHONUNBUFFERED": "1",
    }


def table(ports: dict[str, str], data: Path) -> dict[str, str]:
    """What the pages write -> what the test puts in its place. Nothing else of a command is changed."""
    return {
        **{f"127.0.0.1:{port}": f"127.0.0.1:{real}" for port, real in ports.items()},
        **{f"localhost:{port}": f"127.0.0.1:{real}" for port, real in ports.items()},
        "./data/": f"{data}/",
    }


STACK = re.compile(r"\bjust stack$")
"""A command that is run otherwise, with --native: where an engine answers, it would fetch images."""


@dataclass
class Reader:
    """Somebody at a terminal, who types what a page says."""

    where: Path
    ports: dict[str, str]
    running: list[tuple[str, trio.Process, Path]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.where / "data"

    def real(self, text: str) -> str:
        """Put in what differs here from the page."""
        for written, real in table(self.ports, self.data).items():
            text = text.replace(written, real)
        return STACK.sub("just stack --native", text)

    async def type(self, command: Command) -> None:
        """Run a command until it answers as the page shows; fails with what it said last."""
        wanted = Command(command.block, command.text, self.real(command.expected))
        said, code = "", -1
        with trio.move_on_after(SHOWN_SECONDS):
            while True:
                done = await trio.run_process(
                    ["bash", "-o", "pipefail", "-c", self.real(command.text)],
                    cwd=ROOT,
                    env=settings(self.ports, self.data),
                    capture_stdout=True,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
                said, code = done.stdout.decode("utf-8", "replace"), done.returncode
                if code == 0 and wanted.shows(said):
                    return
                await trio.sleep(LOOK_SECONDS)
        raise AssertionError(f"{command.block}: {command.text!r} ended with {code} and said {said[-3000:]!r}")

    async def leave_running(self, command: Command) -> None:
        """Start a command that stays; wait until it says what the page shows."""
        log = self.where / f"{len(list(self.where.glob('*.out')))}.out"
        with log.open("wb") as output:
            process = await trio.lowlevel.open_process(
                ["bash", "-c", f"exec {self.bare(command)}"],
                cwd=ROOT,
                env=settings(self.ports, self.data),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.running.append((command.text, process, log))
        wanted = Command(command.block, command.text, self.real(command.expected))
        with trio.move_on_after(SHOWN_SECONDS):
            while process.poll() is None and not wanted.shows(said_in(log)):  # noqa: ASYNC110 - it happens elsewhere
                await trio.sleep(LOOK_SECONDS)
        assert process.poll() is None, f"{command.block} ended: {said_in(log)}"
        assert wanted.shows(said_in(log)), f"{command.block}: {said_in(log)}"

    def bare(self, command: Command) -> str:
        """The command for exec, whose assignments stand before it as a user writes them."""
        return f"env {self.real(command.text)}"

    async def end_all(self) -> None:
        """Ctrl-C for everything that stays running."""
        while self.running:
            _, process, _ = self.running.pop()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                with trio.move_on_after(STOP_SECONDS):
                    await process.wait()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def said_in(log: Path) -> str:
    """What a command said so far."""
    return log.read_text(encoding="utf-8", errors="replace")


@asynccontextmanager
async def reader(where: Path) -> AsyncIterator[Reader]:
    """A reader with free ports and a data directory; at the end nothing of theirs runs."""
    if MEDIA_CACHE.is_dir():
        await trio.to_thread.run_sync(shutil.copytree, MEDIA_CACHE, where / "data" / "sandbox" / "media")
    somebody = Reader(where, {port: str(free_port()) for port in WRITTEN_PORTS})
    try:
        yield somebody
    finally:
        with trio.CancelScope(shield=True):
            await somebody.end_all()


def typed(page: Path) -> Iterator[Command]:
    """A page's commands in their order, less those for a container engine."""
    for block in of_kind(page, "console", "console foreground", "console foreground anew"):
        yield from commands(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_every_command_does_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """From the first to the last command of a page, each succeeds and shows what stands below it."""
    for program in PROGRAMS[page.name]:
        found(program)
    async with reader(tmp_path) as somebody:
        for command in typed(page):
            if command.block.info == "console foreground anew":
                await somebody.end_all()
            if command.block.info.startswith("console foreground"):
                await somebody.leave_running(command)
            else:
                await somebody.type(command)
        if page.name == "monitoring.md":
            with trio.fail_after(STOP_SECONDS):
                stack = next(process for text, process, _ in somebody.running if text == "just stack")
                assert await stack.wait() == 0, "`just stack-down` ends it"


def test_ports_are_in_the_table() -> None:
    """No command names a port of this machine that the table does not replace."""
    named = {
        port
        for page in PAGES
        for command in typed(page)
        for port in re.findall(r"(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)", command.text + command.expected)
    }
    assert named <= set(WRITTEN_PORTS)
