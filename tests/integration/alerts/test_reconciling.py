"""Open incidents beside the list of a real Alertmanager: silenced to the end, and after it lost its memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import trio

from doradura.alerts import Alertmanager, Intake, Periods, Reconciler, open_client
from doradura.clock import wall_clock
from doradura.storage import Storage
from doradura.storage import alerts as stored
from doradura.storage.alerts import Incident
from doradura.storage.ids import IdMaker
from doradura.storage.sqlite import SqliteStorage
from tests.monitors import open_alertmanager
from tests.ports import free_port
from tests.wiring import fresh_metrics

PERIODS = Periods(look=0.1, soon=0.01, unlisted=0.0, missing=0.5, young=2.0)
LIMIT_SECONDS = 60


@dataclass
class Bot:
    """The bot's side: what takes a POST and what compares."""

    storage: Storage
    intake: Intake
    client: httpx.AsyncClient

    async def fire(self, name: str, *, ended: bool = False) -> str:
        """Tell Alertmanager of an alert, as Prometheus does; give its fingerprint."""
        now = datetime.now(UTC)
        ends = now if ended else now + timedelta(hours=1)
        labels = {"alertname": name, "severity": "critical"}
        alert = {"labels": labels, "startsAt": (now - timedelta(minutes=1)).isoformat(), "endsAt": ends.isoformat()}
        assert (await self.client.post("/api/v2/alerts", json=[alert])).status_code == 200
        found = (await self.client.get("/api/v2/alerts", params={"filter": f"alertname={name}"})).json()
        return str(found[0]["fingerprint"]) if found else ""

    async def post(self, name: str, fingerprint: str) -> None:
        """Post to the bot that it fires, as Alertmanager does."""
        alert = {"status": "firing", "labels": {"alertname": name, "severity": "critical"}, "fingerprint": fingerprint}
        body = json.dumps({"version": "4", "groupKey": "g", "alerts": [alert]}).encode()
        assert (await self.intake.accept(body)).status == 200

    async def silence(self, name: str) -> None:
        """Silence an alert on Alertmanager's own page."""
        now = datetime.now(UTC)
        silence = {
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "test",
        }
        assert (await self.client.post("/api/v2/silences", json=silence)).status_code == 200

    async def incident(self, fingerprint: str) -> Incident:
        """What is known of an incident."""
        found = await self.storage.read(lambda db: stored.latest(db, fingerprint))
        assert found is not None
        return found

    async def seen(self, fingerprint: str) -> None:
        """Wait until it was seen in the list."""
        query = (
            "SELECT source_ms FROM alert_sightings AS s JOIN alert_incidents AS i ON i.incident_id = s.incident_id"
            " WHERE i.fingerprint = ?"
        )
        while True:
            row = await self.storage.read(lambda db: db.execute(query, (fingerprint,)).fetchone())
            if row is not None and row[0] is not None:
                return
            await trio.sleep(0.05)

    async def ended(self, fingerprint: str) -> Incident:
        """Wait until it has ended."""
        while True:
            found = await self.incident(fingerprint)
            if found.state != "firing":
                return found
            await trio.sleep(0.05)


@asynccontextmanager
async def bot(directory: Path, port: int) -> AsyncIterator[Bot]:
    """Start the bot's side."""
    metrics = fresh_metrics()
    url, ids = f"http://127.0.0.1:{port}", IdMaker(wall_clock)
    storage = SqliteStorage(directory / "bot.db")
    with trio.fail_after(LIMIT_SECONDS):
        async with (
            open_client(url) as ours,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(storage.run)
            reconciler = Reconciler(
                *(Alertmanager(ours, clock=wall_clock), storage, metrics, ids),
                clock=wall_clock,
                periods=PERIODS,
            )
            await nursery.start(reconciler.run)
            yield Bot(storage, Intake(storage, metrics, ids, clock=wall_clock), client)
            nursery.cancel_scope.cancel()


async def test_silenced_to_the_end_and_after_a_loss_of_memory(tmp_path: Path) -> None:
    """A silenced alert's end is noticed; a killed Alertmanager's empty list ends nothing before its time."""
    port = free_port()
    async with bot(tmp_path, port) as part:
        async with open_alertmanager(tmp_path, port=port):
            fingerprints = {name: await part.fire(name) for name in ("Silenced", "Stays", "Lost")}
            for name, fingerprint in fingerprints.items():
                await part.post(name, fingerprint)
                await part.seen(fingerprint)
            await part.silence("Silenced")
            await part.fire("Silenced", ended=True)
            ended = await part.ended(fingerprints["Silenced"])
            assert (ended.ending, (await part.incident(fingerprints["Stays"])).state) == ("unheard", "firing")
        async with open_alertmanager(tmp_path, port=port):
            await part.fire("Stays")
            lost = await part.ended(fingerprints["Lost"])
            uptime = (await part.client.get("/api/v2/status")).json()["uptime"]
            started_ms = datetime.fromisoformat(uptime).timestamp() * 1000
            assert lost.ending == "unheard"
            # An HTTP date has whole seconds.
            assert (lost.closed_ms or 0) - started_ms >= PERIODS.young * 1000 - 1000
            assert (await part.incident(fingerprints["Stays"])).state == "firing"
