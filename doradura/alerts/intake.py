"""Alertmanager's POST, from the body to its answer: 200 only once everything in it is stored, in one transaction.

Counts what it receives, repeats left out. Fails with an answer, never with an exception that
Alertmanager would not send again for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import trio

from doradura.alerts.incidents import DOUBTFUL_QUIET_MS, STALE_MS, Action, decide, is_quiet, later_start
from doradura.alerts.payload import WATCHDOG, Notice, PayloadError, parse_payload
from doradura.alerts.watchdog import hear, is_silent
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, alert_marks, alerts, outbox, sightings
from doradura.storage.alerts import Incident
from doradura.storage.ids import IdMaker

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
    """Takes Alertmanager's POSTs."""

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
        """Store a body's notices. Cancelled, they are stored or not, and the sender knows it has no answer."""
        try:
            if len(body) > THREAD_BYTES:
                notices = await trio.to_thread.run_sync(parse_payload, body)
            else:
                notices = parse_payload(body)
        except PayloadError as error:
            log.warning("a POST to /alerts is no webhook", extra={"error": str(error), "bytes": len(body)})
            return Reply(400, str(error))
        now = self._clock()
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
            # As its rank is read; one that no rule of ours has counts as other.
            self._metrics.alerts_received.labels(severity=severity.strip().lower(), status=status).inc()
        if stored.watchdog:
            self._metrics.watchdog_last_seen.set(now / 1000)
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


def reopen(db: Connection, notice: Notice, *, new_id: Callable[[], int], now_ms: int) -> None:
    """Let an incident fire again whose end was a false one; a change for one transaction."""
    body = _Body(db, new_id, now_ms, doubtful=False)
    body.take(notice, seen=True, certain=True)
    body.finish()


class _Body:
    """The incidents of one POST: those it begins are collected, as their number decides how they are told."""

    def __init__(self, db: Connection, new_id: Callable[[], int], now_ms: int, *, doubtful: bool) -> None:
        self._db = db
        self._new_id = new_id
        self._now_ms = now_ms
        self._doubtful = doubtful
        self._truncated = 0
        self._cards: dict[int, int] = {}
        """The cards on which alerts of this body fire, with the worst of each."""
        self._begun: dict[str, Incident] = {}
        self._changed: dict[int, int] = {}
        self._ring: dict[int, int] = {}

    def take(self, notice: Notice, *, seen: bool, certain: bool = False) -> None:
        """Take one notice. A `certain` one fires, whatever it was before."""
        self._truncated = max(self._truncated, notice.truncated)
        begun = self._begun.get(notice.fingerprint)
        known = begun or alerts.latest(self._db, notice.fingerprint)
        told = 0 if begun or not known else alerts.told_ms(self._db, known.card_id)
        action = decide(notice, known, seen=seen, told_ms=told, now_ms=self._now_ms)
        if certain and action is Action.DOUBT:
            action = Action.REOPEN
        if known is not None and action in (Action.IGNORE, Action.DOUBT):
            self._put_off(notice, known, action)
        elif known is not None and action is Action.OPEN_CLOSED and self._quiet(notice, known, told):
            # A firing that never came here, and its end: one more of those that its message counts.
            self._change(self._ended(self._follow(notice, known, Action.REOPEN), notice), known)
        elif known is None or action in (Action.OPEN, Action.OPEN_CLOSED):
            fresh = self._fresh(notice)
            # An earlier one that began and ended in this same body keeps its place under a key of its own.
            if begun:
                self._begun[f"{notice.fingerprint} {begun.incident_id}"] = begun
            self._begun[notice.fingerprint] = fresh if action is Action.OPEN else self._ended(fresh, notice)
        elif begun:
            self._begun[notice.fingerprint] = self._follow(notice, known, action)
        else:
            self._go_on(notice, known, action, told)

    def _go_on(self, notice: Notice, known: Incident, action: Action, told_ms: int) -> None:
        """Change an incident that an earlier body began."""
        incident = self._follow(notice, known, action)
        if action is not Action.CLOSE:
            sightings.heard(self._db, incident.incident_id)
            self._worst(self._cards, incident)
        asked = self._is_asked(notice, known, incident, action) and incident.state == "firing"
        quiet = self._quiet(notice, known, told_ms)
        if action is Action.REOPEN and asked and quiet:
            incident = replace(incident, unrung=1)
        self._change(incident, known)
        if asked and not quiet:
            self._worst(self._ring, incident)

    def _change(self, incident: Incident, known: Incident) -> None:
        if incident != known:
            alerts.put(self._db, incident)
        if _visible(incident) != _visible(known):
            self._worst(self._changed, incident)

    def _is_asked(self, notice: Notice, known: Incident, incident: Incident, action: Action) -> bool:
        """Whether a phone is to ring: for what fires again, and for what fires still where a reminder is asked for."""
        if action is Action.REOPEN:
            sightings.forget_doubt(self._db, incident.incident_id)
            if notice.starts != known.starts:
                alert_marks.forget_acknowledgement(self._db, incident.incident_id)
                return True
        if alert_marks.acknowledged(self._db, incident.incident_id) is not None:
            return False  # somebody has taken it on
        return notice.remind_ms is not None or action is Action.REOPEN

    def _quiet(self, notice: Notice, known: Incident, told_ms: int) -> bool:
        quiet_ms = DOUBTFUL_QUIET_MS if known.doubtful and notice.remind_ms is None else notice.remind_ms
        return is_quiet(quiet_ms, notice.severity_rank, told_ms=told_ms, now_ms=self._now_ms)

    def _put_off(self, notice: Notice, known: Incident, action: Action) -> None:
        """Keep a firing notice that may be older than the end; forget it at an end that is later than that one."""
        if action is Action.DOUBT:
            text = msgspec.json.encode(notice).decode()
            due_ms = self._now_ms + STALE_MS
            sightings.doubt(self._db, sightings.Doubt(known.incident_id, text, due_ms))
        elif known.state == "resolved" and (notice.ends_ms or 0) > (known.ended_ms or 0):
            sightings.forget_doubt(self._db, known.incident_id)

    def finish(self) -> None:
        """Put each incident that began on a card, and let the admins be told of everything."""
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
            self._tell(card_id, "card", rank)
        for card_id, rank in self._ring.items():
            alerts.set_told(self._db, card_id, self._now_ms)
            self._tell(card_id, "reminder", rank)

    def _say_truncated(self, *, is_new: bool) -> None:
        """Let one card of the body say how many alerts were left out of it; more than before ring.

        They are told by nothing else: nobody knows which they are.
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

    def _tell(self, card_id: int, kind: outbox.Kind, rank: int) -> None:
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

    def _follow(self, notice: Notice, known: Incident, action: Action) -> Incident:
        """Return an incident as a notice about it leaves it."""
        if action is Action.CLOSE:
            return self._ended(known, notice)
        fresh = self._fresh(notice)
        again = action is Action.REOPEN
        return replace(
            fresh,
            incident_id=known.incident_id,
            card_id=known.card_id,
            since_ms=fresh.since_ms if again and notice.starts_ms is not None else known.since_ms,
            starts=notice.starts if again else later_start(known.starts, notice.starts),
            # A false end was none: then it has fired once, and long.
            fired=known.fired + (again and notice.starts != known.starts),
            first_ms=known.since_ms if again and known.first_ms is None else known.first_ms,
            unrung=known.unrung,
        )

    def _ended(self, incident: Incident, notice: Notice) -> Incident:
        """Return an incident at its end; the words stay those of its firing."""
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
    """Return what of an incident a message shows."""
    return replace(incident, starts="", remind_ms=None, closed_ms=None, generator="", unrung=0)
