"""What admins do about incidents: silence them at Alertmanager and undo that, acknowledge and dismiss them.

This module owns the stored silences and acknowledgements. Two callback queries at once have one effect, and so has one
that is handled again after a kill: a silence is stored before it is requested, with a mark that is part of its comment,
and an existing one is searched for before a new one is made. Results are values, which the chat shows to the admin who
asked. All messages of the incident are edited through the outbox.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
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
"""How often Alertmanager is asked about the stored silences while there are any."""
PERIOD_SECONDS = 10.0
"""How often the database is checked for stored silences without a wake-up."""
SAID_SECONDS = 3600.0
"""How often the log repeats that Alertmanager can't be asked."""
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
class ActResult:
    """What pressing one of an incident's buttons did."""

    what: What
    by_name: str = ""
    """Who silenced, acknowledged or dismissed the incident, which may be another admin."""
    at_ms: int = 0
    """Until when the incident is silenced, or when it was acknowledged or dismissed; ms since 1970."""


@dataclass(slots=True)
class _Place:
    """The lock of an incident that is being silenced or unsilenced, and how many wait for it or hold it."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    waiting: int = 0


class Silencing:
    """Does what an incident's buttons ask for, and watches over the silences that were made."""

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

    async def acknowledge(self, incident_id: int, by: str) -> ActResult:
        """Store that somebody works on an incident, which ends its reminders. Raises StorageError."""

        def change(db: Connection) -> ActResult:
            incident = alert_marks.incident(db, incident_id)
            if incident is None or incident.state != "firing":
                return ActResult("unknown" if incident is None else "over")
            fresh = alert_marks.acknowledge(db, incident_id, by, self._clock())
            known = alert_marks.acknowledged(db, incident_id)
            assert known is not None
            if fresh:
                alert_marks.drop_reminders(db, incident.card_id)
                self._notify(db, incident)
            return ActResult("acknowledged" if fresh else "already", *known)

        return await self._storage.write(change)

    async def acknowledge_all(self, card_id: int, by: str) -> int:
        """Acknowledge every firing incident of a message. Return how many that were. Raises StorageError."""

        def change(db: Connection) -> int:
            taken = [n for n in alert_marks.firing_of(db, card_id) if alert_marks.acknowledge(db, n, by, self._clock())]
            if taken:
                alert_marks.drop_reminders(db, card_id)
                incident = alert_marks.incident(db, taken[0])
                assert incident is not None
                self._notify(db, incident)
            return len(taken)

        return await self._storage.write(change)

    async def dismiss(self, incident_id: int, by: str) -> ActResult:
        """Close an incident of which it isn't known whether it still fires. Raises StorageError.

        An incident that Alertmanager lists stays open.
        """

        def change(db: Connection) -> ActResult:
            incident = alert_marks.incident(db, incident_id)
            if incident is None:
                return ActResult("unknown")
            if incident.state != "firing":
                known = incident.ending == "dismissed"
                return (
                    ActResult("already", incident.dismissed_by, incident.closed_ms or 0) if known else ActResult("over")
                )
            if not stored.marks(db, incident.card_id).get(incident_id, stored.UNMARKED).loose:
                return ActResult("listed")
            return self._dismiss(db, incident, by)

        return await self._storage.write(change)

    async def dismiss_all(self, card_id: int, by: str) -> int:
        """Close every incident of a message of which it isn't known whether it still fires. Raises StorageError.

        Return how many that were.
        """

        def change(db: Connection) -> int:
            marks = stored.marks(db, card_id)
            loose = [n for n in alert_marks.firing_of(db, card_id) if marks.get(n, stored.UNMARKED).loose]
            for incident_id in loose:
                incident = alert_marks.incident(db, incident_id)
                assert incident is not None
                self._dismiss(db, incident, by)
            return len(loose)

        return await self._storage.write(change)

    def _dismiss(self, db: Connection, incident: Incident, by: str) -> ActResult:
        now = self._clock()
        stored.put(db, untold_end(incident, "dismissed", now_ms=now, by=by))
        if incident.fingerprint == SILENCE:
            stored.forget_watchdog(db)  # otherwise the silence would be reported again at once
        self._notify(db, incident)
        return ActResult("dismissed", by, now)

    async def silence(self, incident_id: int, hours: int, by: str) -> ActResult:
        """Silence an incident's alert for `hours`, unless it is silenced already.

        Raises StorageError, and MonitoringError if Alertmanager gives no usable answer. After an `unconfirmed` error or
        a cancel the silence may exist; `run` finds it, and a second call doesn't make another.
        """
        async with self._alone(incident_id):
            start = self._clock()
            wanted = Silence(
                incident_id=incident_id,
                mark=f"{incident_id}-{start}",
                silence_id=None,
                by_name=by,
                until_ms=start + hours * HOUR_MS,
            )
            incident, row = await self._storage.write(lambda db: _want(db, wanted))
            if incident is None or incident.state != "firing":
                return ActResult("unknown" if incident is None else "over")
            if not incident.labels or row is None:
                return ActResult("no_labels")
            if row.silence_id is not None:
                found = await self.alertmanager.silence(row.silence_id)
                if found is not None and found.is_active:
                    return ActResult("already", row.by_name, row.until_ms)
            labels = msgspec.json.decode(incident.labels, type=dict[str, str])
            equal = await self._equal(labels)
            if equal is not None:
                return await self._took_effect(incident, row, equal)
            # The stored row may be from an earlier attempt of another admin that failed, so it is replaced. If the
            # answer is lost, `run` finds the silence by the row's mark.
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
            made = replace(wanted, silence_id=silence_id)
            await self._note(incident, made)
            return ActResult("silenced", made.by_name, made.until_ms)

    async def _equal(self, labels: dict[str, str]) -> FoundSilence | None:
        """Return the active silence of exactly this alert that lasts longest; None if there is none."""
        found = [item for item in await self.alertmanager.silences() if item.is_active and item.is_exactly(labels)]
        return max(found, key=lambda item: item.ends_at, default=None)

    async def _took_effect(self, incident: Incident, row: Silence, equal: FoundSilence) -> ActResult:
        """Store an existing silence as the incident's. It is ours with a lost answer, or somebody else made it."""
        await self._note(incident, replace(row, silence_id=equal.id, by_name=equal.created_by, until_ms=equal.until_ms))
        return ActResult("silenced" if row.mark in equal.comment else "already", equal.created_by, equal.until_ms)

    async def undo(self, incident_id: int) -> ActResult:
        """End the silence of an incident. Raises StorageError, and MonitoringError if it may still be in effect."""
        async with self._alone(incident_id):

            def look(db: Connection) -> tuple[Incident | None, Silence | None]:
                return alert_marks.incident(db, incident_id), alert_marks.silence(db, incident_id)

            incident, row = await self._storage.read(look)
            if incident is None:
                return ActResult("unknown")
            if row is None or row.silence_id is None:
                return ActResult("not_silenced")
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
            return ActResult("undone" if active else "ended", row.by_name, row.until_ms)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Compare the stored silences with Alertmanager's until cancelled, to notice when they end.

        A barrier: an exception in one comparison does not stop the next.
        """
        watch = self._storage.watch(Topic.SILENCES)
        task_status.started()
        while True:
            wait_seconds = LOOK_SECONDS
            try:
                rows = await self._storage.read(alert_marks.silences)
                if rows:
                    await self.look()
                    self._said_at = -math.inf  # it answered, so the next failure is logged at once
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
        """Compare the stored silences with Alertmanager's once. Raises StorageError and MonitoringError."""
        rows = await self._storage.read(alert_marks.silences)
        if not rows:
            return
        active = {item.id: item for item in await self.alertmanager.silences() if item.is_active}
        for row in rows:
            await self._follow(row, active)

    async def _follow(self, seen: Silence, active: dict[str, FoundSilence]) -> None:
        """Delete a silence that is over; store one that was never confirmed, and a changed end."""
        async with self._alone(seen.incident_id):

            def look(db: Connection) -> tuple[Incident | None, Silence | None]:
                return alert_marks.incident(db, seen.incident_id), alert_marks.silence(db, seen.incident_id)

            incident, row = await self._storage.read(look)
            if incident is None or row != seen:
                return  # the row changed after Alertmanager was asked
            if row.silence_id is None:
                found = next((item for item in active.values() if row.mark in item.comment), None)
                over = row.until_ms < self._clock()
            else:
                found = active.get(row.silence_id)
                over = found is None
            if over:
                await self._forget(incident, row)
            elif found is not None and (found.id != row.silence_id or abs(found.until_ms - row.until_ms) > 1000):
                await self._note(incident, replace(row, silence_id=found.id, until_ms=found.until_ms))

    async def _note(self, incident: Incident, row: Silence) -> None:
        def change(db: Connection) -> None:
            alert_marks.put_silence(db, row)
            self._notify(db, incident)

        await self._storage.write(change)

    async def _forget(self, incident: Incident, row: Silence) -> None:
        def change(db: Connection) -> None:
            if alert_marks.end_silence(db, row.incident_id, row.mark):
                self._notify(db, incident)

        await self._storage.write(change)

    def _notify(self, db: Connection, incident: Incident) -> None:
        outbox.tell(db, incident.card_id, "card", incident.severity_rank, new_id=self._ids.new, now_ms=self._clock())

    @asynccontextmanager
    async def _alone(self, incident_id: int) -> AsyncIterator[None]:
        """Hold the lock of an incident, so that only one change of its silence goes on at a time."""
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
    """Store the wanted silence unless one is stored. Return the incident, and the stored row if it can be silenced."""
    incident = alert_marks.incident(db, wanted.incident_id)
    if incident is None or incident.state != "firing" or not incident.labels:
        return incident, None
    known = alert_marks.silence(db, wanted.incident_id)
    if known is None:
        alert_marks.put_silence(db, wanted)
    return incident, known or wanted
