"""Alertmanager's POST, from the body to its answer: 200 only once everything in it is stored, in one transaction.

Counts what it receives, repeats left out, and wakes the delivery. Fails with an answer, never with an exception that
Alertmanager would not send again for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from doradura.alerts.incidents import Action, decide, later_start, within_reminder
from doradura.alerts.payload import WATCHDOG, Notice, PayloadError, parse_payload
from doradura.alerts.watchdog import hear, is_silent
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, alert_marks, alerts, outbox
from doradura.storage.alerts import Incident
from doradura.storage.ids import IdMaker, now_ms

log = logging.getLogger(__name__)

BOT_DOWN = "BotDown"
"""The alert of stack/prometheus/rules on a bot that does not answer Prometheus."""

SINGLE_LIMIT = 5
"""As many new alerts of one POST are a message each; more are one message."""
THREAD_BYTES = 64 * 1024
"""Larger bodies are read in a thread: ten thousand alerts take longer than the loop may stand still."""

RETURN_MS = 120_000
"""How long after its start the bot takes no word of an absence that began before: it may be its own, which is over.

A scrape, an evaluation and Alertmanager's minute of repeats are done by then; what still fires is another bot's."""

SEVERITIES = frozenset({"critical", "warning", "none"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the POST is answered: the HTTP status, and why it was refused or how many alerts are stored."""

    status: int
    error: str | None = None
    stored: int = 0


@dataclass(slots=True)
class Stored:
    """What one body's transaction did."""

    received: list[tuple[str, str]] = field(default_factory=list)
    """(severity, status) of each notice that had not been there before."""
    watchdog: bool = False


class Intake:
    """Takes Alertmanager's POSTs. `new_id` is called inside changes only."""

    def __init__(self, storage: Storage, metrics: Metrics, ids: IdMaker, wake: Callable[[], None]) -> None:
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._wake = wake
        self._started_ms = now_ms()

    async def accept(self, body: bytes) -> Reply:
        """Store a body's notices. Cancelled, they are stored or not, and the sender knows it has no answer."""
        try:
            if len(body) > THREAD_BYTES:
                notices = await trio.to_thread.run_sync(parse_payload, body)
            else:
                notices = parse_payload(body)
        except PayloadError as error:
            log.warning("a POST to /alerts is no webhook", extra={"error": str(error), "bytes": len(body)})
            return Reply(400, str(error))
        now = now_ms()
        if now < self._started_ms + RETURN_MS and is_absence(notices, before_ms=self._started_ms):
            # Alertmanager has told it; it sends again while it is so, and forgets it when it has ended.
            return Reply(503, "this bot has just started and it may be its own absence: send it again if it lasts")
        try:
            stored = await self._storage.write(lambda db: store(db, notices, new_id=self._ids.new, now_ms=now))
        except StorageError as error:
            log.error("alerts not stored", extra={"error": str(error), "alerts": len(notices)})  # noqa: TRY400 - no trace needed
            self._metrics.errors.labels(category="alert").inc()
            return Reply(503, f"not stored, send it again: {error.reason}")
        for severity, status in stored.received:
            severity = severity.strip().lower()  # noqa: PLW2901 - as its rank is read
            known = severity if severity in SEVERITIES else "other"
            self._metrics.alerts_received.labels(severity=known, status=status).inc()
        if stored.watchdog:
            self._metrics.watchdog_last_seen.set(now / 1000)
        self._wake()
        return Reply(200, stored=len(notices))


def is_absence(notices: Sequence[Notice], *, before_ms: int) -> bool:
    """Whether a body says nothing but that bots are down, and have been since before this time."""
    return bool(notices) and all(
        notice.alertname == BOT_DOWN
        and notice.status == "firing"
        and notice.starts_ms is not None
        and notice.starts_ms < before_ms
        for notice in notices
    )


def store(db: Connection, notices: Sequence[Notice], *, new_id: Callable[[], int], now_ms: int) -> Stored:
    """Store a body's notices and what the admins are to be told of them; a change for one transaction."""
    done = Stored()
    body = _Body(db, new_id, now_ms, doubtful=is_silent(db))
    for notice in notices:
        seen = alerts.note_seen(db, (notice.group_key, notice.fingerprint, notice.starts, notice.status), now_ms)
        if not seen:
            done.received.append((notice.severity, notice.status))
        if notice.alertname == WATCHDOG:
            # Its end is no news: either its silence follows and is told, or its next firing does.
            if notice.status == "firing":
                hear(db, new_id=new_id, now_ms=now_ms)
                done.watchdog = True
        else:
            body.take(notice, seen=seen)
    body.finish()
    return done


class _Body:
    """The incidents of one POST: those it begins are collected, as their number decides how they are told."""

    def __init__(self, db: Connection, new_id: Callable[[], int], now_ms: int, *, doubtful: bool) -> None:
        self._db = db
        self._new_id = new_id
        self._now_ms = now_ms
        self._doubtful = doubtful
        self._begun: dict[str, Incident] = {}
        self._changed: dict[int, int] = {}
        self._ring: dict[int, int] = {}

    def take(self, notice: Notice, *, seen: bool) -> None:
        """Take one notice."""
        begun = self._begun.get(notice.fingerprint)
        known = begun or alerts.latest(self._db, notice.fingerprint)
        told = self._now_ms if begun or not known else alerts.told_ms(self._db, known.card_id)
        action = decide(notice, known, seen=seen, told_ms=told, now_ms=self._now_ms)
        if action is Action.IGNORE:
            return
        if known is None or action in (Action.OPEN, Action.OPEN_CLOSED):
            fresh = self._fresh(notice)
            # An earlier one that began and ended in this same body keeps its place under a key of its own.
            if begun:
                self._begun[f"{notice.fingerprint} {begun.incident_id}"] = begun
            self._begun[notice.fingerprint] = fresh if action is Action.OPEN else self._ended(fresh, notice)
            return
        incident = self._follow(notice, known, action)
        if begun:
            self._begun[notice.fingerprint] = incident
            return
        if incident != known:
            alerts.put(self._db, incident)
        if _visible(incident) != _visible(known):
            self._worst(self._changed, incident)
        # What fires again rings, but in the reminder's time; what fires still rings only where a reminder is asked for.
        asked = notice.remind_ms is not None or action is Action.REOPEN
        if action is Action.REOPEN and notice.starts != known.starts:
            alert_marks.forget_acknowledgement(self._db, incident.incident_id)
        elif alert_marks.acknowledged(self._db, incident.incident_id) is not None:
            asked = False  # somebody has taken it on
        due = asked and not within_reminder(notice.remind_ms, told_ms=told, now_ms=self._now_ms)
        if incident.state == "firing" and due:
            self._worst(self._ring, incident)

    def finish(self) -> None:
        """Give what began its cards, and let the admins be told of everything."""
        begun = sorted(self._begun.values(), key=lambda incident: incident.incident_id)
        shared = self._new_card() if len(begun) > SINGLE_LIMIT else None
        for incident in begun:
            placed = incident._replace(card_id=shared or self._new_card())
            alerts.put(self._db, placed)
            self._worst(self._changed, placed)
        for card_id, rank in self._changed.items():
            self._tell(card_id, "card", rank)
        for card_id, rank in self._ring.items():
            alerts.set_told(self._db, card_id, self._now_ms)
            self._tell(card_id, "reminder", rank)

    def _tell(self, card_id: int, kind: outbox.Kind, rank: int) -> None:
        outbox.tell(self._db, card_id, kind, rank, new_id=self._new_id, now_ms=self._now_ms)

    def _new_card(self) -> int:
        card_id = self._new_id()
        alerts.add_card(self._db, card_id, self._now_ms)
        return card_id

    def _fresh(self, notice: Notice) -> Incident:
        since = self._now_ms if notice.starts_ms is None else notice.starts_ms
        return Incident(
            *(self._new_id(), 0, notice.fingerprint, "firing", notice.severity_rank, notice.alertname),
            *(notice.summary, notice.description, since, notice.instance, notice.runbook, notice.starts),
            notice.remind_ms,
            labels=notice.labels,
            generator=notice.generator,
        )

    def _follow(self, notice: Notice, known: Incident, action: Action) -> Incident:
        """Give an incident as a notice about it leaves it."""
        if action is Action.CLOSE:
            return self._ended(known, notice)
        fresh = self._fresh(notice)
        again = action is Action.REOPEN
        return fresh._replace(
            incident_id=known.incident_id,
            card_id=known.card_id,
            since_ms=fresh.since_ms if again and notice.starts_ms is not None else known.since_ms,
            starts=notice.starts if again else later_start(known.starts, notice.starts),
            # A false end was none: then it has fired once, and long.
            fired=known.fired + (again and notice.starts != known.starts),
        )

    def _ended(self, incident: Incident, notice: Notice) -> Incident:
        """Give an incident at its end; the words stay those of its firing."""
        known = notice.ends_ms is not None and notice.ends_ms >= incident.since_ms
        return incident._replace(
            state="resolved",
            ended_ms=notice.ends_ms if known else max(self._now_ms, incident.since_ms),
            closed_ms=self._now_ms,
            doubtful=int(self._doubtful),
        )

    @staticmethod
    def _worst(ranks: dict[int, int], incident: Incident) -> None:
        card_id = incident.card_id
        ranks[card_id] = min(incident.severity_rank, ranks.get(card_id, incident.severity_rank))


def _visible(incident: Incident) -> Incident:
    """Give what of an incident a message shows."""
    return incident._replace(starts="", remind_ms=None, closed_ms=None, generator="")
