"""What admins do about incidents: silence one and undo it at Alertmanager, acknowledge one.

Owns the rows of both. Guarantees: of two presses at once, and of one that is handled again after a kill, there is one
effect. A silence is written down before it is asked for, with a mark that stands in its comment, and looked for before
one is made. Outcomes are values; who asked is told by the chat. Every message of the incident is changed through the
outbox.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import trio

from doradura.alerts.alertmanager import Alertmanager, FoundSilence
from doradura.alerts.fetching import MonitoringError
from doradura.alerts.incidents import untold_end
from doradura.alerts.watchdog import SILENCE
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, Topic, alert_marks, outbox
from doradura.storage import alerts as stored
from doradura.storage.alert_marks import Silence
from doradura.storage.alerts import Incident
from doradura.storage.ids import IdMaker

log = logging.getLogger(__name__)

HOUR_MS = 3600 * 1000
LOOK_SECONDS = 60.0
"""How often Alertmanager is asked, while something is silenced, whether it still is."""
PERIOD_SECONDS = 10.0
"""How often it is looked untold whether something is silenced: what a lost answer left is to be found."""
SAID_SECONDS = 3600.0
"""How often the log says that Alertmanager can't be asked."""
COMMENT = "Silenced from Doradura's chat"

What = Literal[
    "silenced",
    "already",
    "undone",
    "not_silenced",
    "ended",
    "acknowledged",
    "dismissed",
    "listed",
    "over",
    "unknown",
    "no_labels",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a press."""

    what: What
    by_name: str = ""
    """Who silenced or acknowledged it: perhaps not the one who pressed."""
    at_ms: int = 0
    """Until when it is silenced, or when it was acknowledged or dismissed."""


@dataclass(slots=True)
class _Place:
    """An incident about which something is being done."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    waiting: int = 0


class Silencing:
    """Does what the buttons ask. Raises StorageError, and MonitoringError where Alertmanager is asked."""

    def __init__(
        self,
        alertmanager: Alertmanager,
        storage: Storage,
        metrics: Metrics,
        ids: IdMaker,
        *,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self.alertmanager = alertmanager
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._places: dict[int, _Place] = {}
        self._said_at = -math.inf

    async def acknowledge(self, incident_id: int, by: str) -> Outcome:
        """Note that somebody takes an incident on: nobody is reminded of it any more."""

        def change(db: Connection) -> Outcome:
            incident = alert_marks.incident(db, incident_id)
            if incident is None or incident.state != "firing":
                return Outcome("unknown" if incident is None else "over")
            fresh = alert_marks.acknowledge(db, incident_id, by, self._clock())
            known = alert_marks.acknowledged(db, incident_id)
            assert known is not None
            if fresh:
                alert_marks.drop_reminders(db, incident.card_id)
                self._tell(db, incident)
            return Outcome("acknowledged" if fresh else "already", *known)

        return await self._storage.write(change)

    async def acknowledge_all(self, card_id: int, by: str) -> int:
        """Take on everything that fires on a card. Return how much that was."""

        def change(db: Connection) -> int:
            taken = [n for n in alert_marks.firing_of(db, card_id) if alert_marks.acknowledge(db, n, by, self._clock())]
            if taken:
                alert_marks.drop_reminders(db, card_id)
                incident = alert_marks.incident(db, taken[0])
                assert incident is not None
                self._tell(db, incident)
            return len(taken)

        return await self._storage.write(change)

    async def dismiss(self, incident_id: int, by: str) -> Outcome:
        """Close an incident of which nobody can say whether it fires still. What Alertmanager lists is left alone."""

        def change(db: Connection) -> Outcome:
            incident = alert_marks.incident(db, incident_id)
            if incident is None:
                return Outcome("unknown")
            if incident.state != "firing":
                known = incident.ending == "dismissed"
                return Outcome("already", incident.dismissed_by, incident.closed_ms or 0) if known else Outcome("over")
            if not stored.marks(db, incident.card_id).get(incident_id, stored.UNMARKED).loose:
                return Outcome("listed")
            return self._dismiss(db, incident, by)

        return await self._storage.write(change)

    async def dismiss_all(self, card_id: int, by: str) -> int:
        """Close everything on a card of which nobody can say whether it fires still. Return how much that was."""

        def change(db: Connection) -> int:
            marks = stored.marks(db, card_id)
            loose = [n for n in alert_marks.firing_of(db, card_id) if marks.get(n, stored.UNMARKED).loose]
            for incident_id in loose:
                incident = alert_marks.incident(db, incident_id)
                assert incident is not None
                self._dismiss(db, incident, by)
            return len(loose)

        return await self._storage.write(change)

    def _dismiss(self, db: Connection, incident: Incident, by: str) -> Outcome:
        now = self._clock()
        stored.put(db, untold_end(incident, "dismissed", now_ms=now, by=by))
        if incident.fingerprint == SILENCE:
            stored.forget_watchdog(db)  # else its silence would be told again at once
        self._tell(db, incident)
        return Outcome("dismissed", by, now)

    async def silence(self, incident_id: int, hours: int, by: str) -> Outcome:
        """Silence an incident's alert for so long, unless it is."""
        async with self._alone(incident_id):
            start = self._clock()
            wanted = Silence(incident_id, f"{incident_id}-{start}", None, by, start + hours * HOUR_MS)
            incident, row = await self._storage.write(lambda db: _want(db, wanted))
            if incident is None or incident.state != "firing":
                return Outcome("unknown" if incident is None else "over")
            if not incident.labels or row is None:
                return Outcome("no_labels")
            if row.silence_id is not None:
                found = await self.alertmanager.silence(row.silence_id)
                if found is not None and found.is_active:
                    return Outcome("already", row.by_name, row.until_ms)
            labels = msgspec.json.decode(incident.labels, type=dict[str, str])
            equal = await self._equal(labels)
            if equal is not None:
                return await self._took_effect(incident, row, equal)
            # What is written down may be an hour old, of somebody whom nothing was done for. Should the answer be lost,
            # `run` looks for it.
            await self._storage.write(lambda db: alert_marks.put_silence(db, wanted))
            try:
                silence_id = await self.alertmanager.make(
                    labels,
                    until_ms=wanted.until_ms,
                    now_ms=start,
                    by=by,
                    comment=f"{COMMENT} by {by} ({wanted.mark})",
                )
            except MonitoringError as error:
                equal = None
                if error.unconfirmed:
                    with suppress(MonitoringError):
                        equal = await self._equal(labels)
                if equal is None:
                    raise
                return await self._took_effect(incident, wanted, equal)
            made = wanted._replace(silence_id=silence_id)
            await self._note(incident, made)
            return Outcome("silenced", made.by_name, made.until_ms)

    async def _equal(self, labels: dict[str, str]) -> FoundSilence | None:
        """Find the active silence of exactly this alert that lasts longest."""
        found = [item for item in await self.alertmanager.silences() if item.is_active and item.is_exactly(labels)]
        return max(found, key=lambda item: item.ends_at, default=None)

    async def _took_effect(self, incident: Incident, row: Silence, equal: FoundSilence) -> Outcome:
        """Take a silence that is there for the incident's: it is what a lost answer was about, or another's."""
        await self._note(incident, Silence(incident.incident_id, row.mark, equal.id, equal.created_by, equal.until_ms))
        return Outcome("silenced" if row.mark in equal.comment else "already", equal.created_by, equal.until_ms)

    async def undo(self, incident_id: int) -> Outcome:
        """End the silence of an incident."""
        async with self._alone(incident_id):

            def look(db: Connection) -> tuple[Incident | None, Silence | None]:
                return alert_marks.incident(db, incident_id), alert_marks.silence(db, incident_id)

            incident, row = await self._storage.read(look)
            if incident is None:
                return Outcome("unknown")
            if row is None or row.silence_id is None:
                return Outcome("not_silenced")
            found = await self.alertmanager.silence(row.silence_id)
            active = found is not None and found.is_active
            if active:
                try:
                    await self.alertmanager.end(row.silence_id)
                except MonitoringError as error:
                    again = found
                    if error.unconfirmed:
                        with suppress(MonitoringError):
                            again = await self.alertmanager.silence(row.silence_id)
                    if again is not None and again.is_active:
                        raise
            await self._forget(incident, row)
            return Outcome("undone" if active else "ended", row.by_name, row.until_ms)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Notice the end of silences until cancelled. The barrier of one look: the next one follows."""
        watch = self._storage.watch(Topic.SILENCES)
        task_status.started()
        while True:
            wait_seconds = LOOK_SECONDS
            try:
                rows = await self._storage.read(alert_marks.silences)
                if rows:
                    await self.look()
                    self._said_at = -math.inf  # it answers: its next silence is said again
                    wait_seconds = min(wait_seconds, max(1.0, (rows[0].until_ms - self._clock()) / 1000))
                else:
                    wait_seconds = PERIOD_SECONDS
            except MonitoringError as error:
                if trio.current_time() - self._said_at >= SAID_SECONDS:
                    self._said_at = trio.current_time()
                    log.info("silences not looked at", extra={"reason": error.reason, "error": str(error)})
            except StorageError as error:
                log.warning("silences not looked at", extra={"error": str(error)})
            except Exception:  # the barrier named above
                log.exception("silences not looked at")
                self._metrics.errors.labels(category="alert").inc()
            await watch.next(wait_seconds)

    async def look(self) -> None:
        """Take over from Alertmanager which silences are over."""
        rows = await self._storage.read(alert_marks.silences)
        if not rows:
            return
        active = {item.id: item for item in await self.alertmanager.silences() if item.is_active}
        for row in rows:
            await self._follow(row, active)

    async def _follow(self, seen: Silence, active: dict[str, FoundSilence]) -> None:
        """Forget a silence that is over; note one whose making was never confirmed, and a new end."""
        async with self._alone(seen.incident_id):

            def look(db: Connection) -> tuple[Incident | None, Silence | None]:
                return alert_marks.incident(db, seen.incident_id), alert_marks.silence(db, seen.incident_id)

            incident, row = await self._storage.read(look)
            if incident is None or row != seen:
                return  # what Alertmanager said is older than what was done meanwhile
            if row.silence_id is None:
                found = next((item for item in active.values() if row.mark in item.comment), None)
                over = row.until_ms < self._clock()
            else:
                found = active.get(row.silence_id)
                over = found is None
            if over:
                await self._forget(incident, row)
            elif found is not None and (found.id != row.silence_id or abs(found.until_ms - row.until_ms) > 1000):
                await self._note(incident, row._replace(silence_id=found.id, until_ms=found.until_ms))

    async def _note(self, incident: Incident, row: Silence) -> None:
        def change(db: Connection) -> None:
            alert_marks.put_silence(db, row)
            self._tell(db, incident)

        await self._storage.write(change)

    async def _forget(self, incident: Incident, row: Silence) -> None:
        def change(db: Connection) -> None:
            if alert_marks.end_silence(db, row.incident_id, row.mark):
                self._tell(db, incident)

        await self._storage.write(change)

    def _tell(self, db: Connection, incident: Incident) -> None:
        outbox.tell(db, incident.card_id, "card", incident.severity_rank, new_id=self._ids.new, now_ms=self._clock())

    @asynccontextmanager
    async def _alone(self, incident_id: int) -> AsyncIterator[None]:
        """Do one thing about an incident at a time."""
        place = self._places.setdefault(incident_id, _Place())
        place.waiting += 1
        try:
            async with place.lock:
                yield
        finally:
            place.waiting -= 1
            if not place.waiting:
                del self._places[incident_id]


def _want(db: Connection, wanted: Silence) -> tuple[Incident | None, Silence | None]:
    """Write down what is wanted, where nothing is. Return the incident and what is written."""
    incident = alert_marks.incident(db, wanted.incident_id)
    if incident is None or incident.state != "firing" or not incident.labels:
        return incident, None
    known = alert_marks.silence(db, wanted.incident_id)
    if known is None:
        alert_marks.put_silence(db, wanted)
    return incident, known or wanted
