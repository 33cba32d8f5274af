"""A real Prometheus for tests: the one found on the machine, on a free port of loopback, asked by its HTTP API."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

INSTALL = {
    "prometheus": "apt-get install -y --no-install-recommends prometheus",
    "promtool": "apt-get install -y --no-install-recommends prometheus",
    "prometheus-alertmanager": "apt-get install -y --no-install-recommends prometheus-alertmanager",
    "just": "pip install rust-just",
    "curl": "apt-get install -y --no-install-recommends curl",
    "openssl": "apt-get install -y --no-install-recommends openssl",
}
LOOK_SECONDS = 0.2

Labels = frozenset[tuple[str, str]]


def found(program: str) -> str:
    """Where a program is. Without it the test is skipped, or fails in CI; the reason has the install line."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is missing: {INSTALL[program]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Prometheus:
    """A running server."""

    address: str
    client: httpx.AsyncClient
    process: trio.Process

    async def get(self, path: str, **parameters: str) -> Any:
        """Ask its API; give the answer's data. Fails on an error answer."""
        answer = await self.client.get(f"http://{self.address}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, f"{path} {parameters}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    async def query(self, expression: str) -> dict[Labels, float]:
        """Evaluate an expression now: labels -> value."""
        result = await self.get("query", query=expression)
        if result["resultType"] == "scalar":
            return {frozenset(): float(result["result"][1])}
        assert result["resultType"] == "vector", f"{expression} gives a {result['resultType']}"
        return {frozenset(each["metric"].items()): float(each["value"][1]) for each in result["result"]}

    async def value(self, expression: str) -> float | None:
        """The only value of an expression; None when there is none."""
        answer = await self.query(expression)
        assert len(answer) <= 1, f"{expression} gives {answer}"
        return next(iter(answer.values()), None)

    async def labels(self, expression: str, *names: str) -> set[tuple[str | None, ...]]:
        """What an expression's series have as these labels."""
        return {tuple(dict(labels).get(name) for name in names) for labels in await self.query(expression)}


async def until_equal(ask: Callable[[], Awaitable[object]], wanted: object, *, seconds: float) -> None:
    """Wait until what is asked for is so; fails with what it was last."""
    last: object = None
    with trio.move_on_after(seconds):
        while True:
            last = await ask()
            if last == wanted:
                return
            await trio.sleep(LOOK_SECONDS)
    raise AssertionError(f"after {seconds} s it is {last}, not {wanted}")


ALERTMANAGER = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


@asynccontextmanager
async def open_prometheus(configuration: Path, storage: Path, *, port: int) -> AsyncIterator[Prometheus]:
    """Start one and wait until it is ready; at the end it is stopped."""
    command = [
        found("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={storage}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _started(command, f"http://127.0.0.1:{port}/-/ready", client, storage.with_suffix(".log")) as process,
    ):
        yield Prometheus(f"127.0.0.1:{port}", client, process)


@asynccontextmanager
async def open_alertmanager(where: Path, *, port: int) -> AsyncIterator[str]:
    """Start one that tells nobody, for what it says of itself; give its address."""
    (where / "alertmanager.yml").write_text(ALERTMANAGER, encoding="utf-8")
    command = [
        shutil.which("alertmanager") or found("prometheus-alertmanager"),
        f"--config.file={where / 'alertmanager.yml'}",
        f"--storage.path={where / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _started(command, f"http://127.0.0.1:{port}/-/ready", client, where / "alertmanager.log"),
    ):
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def _started(
    command: list[str], ready_url: str, client: httpx.AsyncClient, log_path: Path
) -> AsyncIterator[trio.Process]:
    with log_path.open("ab") as log_file:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file, start_new_session=True
        )
    try:
        await _ready(process, ready_url, client, log_path)
        yield process
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
            with trio.move_on_after(20):
                await process.wait()
            if process.poll() is None:
                process.kill()
                await process.wait()


async def _ready(process: trio.Process, url: str, client: httpx.AsyncClient, log_path: Path) -> None:
    with trio.move_on_after(30):
        while process.poll() is None:
            try:
                answer = await client.get(url)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 200:
                    return
            await trio.sleep(LOOK_SECONDS)
    raise AssertionError(f"it did not become ready: {_end_of(log_path)}")


def _end_of(log_path: Path) -> str:
    return log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
