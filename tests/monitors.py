"""A real Prometheus and a real Alertmanager beside the bot, on free ports of loopback, asked by their HTTP APIs."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.programs import found

LOOK_SECONDS = 0.1
SCRAPE = "1s"
"""A quick interval, so that a test has many scrapes in a few seconds; also what a scrape may take."""


def free_port() -> int:
    """Give a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str
    client: httpx.AsyncClient

    async def ask(self, path: str, **parameters: str) -> Any:
        """Ask its API; fails on an error answer."""
        answer = await self.client.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, f"{path} {parameters}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    async def numbers(self, expr: str, *, instant: bool = True, seconds: float = 60) -> list[float]:
        """Give every number an expression answers, of all series: now, or over the last seconds. NaN is none."""
        if instant:
            result = (await self.ask("query", query=expr))["result"]
            values = [series["value"] for series in result]
        else:
            now = time.time()
            span = {"start": str(now - seconds), "end": str(now), "step": "1"}
            result = (await self.ask("query_range", query=expr, **span))["result"]
            values = [value for series in result for value in series["values"]]
        return [float(value) for _, value in values if not math.isnan(float(value))]


@asynccontextmanager
async def open_monitors(
    directory: Path,
    bots: Sequence[str],
    *,
    token: Path,
    rules: Sequence[Mapping[str, Any]] = (),
    scrape: str = SCRAPE,
) -> AsyncIterator[Prometheus]:
    """Start Alertmanager, which tells the first of `bots` (host:port), and Prometheus, which scrapes all of them.

    `token` is the file with what opens that bot's webhook.

    Both are ready when it is entered, and have ended when it is left.
    """
    prometheus, alertmanager = free_port(), free_port()
    route = {"receiver": "bot", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s"}
    opened = {"authorization": {"credentials_file": str(token)}}
    webhook = {"url": f"http://{bots[0]}/alerts", "send_resolved": True, "http_config": opened}
    receivers = [{"name": "bot", "webhook_configs": [webhook]}]
    _write(directory / "alertmanager.yml", {"route": route, "receivers": receivers})
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
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _running(_alertmanager(directory, alertmanager), f"http://127.0.0.1:{alertmanager}", client),
        open_prometheus(directory, port=prometheus) as server,
    ):
        yield server


@asynccontextmanager
async def open_prometheus(directory: Path, *, port: int) -> AsyncIterator[Prometheus]:
    """Start the Prometheus of `directory`/prometheus.yml, its data in `directory`/prometheus; ready when entered."""
    command = [
        found("prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        # What fires before Alertmanager is known is dropped, and would be sent again a minute later only.
        "--rules.alert.resend-delay=1s",
    ]
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        _running(command, f"http://127.0.0.1:{port}", client) as url,
    ):
        yield Prometheus(url, client)


def _alertmanager(directory: Path, port: int) -> list[str]:
    return [
        found("prometheus-alertmanager"),
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration: JSON is YAML."""
    path.write_text(json.dumps(content), encoding="utf-8")


@asynccontextmanager
async def _running(command: list[str], url: str, client: httpx.AsyncClient) -> AsyncIterator[str]:
    """Start a program and wait until it says that it is ready; it has ended when this is left."""
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with trio.fail_after(30):
            while not await _ready(url, client):
                assert process.poll() is None, f"{command} has ended"
                await trio.sleep(LOOK_SECONDS)
        yield url
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
            with trio.move_on_after(20):
                await process.wait()
            if process.poll() is None:
                process.kill()
                await process.wait()


async def _ready(url: str, client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get(f"{url}/-/ready")).status_code == 200
    except httpx.TransportError:
        return False
