"""Reconciliation: compares open incidents with Alertmanager's own list, to notice ends that no POST reports.

Alertmanager reports no end for an alert that is silenced or inhibited when it ends, that was cut off a payload, or that
a restarted Alertmanager forgot. An incident is ended here only if the same Alertmanager listed it before, has been up
long enough to know what fires, and has not listed it for `Periods.missing`. A missing or unreadable answer, or another
Alertmanager, proves nothing; the admins may then dismiss the incident. Two more things are decided here: firing notices
that may be older than an end, and reminders that were postponed because the last one was too recent.

Durations are measured with this process's monotonic clock, so changing the system time ends nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec
import trio

from doradura.alerts.alertmanager import Alertmanager, Listing
from doradura.alerts.fetching import MonitoringError
from doradura.alerts.incidents import is_due, is_quiet, untold_end
from doradura.alerts.intake import reopen
from doradura.alerts.payload import Notice
from doradura.alerts.watchdog import is_silent
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, Topic, alert_marks, alerts, outbox, sightings
from doradura.storage.ids import IdMaker
from doradura.storage.sightings import Doubt, Watched

log = logging.getLogger(__name__)

SOURCES_KEPT = 16
SAID_SECONDS = 3600.0
"""How often the log repeats that Alertmanager does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Periods:
    """The periods of the comparison, in seconds."""

    look: float = 60.0
    """How often Alertmanager is asked while an incident is open."""
    soon: float = 2.0
    """The shortest time between two comparisons. A new incident causes the next comparison at once."""
    unlisted: float = 30.0
    """How long an incident that was never listed waits to be listed before admins may dismiss it."""
    missing: float = 300.0
    """How long an incident must be missing from the list to count as ended."""
    young: float = 600.0
    """How long after its start Alertmanager may not know of everything that fires."""


@dataclass(slots=True)
class _Source:
    """An Alertmanager process, identified by its start time, as this process has seen it."""

    first_at: float
    after: float | None
    """When any other one last answered before this one was first seen; None for the very first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What one request to Alertmanager returned."""

    listing: Listing | None
    """None if there was no usable answer."""
    grown: bool = False
    """Whether Alertmanager has been up long enough to know what fires."""
    passed_ms: int = 0
    """The time since the previous answer; 0 for the first."""
    long_silent: bool = False
    """Whether there has been no usable answer for so long that earlier lists prove nothing any more."""


class Reconciler:
    """Runs the comparison. `run` lasts until it is cancelled; `look` compares once."""

    def __init__(
        self,
        alertmanager: Alertmanager,
        storage: Storage,
        metrics: Metrics,
        ids: IdMaker,
        *,
        clock: Clock,
        periods: Periods | None = None,
    ) -> None:
        self._clock = clock
        self._alertmanager = alertmanager
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._periods = periods or Periods()
        self._sources: dict[int, _Source] = {}
        self._answered_at: float | None = None
        self._silent_since: float | None = None
        self._said_at = -math.inf
        self._unlisted: dict[int, float] = {}
        """By incident that was never listed: since when it has been looked for."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Compare again and again until cancelled. A barrier: an exception in one comparison does not stop the next."""
        watch = self._storage.watch(Topic.INCIDENTS)
        task_status.started()
        while True:
            wait_seconds = self._periods.look
            try:
                wait_seconds = min(wait_seconds, await self.look())
            except StorageError as error:
                log.warning("incidents are not compared", extra={"error": str(error)})
            except Exception:  # the barrier named above
                log.exception("incidents are not compared")
                self._metrics.errors.labels(category="alert").inc()
            await trio.sleep(self._periods.soon)
            await watch.next(wait_seconds - self._periods.soon)

    async def look(self) -> float:
        """Compare once. Return in how many seconds the next decision is due. Raises StorageError."""
        open_ones, doubts, unrung = await self._storage.read(
            lambda db: (sightings.watched(db), sightings.doubts(db), alerts.unrung(db))
        )
        due = [doubt for doubt in doubts if is_due(doubt.due_ms, self._clock())]
        fresh = self._fresh(open_ones)
        if open_ones or due:
            seen = await self._ask()
            ids = [row.incident_id for row in open_ones]
            await self._storage.write(lambda db: self._apply(db, seen, ids, due, fresh))
        if unrung:
            await self._storage.write(self._ring)
        now = self._clock()
        waits = [(doubt.due_ms - now) / 1000 for doubt in doubts if not is_due(doubt.due_ms, now)]
        waits += [since + self._periods.unlisted - trio.current_time() for since in self._unlisted.values()]
        return max(self._periods.soon, min(waits, default=math.inf))

    def _fresh(self, open_ones: Collection[Watched]) -> set[int]:
        """Return the incidents that were never listed but are too new for admins to dismiss them."""
        now = trio.current_time()
        unlisted = [row.incident_id for row in open_ones if row.source_ms is None and not row.loose]
        since = {incident_id: self._unlisted.get(incident_id, now) for incident_id in unlisted}
        self._unlisted = {number: at for number, at in since.items() if now - at < self._periods.unlisted}
        return set(self._unlisted)

    async def _ask(self) -> _Seen:
        """Request Alertmanager's list. An error becomes a result without a list, and is logged once an hour."""
        now = trio.current_time()
        try:
            listing = await self._alertmanager.listing()
        except MonitoringError as error:
            if self._silent_since is None:
                self._silent_since, self._said_at = now, -math.inf
            if now - self._said_at >= SAID_SECONDS:
                self._said_at = now
                log.warning(
                    "no list from Alertmanager, trying on", extra={"reason": error.reason, "error": error.detail}
                )
            return _Seen(listing=None, long_silent=now - self._silent_since >= self._periods.missing)
        passed = 0.0 if self._answered_at is None else min(now - self._answered_at, 2 * self._periods.look)
        grown = self._is_grown(listing, now)
        if self._silent_since is not None:
            log.info("Alertmanager answers again", extra={"seconds": round(now - self._silent_since)})
        self._answered_at, self._silent_since = now, None
        return _Seen(listing=listing, grown=grown, passed_ms=round(passed * 1000))

    def _is_grown(self, listing: Listing, now: float) -> bool:
        """Return whether an Alertmanager has been up for long enough.

        Its own start time is believed unless its clock may be wrong: one that replaced another cannot have been up for
        longer than since the other's last answer.
        """
        source = self._sources.get(listing.started_ms)
        if source is None:
            while len(self._sources) >= SOURCES_KEPT:
                del self._sources[next(iter(self._sources))]
            source = self._sources[listing.started_ms] = _Source(now, self._answered_at)
        young = self._periods.young
        if now - source.first_at >= young:
            return True
        by_its_word = listing.now_ms - listing.started_ms >= young * 1000
        return by_its_word and (source.after is None or now - source.after >= young)

    def _apply(
        self, db: Connection, seen: _Seen, asked: Collection[int], due: list[Doubt], fresh: Collection[int]
    ) -> None:
        """Store what a request found, and what follows from it."""
        rows = {row.incident_id: row for row in sightings.watched(db)}
        # Incidents that began during the request may be missing from its answer, so they are not judged by it.
        watched = [rows[incident_id] for incident_id in asked if incident_id in rows]
        known = sightings.sources(db)
        silent = is_silent(db)
        changed: list[Watched] = []
        to_notify: list[int] = []
        for row in watched:
            after, ended = self._judge(db, row, seen, known, silent=silent)
            if after.loose and row.incident_id in fresh:
                after = replace(after, loose=0)
            if ended:
                incident = alert_marks.incident(db, row.incident_id)
                assert incident is not None
                log.info("an alert ended without a notice", extra={"alert": incident.alertname})
                alerts.put(db, untold_end(incident, "unheard", now_ms=self._clock()))
            if after != row:
                changed.append(after)
            if ended or after.loose != row.loose:
                to_notify.append(row.incident_id)
        sightings.put(db, changed)
        if seen.listing is not None:
            sightings.answered(db, seen.listing.started_ms, seen.listing.now_ms)
        for incident_id in to_notify:
            incident = alert_marks.incident(db, incident_id)
            assert incident is not None
            self._notify(db, incident.card_id, "card", incident.severity_rank)
        for doubt in due:
            self._decide(db, doubt, seen, known)

    def _judge(
        self, db: Connection, row: Watched, seen: _Seen, known: dict[int, int], *, silent: bool
    ) -> tuple[Watched, bool]:
        """Return what is known of one open incident after a request, and whether it has ended."""
        if seen.listing is None:
            return replace(row, loose=1 if row.source_ms is None or seen.long_silent else row.loose), False
        if row.fingerprint in seen.listing.fingerprints:
            return replace(row, source_ms=seen.listing.started_ms, missing_ms=0, loose=0), False
        source_ms = row.source_ms
        if source_ms is None:
            return replace(row, loose=1), False
        # Counted from the first list without it: when it left the list before that is not known.
        row = replace(row, missing_ms=row.missing_ms + seen.passed_ms if row.missing_ms else 1)
        if row.missing_ms < self._periods.missing * 1000:
            return row, False
        if not _knows(db, source_ms, seen.listing, known):
            return replace(row, loose=1), False
        return row, seen.grown and not silent

    def _decide(self, db: Connection, doubt: Doubt, seen: _Seen, known: dict[int, int]) -> None:
        """Decide about a firing notice that may be older than its incident's end.

        If it can't be known, the incident fires again: one alert too many is better than one too few.
        """
        sightings.forget_doubt(db, doubt.incident_id)
        incident, row = alert_marks.incident(db, doubt.incident_id), sightings.watched_one(db, doubt.incident_id)
        if incident is None or row is None or incident.state != "resolved" or incident.ending:
            return
        latest = alerts.latest(db, incident.fingerprint)
        if latest is None or latest.incident_id != incident.incident_id:
            return
        if seen.listing is not None and seen.grown and row.source_ms is not None:
            listed = row.fingerprint in seen.listing.fingerprints
            if not listed and _knows(db, row.source_ms, seen.listing, known):
                return
        reopen(db, msgspec.json.decode(doubt.notice, type=Notice), new_id=self._ids.new, now_ms=self._clock())

    def _ring(self, db: Connection) -> None:
        """Send the postponed reminders of incidents that fire again, where the last one is no longer too recent."""
        now, cards = self._clock(), set()
        for incident, told_ms in alerts.unrung(db):
            if is_quiet(incident.remind_ms, incident.severity_rank, told_ms=told_ms, now_ms=now):
                continue
            if incident.card_id not in cards:
                cards.add(incident.card_id)
                alerts.set_told(db, incident.card_id, now)
                self._notify(db, incident.card_id, "reminder", incident.severity_rank)

    def _notify(self, db: Connection, card_id: int, kind: outbox.Kind, rank: int) -> None:
        outbox.tell(db, card_id, kind, rank, new_id=self._ids.new, now_ms=self._clock())


def _knows(db: Connection, source_ms: int, listing: Listing, known: dict[int, int]) -> bool:
    """Return whether a list proves anything about an incident that was last listed by the Alertmanager `source_ms`.

    It does if the list comes from the same Alertmanager, or from that one after a restart. One that was already running
    when the other last answered is a different one. One that doesn't list the watchdog, while we receive it, doesn't
    receive our alerts either.
    """
    if listing.started_ms == source_ms:
        return True
    if source_ms not in known or listing.started_ms <= known[source_ms]:
        return False
    return listing.has_watchdog or alerts.watchdog_seen_ms(db) is None
