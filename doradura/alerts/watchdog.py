"""The watchdog: an alert that always fires, so its absence means that monitoring is down.

That absence ("the silence") is an incident of our own, and admins are notified of it as of any other. The functions
here run inside the storage's transactions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from doradura.alerts.notes import add_incident
from doradura.alerts.payload import WATCHDOG
from doradura.alerts.rendering import AlertRenderer
from doradura.storage import Connection, alerts, outbox, sightings
from doradura.storage.alerts import Incident

SILENCE = "doradura:watchdog-silence"
"""The fingerprint of that incident; Alertmanager's are hexadecimal."""


def is_silent(db: Connection) -> bool:
    """Return whether the incident of the watchdog's silence is open."""
    known = alerts.latest(db, SILENCE)
    return known is not None and known.state == "firing"


def hear(db: Connection, *, new_id: Callable[[], int], now_ms: int) -> None:
    """Store that a watchdog notice arrived at `now_ms`, and end the silence if there was one."""
    alerts.see_watchdog(db, now_ms)
    known = alerts.latest(db, SILENCE)
    if known is not None and known.state == "firing":
        alerts.put(db, replace(known, state="resolved", ended_ms=now_ms, closed_ms=now_ms))
        # An edit makes no sound, and the admins wait to hear that they can rely on monitoring again: also send a reply.
        kinds: tuple[outbox.Kind, ...] = ("card", "return")
        for kind in kinds:
            outbox.tell(db, known.card_id, kind, known.severity_rank, new_id=new_id, now_ms=now_ms)


def silence_due_ms(db: Connection, *, silent_ms: int, not_before_ms: int) -> int | None:
    """Return when (ms since 1970) the silence begins unless a watchdog notice arrives; None if there is none to await.

    Nothing is awaited before the first watchdog ever, since monitoring may not be set up. The time before
    `not_before_ms`, the start of this program, does not count as silence.
    """
    seen_ms = alerts.watchdog_seen_ms(db)
    return None if seen_ms is None or is_silent(db) else max(seen_ms, not_before_ms) + silent_ms


def miss(db: Connection, *, texts: AlertRenderer, new_id: Callable[[], int], now_ms: int) -> None:
    """Open the incident of the watchdog's silence, unless it is open.

    Alerts that were resolved during the silence are marked as doubtful: an Alertmanager that hears nothing from
    Prometheus declares its alerts resolved.
    """
    seen_ms = alerts.watchdog_seen_ms(db)
    if seen_ms is None or is_silent(db):
        return
    summary, description = texts.silence(round((now_ms - seen_ms) / 1000))
    incident = Incident(
        incident_id=new_id(),
        card_id=new_id(),
        fingerprint=SILENCE,
        state="firing",
        severity_rank=0,
        alertname=WATCHDOG,
        summary=summary,
        description=description,
        since_ms=seen_ms,
    )
    add_incident(db, incident, new_id=new_id, now_ms=now_ms)
    sightings.loosen(db, incident.incident_id)
    for card_id, rank in alerts.doubt_ends_since(db, seen_ms):
        outbox.tell(db, card_id, "card", rank, new_id=new_id, now_ms=now_ms)
