"""A real Alertmanager that posts to the real program: fires, is killed, sends again, resolves."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.program import Program, running, until
from tests.e2e.test_alerts import all_told, first_line, notes
from tests.e2e.webhook import ADMIN
from tests.ports import free_port
from tests.programs import found

CONFIG = """
route:
  receiver: doradura
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
receivers:
  - name: doradura
    webhook_configs:
      - url: {http_url}/alerts
        send_resolved: true
        http_config:
          authorization:
            credentials_file: {token}
"""


def binary() -> str:
    """Where Alertmanager is: Debian's is named otherwise than upstream's."""
    return found("prometheus-alertmanager", "alertmanager")


class Alertmanager:
    """One Alertmanager, that may be killed and started again on its files."""

    def __init__(self, directory: Path, program: Program, *, port: int | None = None) -> None:
        self._directory = directory
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._client = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60)
        directory.mkdir()
        config = CONFIG.format(http_url=program.http_url, token=program.data_dir / "webhook.token")
        (directory / "alertmanager.yml").write_text(config, encoding="utf-8")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start it; at the end it is killed."""
        process = await trio.lowlevel.open_process(
            [
                binary(),
                f"--config.file={self._directory / 'alertmanager.yml'}",
                f"--storage.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await until(self._is_ready, seconds=30)
            yield
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()

    async def _is_ready(self) -> bool:
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def fire(self, *, starts: datetime, ends: datetime, summary: str) -> None:
        """Tell it of an alert, as Prometheus does."""
        alert: dict[str, Any] = {
            "labels": {"alertname": "HighErrorRate", "severity": "critical", "instance": "bot:9090"},
            "annotations": {"summary": "High error rate", "description": summary, "remind_seconds": "1800"},
            "startsAt": starts.isoformat(),
            "endsAt": ends.isoformat(),
        }
        answer = await self._client.post("/api/v2/alerts", json=[alert])
        assert answer.status_code == 200, answer.text

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


async def test_fires_is_killed_sends_again_and_resolves(tmp_path: Path) -> None:
    """One message through all of it: told, changed with the percentage, not told again, resolved in place."""
    binary()
    starts = datetime.now(UTC)
    later = starts + timedelta(hours=1)
    port = free_port()
    async with running(tmp_path / "data", DORADURA_ALERTMANAGER_URL=f"http://127.0.0.1:{port}") as program:
        alertmanager = Alertmanager(tmp_path / "alertmanager", program, port=port)
        try:
            async with alertmanager.running():
                await alertmanager.fire(starts=starts, ends=later, summary="12% of downloads failed")
                message = await program.wait(ADMIN, lambda m: "12% of downloads failed" in m["text"], seconds=60)
                assert first_line(message) == "🔴 CRITICAL: High error rate"
            posts = (await program.metrics())["doradura_alert_delivery_lag_seconds_count"]
            async with alertmanager.running():
                await alertmanager.fire(starts=starts, ends=later, summary="15% of downloads failed")
                await program.wait(ADMIN, lambda m: "15% of downloads failed" in m["text"], seconds=30)
                ended = datetime.now(UTC)
                await alertmanager.fire(starts=starts, ends=ended, summary="15% of downloads failed")
                resolved = await program.wait(
                    ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate", seconds=30
                )
        finally:
            await alertmanager.aclose()
        assert resolved["message_id"] == message["message_id"]
        await all_told(program)
        assert len(await notes(program)) == 1
        counted = await program.metrics()
        assert counted["doradura_alert_delivery_lag_seconds_count"] == posts + 2
        assert counted['doradura_alerts_received_total{severity="critical",status="firing"}'] == 1
        assert counted['doradura_alerts_received_total{severity="critical",status="resolved"}'] == 1
