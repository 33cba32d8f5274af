"""A real Prometheus and a real Alertmanager beside the bot, on free loopback ports, queried by their HTTP APIs."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.ports import free_port
from tests.programs import found

LOOK_SECONDS = 0.1
SCRAPE = "1s"
"""A short interval, so that a test has many scrapes in a few seconds; also the time limit of a scrape."""

TELLS_NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str
    client: httpx.AsyncClient

    async def ask(self, path: str, **parameters: str) -> Any:
        """Query its API; fail on an error answer."""
        answer = await self.client.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, f"{path} {parameters}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    async def query(self, expression: str) -> dict[Labels, float]:
        """Evaluate an expression now: labels -> value."""
        result = await self.ask("query", query=expression)
        if result["resultType"] == "scalar":
            return {frozenset(): float(result["result"][1])}
        assert result["resultType"] == "vector", f"{expression} gives a {result['resultType']}"
        return {frozenset(each["metric"].items()): float(each["value"][1]) for each in result["result"]}

    async def value(self, expression: str) -> float | None:
        """Return the only value of an expression; None if there is none."""
        answer = await self.query(expression)
        assert len(answer) <= 1, f"{expression} gives {answer}"
        return next(iter(answer.values()), None)

    async def labels(self, expression: str, *names: str) -> set[tuple[str | None, ...]]:
        """Return the values of these labels in an expression's series."""
        return {tuple(dict(labels).get(name) for name in names) for labels in await self.query(expression)}

    async def numbers(self, expr: str, *, instant: bool = True, seconds: float = 60) -> list[float]:
        """Return every number of an expression, over all series: now, or over the last seconds. NaN is left out."""
        if instant:
            result = (await self.ask("query", query=expr))["result"]
            values = [series["value"] for series in result]
        else:
            now = time.time()
            span = {"start": str(now - seconds), "end": str(now), "step": "1"}
            result = (await self.ask("query_range", query=expr, **span))["result"]
            values = [value for series in result for value in series["values"]]
        return [float(value) for _, value in values if not math.isnan(float(value))]


async def until_equal(ask: Callable[[], Awaitable[object]], wanted: object, *, seconds: float) -> None:
    """Wait until the result is the expected one; fail with the last result."""
    last: object = None
    with trio.move_on_after(seconds):
        while True:
            last = await ask()
            if last == wanted:
                return
            await trio.sleep(LOOK_SECONDS)
    raise AssertionError(f"after {seconds} s it is {last}, not {wanted}")


@asynccontextmanager
async def open_monitors(
    directory: Path,
    bots: Sequence[str],
    *,
    token: Path,
    rules: Sequence[Mapping[str, Any]] = (),
    scrape: str = SCRAPE,
) -> AsyncIterator[Prometheus]:
    """Start Alertmanager, which notifies the first of `bots` (host:port), and Prometheus, which scrapes all of them.

    `token` is the file with the token of that bot's webhook. Both are ready on entering and have ended on leaving.
    """
    prometheus, alertmanager = free_port(), free_port()
    route = {"receiver": "bot", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s"}
    opened = {"authorization": {"credentials_file": str(token)}}
    webhook = {"url": f"http://{bots[0]}/alerts", "send_resolved": True, "http_config": opened}
    receivers = [{"name": "bot", "webhook_configs": [webhook]}]
    _write(directory / "rules.yml", {"groups": [{"name": "test", "interval": scrape, "rules": list(rules)}]})
    targets = {
        "doradura-bot": list(bots),
        "prometheus": [f"127.0.0.1:{prometheus}"],
        "alertmanager": [f"127.0.0.1:{alertmanager}"],
    }
    configuration = {
        "global": {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": scrape},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": targets["alertmanager"]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": addresses}]} for job, addresses in targets.items()
        ],
    }
    _write(directory / "prometheus.yml", configuration)
    async with (
        open_alertmanager(directory, port=alertmanager, configuration={"route": route, "receivers": receivers}),
        open_prometheus(directory / "prometheus.yml", directory / "prometheus", port=prometheus) as server,
    ):
        yield server


@asynccontextmanager
async def open_prometheus(configuration: Path, storage: Path, *, port: int) -> AsyncIterator[Prometheus]:
    """Start a Prometheus; it is ready on entering and has ended on leaving."""
    command = [
        found("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={storage}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        # An alert that fires before Alertmanager is known is dropped, and would be sent again only a minute later.
        "--rules.alert.resend-delay=1s",
    ]
    url = f"http://127.0.0.1:{port}"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _started(command, f"{url}/-/ready", client, storage.with_suffix(".log")),
    ):
        yield Prometheus(url, client)


@asynccontextmanager
async def open_alertmanager(
    directory: Path, *, port: int, configuration: Mapping[str, Any] = TELLS_NOBODY
) -> AsyncIterator[None]:
    """Start an Alertmanager with its files in `directory`; it is ready on entering and has ended on leaving."""
    _write(directory / "alertmanager.yml", configuration)
    command = [
        found("prometheus-alertmanager", "alertmanager"),
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _started(command, f"http://127.0.0.1:{port}/-/ready", client, directory / "alertmanager.log"),
    ):
        yield


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration: JSON is YAML."""
    path.write_text(json.dumps(content), encoding="utf-8")


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
