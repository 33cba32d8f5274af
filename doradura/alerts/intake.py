"""Accepts Alertmanager's POST. It answers 200 only after everything in the payload is stored, in one transaction.

Received notices are counted, except for repeats. A failure becomes an answer that makes Alertmanager send again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import trio

from doradura.alerts.incidents import DOUBTFUL_QUIET_MS, STALE_MS, NoticeEffect, decide, is_quiet, later_start
from doradura.alerts.payload import WATCHDOG, Notice, PayloadError, parse_payload
from doradura.alerts.watchdog import hear, is_silent
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, alert_marks, alerts, outbox, sightings
from doradura.storage.alerts import Incident
from doradura.storage.ids import IdMaker

log = logging.getLogger(__name__)

BOT_DOWN = "BotDown"
"""The alert in stack/prometheus/rules about a bot that does not answer Prometheus."""

SINGLE_LIMIT = 5
"""Up to this many new alerts of one POST get a message each; more share one message."""
THREAD_BYTES = 64 * 1024
"""Larger bodies are parsed in a thread: ten thousand alerts would block the event loop for too long."""

RETURN_MS = 120_000
"""How long after its start the bot rejects BotDown alerts that began before: they may be about itself.

After that time a scrape, an evaluation and one of Alertmanager's repeats are done; an alert that still fires is about
another bot."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST: the HTTP status, and either the error or how many alerts are stored."""

    status: int
    error: str | None = None
    stored: int = 0


@dataclass(slots=True)
class Stored:
    """What the transaction of one payload did."""

    received: list[tuple[str, str]] = field(default_factory=list)
    """(severity, status) of each notice that had not arrived before."""
    watchdog: bool = False


class Intake:
    """Accepts Alertmanager's POSTs."""

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        ids: IdMaker,
        *,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._started_ms = clock()

    async def accept(self, body: bytes) -> Reply:
        """Store a payload's notices and return the answer. Raises nothing.

        After a cancel they are stored or not; without an answer, Alertmanager sends them again.
        """
        try:
            if len(body) > THREAD_BYTES:
                notices = await trio.to_thread.run_sync(parse_payload, body)
            else:
                notices = parse_payload(body)
        except PayloadError as error:
            log.warning("a POST to /alerts is not a webhook", extra={"error": str(error), "bytes": len(body)})
            return Reply(400, str(error))
        now = self._clock()
        if now < self._started_ms + RETURN_MS and is_absence(notices, before_ms=self._started_ms):
            # Alertmanager sends this again for as long as the alert fires, and no more once it has ended.
            return Reply(503, "this bot has just started and it may be its own absence: send it again if it lasts")
        try:
            stored = await self._storage.write(lambda db: store(db, notices, new_id=self._ids.new, now_ms=now))
        except StorageError as error:
            log.error("alerts not stored", extra={"error": str(error), "alerts": len(notices)})  # noqa: TRY400 - no trace needed
            self._metrics.errors.labels(category="alert").inc()
            return Reply(503, f"not stored, send it again: {error.reason}")
        for severity, status in stored.received:
            # Normalised in the same way as for the severity rank; an unknown severity counts as "other".
            self._metrics.alerts_received.labels(severity=severity.strip().lower(), status=status).inc()
        if stored.watchdog:
            self._metrics.watchdog_last_seen.set(now / 1000)
        return Reply(200, stored=len(notices))


def is_absence(notices: Sequence[Notice], *, before_ms: int) -> bool:
    """Return whether all notices say that bots are down, and have been since before this time (ms since 1970)."""
    return bool(notices) and all(
        notice.alertname == BOT_DOWN
        and notice.status == "firing"
        and notice.starts_ms is not None
        and notice.starts_ms < before_ms
        for notice in notices
    )


def store(db: Connection, notices: Sequence[Notice], *, new_id: Callable[[], int], now_ms: int) -> Stored:
    """Store a payload's notices and put the notifications about them into the outbox, inside one transaction."""
    done = Stored()
    body = _Body(db, new_id, now_ms, doubtful=is_silent(db))
    for notice in notices:
        seen = alerts.note_seen(db, (notice.group_key, notice.fingerprint, notice.starts, notice.status), now_ms)
        if not seen:
            done.received.append((notice.severity, notice.status))
        if notice.alertname == WATCHDOG:
            # The watchdog's end needs no notification: either its silence follows, which has one, or it fires again.
            if notice.status == "firing":
                hear(db, new_id=new_id, now_ms=now_ms)
                done.watchdog = True
        else:
            body.take(notice, seen=seen)
    body.finish()
    return done


def reopen(db: Connection, notice: Notice, *, new_id: Callable[[], int], now_ms: int) -> None:
    """Reopen an incident whose end was false, inside one transaction."""
    body = _Body(db, new_id, now_ms, doubtful=False)
    body.take(notice, seen=True, certain=True)
    body.finish()


class _Body:
    """The incidents of one payload. New ones are collected: their number decides how many messages there are."""

    def __init__(self, db: Connection, new_id: Callable[[], int], now_ms: int, *, doubtful: bool) -> None:
        self._db = db
        self._new_id = new_id
        self._now_ms = now_ms
        self._doubtful = doubtful
        self._truncated = 0
        self._cards: dict[int, int] = {}
        """By `card_id` of the messages with firing alerts of this payload: their worst severity rank."""
        self._begun: dict[str, Incident] = {}
        self._changed: dict[int, int] = {}
        self._ring: dict[int, int] = {}

    def take(self, notice: Notice, *, seen: bool, certain: bool = False) -> None:
        """Apply one notice. A `certain` one is firing, whatever was known before."""
        self._truncated = max(self._truncated, notice.truncated)
        begun = self._begun.get(notice.fingerprint)
        known = begun or alerts.latest(self._db, notice.fingerprint)
        told_ms = 0 if begun or not known else alerts.told_ms(self._db, known.card_id)
        effect = decide(notice, known, seen=seen, told_ms=told_ms, now_ms=self._now_ms)
        if certain and effect is NoticeEffect.DOUBT:
            effect = NoticeEffect.REOPEN
        if known is not None and effect in (NoticeEffect.IGNORE, NoticeEffect.DOUBT):
            self._put_off(notice, known, effect)
        elif known is not None and effect is NoticeEffect.OPEN_CLOSED and self._quiet(notice, known, told_ms):
            # The end of a firing that was never reported: the incident's message counts one firing more.
            self._change(self._ended(self._follow(notice, known, NoticeEffect.REOPEN), notice), known)
        elif known is None or effect in (NoticeEffect.OPEN, NoticeEffect.OPEN_CLOSED):
            fresh = self._fresh(notice)
            # An earlier incident that began and ended in this payload is kept under a key of its own.
            if begun:
                self._begun[f"{notice.fingerprint} {begun.incident_id}"] = begun
            self._begun[notice.fingerprint] = fresh if effect is NoticeEffect.OPEN else self._ended(fresh, notice)
        elif begun:
            self._begun[notice.fingerprint] = self._follow(notice, known, effect)
        else:
            self._go_on(notice, known, effect, told_ms)

    def _go_on(self, notice: Notice, known: Incident, effect: NoticeEffect, told_ms: int) -> None:
        """Change an incident that began with an earlier payload."""
        incident = self._follow(notice, known, effect)
        if effect is not NoticeEffect.CLOSE:
            sightings.heard(self._db, incident.incident_id)
            self._worst(self._cards, incident)
        asked = self._is_asked(notice, known, incident, effect) and incident.state == "firing"
        quiet = self._quiet(notice, known, told_ms)
        if effect is NoticeEffect.REOPEN and asked and quiet:
            incident = replace(incident, unrung=1)
        self._change(incident, known)
        if asked and not quiet:
            self._worst(self._ring, incident)

    def _change(self, incident: Incident, known: Incident) -> None:
        if incident != known:
            alerts.put(self._db, incident)
        if _visible(incident) != _visible(known):
            self._worst(self._changed, incident)

    def _is_asked(self, notice: Notice, known: Incident, incident: Incident, effect: NoticeEffect) -> bool:
        """Return whether a reminder is due: the alert fires again, or still fires and its rule asks for reminders."""
        if effect is NoticeEffect.REOPEN:
            sightings.forget_doubt(self._db, incident.incident_id)
            if notice.starts != known.starts:
                alert_marks.forget_acknowledgement(self._db, incident.incident_id)
                return True
        if alert_marks.acknowledged(self._db, incident.incident_id) is not None:
            return False  # an admin is working on it
        return notice.remind_ms is not None or effect is NoticeEffect.REOPEN

    def _quiet(self, notice: Notice, known: Incident, told_ms: int) -> bool:
        quiet_ms = DOUBTFUL_QUIET_MS if known.doubtful and notice.remind_ms is None else notice.remind_ms
        return is_quiet(quiet_ms, notice.severity_rank, told_ms=told_ms, now_ms=self._now_ms)

    def _put_off(self, notice: Notice, known: Incident, effect: NoticeEffect) -> None:
        """Keep a firing notice that may be older than the incident's end; forget it when a later end arrives."""
        if effect is NoticeEffect.DOUBT:
            text = msgspec.json.encode(notice).decode()
            due_ms = self._now_ms + STALE_MS
            sightings.doubt(self._db, sightings.Doubt(incident_id=known.incident_id, notice=text, due_ms=due_ms))
        elif known.state == "resolved" and (notice.ends_ms or 0) > (known.ended_ms or 0):
            sightings.forget_doubt(self._db, known.incident_id)

    def finish(self) -> None:
        """Assign each new incident to a message, and put all notifications into the outbox."""
        begun = sorted(self._begun.values(), key=lambda incident: incident.incident_id)
        shared = self._new_card() if len(begun) > SINGLE_LIMIT else None
        for incident in begun:
            placed = replace(incident, card_id=shared or self._new_card())
            alerts.put(self._db, placed)
            self._worst(self._changed, placed)
            if placed.state == "firing":
                self._worst(self._cards, placed)
        self._say_truncated(is_new=bool(begun))
        for card_id, rank in self._changed.items():
            self._notify(card_id, "card", rank)
        for card_id, rank in self._ring.items():
            alerts.set_told(self._db, card_id, self._now_ms)
            self._notify(card_id, "reminder", rank)

    def _say_truncated(self, *, is_new: bool) -> None:
        """Show in one message how many alerts Alertmanager left out of the payload; a larger number makes a sound.

        Nothing else reports them, as nobody knows which they are.
        """
        known = {card_id: alerts.truncated(self._db, card_id) for card_id in self._cards}
        if not known or not (self._truncated or any(known.values())):
            return
        carrier = min(known, key=lambda card_id: (-known[card_id], self._cards[card_id], -card_id))
        for card_id, said in known.items():
            count = self._truncated if card_id == carrier else 0
            if count != said:
                alerts.set_truncated(self._db, card_id, count)
                self._changed[card_id] = min(self._cards[card_id], self._changed.get(card_id, 2))
        told_ms = alerts.told_ms(self._db, carrier)
        quiet = is_quiet(None, self._cards[carrier], told_ms=told_ms, now_ms=self._now_ms)
        if self._truncated > known[carrier] and not quiet and not is_new:
            self._ring.setdefault(carrier, self._cards[carrier])

    def _notify(self, card_id: int, kind: outbox.Kind, rank: int) -> None:
        outbox.tell(self._db, card_id, kind, rank, new_id=self._new_id, now_ms=self._now_ms)

    def _new_card(self) -> int:
        card_id = self._new_id()
        alerts.add_card(self._db, card_id, self._now_ms)
        return card_id

    def _fresh(self, notice: Notice) -> Incident:
        since = self._now_ms if notice.starts_ms is None else notice.starts_ms
        return Incident(
            incident_id=self._new_id(),
            card_id=0,
            fingerprint=notice.fingerprint,
            state="firing",
            severity_rank=notice.severity_rank,
            alertname=notice.alertname,
            summary=notice.summary,
            description=notice.description,
            since_ms=since,
            instance=notice.instance,
            runbook=notice.runbook,
            starts=notice.starts,
            remind_ms=notice.remind_ms,
            labels=notice.labels,
            generator=notice.generator,
        )

    def _follow(self, notice: Notice, known: Incident, effect: NoticeEffect) -> Incident:
        """Return an incident as it is after a notice about it."""
        if effect is NoticeEffect.CLOSE:
            return self._ended(known, notice)
        fresh = self._fresh(notice)
        again = effect is NoticeEffect.REOPEN
        return replace(
            fresh,
            incident_id=known.incident_id,
            card_id=known.card_id,
            since_ms=fresh.since_ms if again and notice.starts_ms is not None else known.since_ms,
            starts=notice.starts if again else later_start(known.starts, notice.starts),
            # After a false end it is still the same firing, so it counts once.
            fired=known.fired + (again and notice.starts != known.starts),
            first_ms=known.since_ms if again and known.first_ms is None else known.first_ms,
            unrung=known.unrung,
        )

    def _ended(self, incident: Incident, notice: Notice) -> Incident:
        """Return an incident as it is after its end. Its summary and description stay those of the firing."""
        known = notice.ends_ms is not None and notice.ends_ms >= incident.since_ms
        return replace(
            incident,
            state="resolved",
            ended_ms=notice.ends_ms if known else max(self._now_ms, incident.since_ms),
            closed_ms=self._now_ms,
            doubtful=int(self._doubtful),
            unrung=0,
        )

    @staticmethod
    def _worst(ranks: dict[int, int], incident: Incident) -> None:
        card_id = incident.card_id
        ranks[card_id] = min(incident.severity_rank, ranks.get(card_id, incident.severity_rank))


def _visible(incident: Incident) -> Incident:
    """Return an incident without the fields that its message doesn't show, for comparison."""
    return replace(incident, starts="", remind_ms=None, closed_ms=None, generator="", unrung=0)
