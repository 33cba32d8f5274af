"""Open incidents compared with Alertmanager's own list, so that an end that nobody posts is noticed.

What is silenced or inhibited when it ends, is cut off a notice, or is forgotten by an Alertmanager that lost its
memory, ends without a word. Guarantees: an incident is ended only if that Alertmanager listed it before, has been up
long enough to know what fires, and has not listed it for `Periods.missing`; no answer, a nonsensical one and another
Alertmanager prove nothing, and let the admins dismiss the incident instead. Firing notices that may be older than the
end are decided here too, and what fires again without a sound is told aloud once its time has come.

Times are added up by this process's own clock, so that a wall clock that is set ends nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

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
"""How often the log says that Alertmanager is still away."""


class Periods(NamedTuple):
    """How patient the comparison is, in seconds."""

    look: float = 60.0
    """How often Alertmanager is asked while something fires."""
    soon: float = 2.0
    """How soon after one look the next may follow: what begins to fire is looked for at once."""
    unlisted: float = 30.0
    """How long an incident that no list had yet waits for one, before it may be dismissed."""
    missing: float = 300.0
    """How long an incident must be missing from the list to have ended."""
    young: float = 600.0
    """So long after its start Alertmanager may not have heard again of everything that fires."""


@dataclass(slots=True)
class _Source:
    """An Alertmanager, known by its start, as this process has seen it."""

    first_at: float
    after: float | None
    """When another one had last answered before this one was first seen; None for the first of all."""


class _Seen(NamedTuple):
    """What one look found."""

    listing: Listing | None
    """None: no usable answer."""
    grown: bool = False
    """It has been up long enough to know what fires."""
    passed_ms: int = 0
    """The time since the look before; 0 for the first."""
    long_silent: bool = False
    """There has been no usable answer for so long that what was seen before proves nothing any more."""


class Reconciler:
    """Compares until cancelled."""

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
        """Since when incidents are looked for that no list had yet."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled. The barrier of one look: whatever breaks it, the next one follows."""
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
        """Compare once; return in how many seconds something is to be decided. Raises StorageError."""
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
        """Return the incidents that no list had yet, and that are not looked for long enough to say so."""
        now = trio.current_time()
        unlisted = [row.incident_id for row in open_ones if row.source_ms is None and not row.loose]
        since = {incident_id: self._unlisted.get(incident_id, now) for incident_id in unlisted}
        self._unlisted = {number: at for number, at in since.items() if now - at < self._periods.unlisted}
        return set(self._unlisted)

    async def _ask(self) -> _Seen:
        """Ask for the list."""
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
            return _Seen(None, long_silent=now - self._silent_since >= self._periods.missing)
        passed = 0.0 if self._answered_at is None else min(now - self._answered_at, 2 * self._periods.look)
        grown = self._is_grown(listing, now)
        if self._silent_since is not None:
            log.info("Alertmanager answers again", extra={"seconds": round(now - self._silent_since)})
        self._answered_at, self._silent_since = now, None
        return _Seen(listing, grown, round(passed * 1000))

    def _is_grown(self, listing: Listing, now: float) -> bool:
        """Whether an Alertmanager has been up for long enough.

        By its own word, unless its clock may have been set: one first seen after another is no older than that.
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
        """Store what a look found, and what follows from it."""
        rows = {row.incident_id: row for row in sightings.watched(db)}
        # What began to fire while Alertmanager was asked may not have been there when it answered.
        watched = [rows[incident_id] for incident_id in asked if incident_id in rows]
        known = sightings.sources(db)
        silent = is_silent(db)
        changed: list[Watched] = []
        told: list[int] = []
        for row in watched:
            after, ended = self._judge(db, row, seen, known, silent=silent)
            if after.loose and row.incident_id in fresh:
                after = after._replace(loose=0)
            if ended:
                incident = alert_marks.incident(db, row.incident_id)
                assert incident is not None
                log.info("an alert's end was not told", extra={"alert": incident.alertname})
                alerts.put(db, untold_end(incident, "unheard", now_ms=self._clock()))
            if after != row:
                changed.append(after)
            if ended or after.loose != row.loose:
                told.append(row.incident_id)
        sightings.put(db, changed)
        if seen.listing is not None:
            sightings.answered(db, seen.listing.started_ms, seen.listing.now_ms)
        for incident_id in told:
            incident = alert_marks.incident(db, incident_id)
            assert incident is not None
            self._tell(db, incident.card_id, "card", incident.severity_rank)
        for doubt in due:
            self._decide(db, doubt, seen, known)

    def _judge(
        self, db: Connection, row: Watched, seen: _Seen, known: dict[int, int], *, silent: bool
    ) -> tuple[Watched, bool]:
        """Say what a look means for one open incident: what is known of it now, and whether it has ended."""
        if seen.listing is None:
            return row._replace(loose=1 if row.source_ms is None or seen.long_silent else row.loose), False
        if row.fingerprint in seen.listing.fingerprints:
            return row._replace(source_ms=seen.listing.started_ms, missing_ms=0, loose=0), False
        source_ms = row.source_ms
        if source_ms is None:
            return row._replace(loose=1), False
        # From the first look that misses it: when it went before that is not known.
        row = row._replace(missing_ms=row.missing_ms + seen.passed_ms if row.missing_ms else 1)
        if row.missing_ms < self._periods.missing * 1000:
            return row, False
        if not _knows(db, source_ms, seen.listing, known):
            return row._replace(loose=1), False
        return row, seen.grown and not silent

    def _decide(self, db: Connection, doubt: Doubt, seen: _Seen, known: dict[int, int]) -> None:
        """Decide a firing notice that may be older than the end.

        Where nobody can say, it does: an alarm too many, never one too few.
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
        """Tell aloud what fires again, and was not told so because that had been too soon."""
        now, cards = self._clock(), set()
        for incident, told_ms in alerts.unrung(db):
            if is_quiet(incident.remind_ms, incident.severity_rank, told_ms=told_ms, now_ms=now):
                continue
            if incident.card_id not in cards:
                cards.add(incident.card_id)
                alerts.set_told(db, incident.card_id, now)
                self._tell(db, incident.card_id, "reminder", incident.severity_rank)

    def _tell(self, db: Connection, card_id: int, kind: outbox.Kind, rank: int) -> None:
        outbox.tell(db, card_id, kind, rank, new_id=self._ids.new, now_ms=self._clock())


def _knows(db: Connection, source_ms: int, listing: Listing, known: dict[int, int]) -> bool:
    """Whether a list says something of an incident that was last seen at this source.

    It does when it is the same Alertmanager, or that one restarted. One that had been started when the other last
    answered is another one. One that is not told of the watchdog, while we are, is not told of our alerts either.
    """
    if listing.started_ms == source_ms:
        return True
    if source_ms not in known or listing.started_ms <= known[source_ms]:
        return False
    return listing.has_watchdog or alerts.watchdog_seen_ms(db) is None
