"""The watchdog: an alert that always fires, so that its silence says that monitoring is down.

The silence is an incident of our own, told like any other. What is decided here happens inside changes of the storage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from doradura.alerts.notes import add_incident
from doradura.alerts.payload import WATCHDOG
from doradura.alerts.words import AlertWords
from doradura.storage import Connection, alerts, outbox, sightings
from doradura.storage.alerts import Incident

SILENCE = "doradura:watchdog-silence"
"""The fingerprint of that incident; Alertmanager's are hexadecimal."""


def is_silent(db: Connection) -> bool:
    """Whether the silence has been told and lasts."""
    known = alerts.latest(db, SILENCE)
    return known is not None and known.state == "firing"


def hear(db: Connection, *, new_id: Callable[[], int], now_ms: int) -> None:
    """A watchdog came: note it, and end the silence if there was one."""
    alerts.see_watchdog(db, now_ms)
    known = alerts.latest(db, SILENCE)
    if known is not None and known.state == "firing":
        alerts.put(db, replace(known, state="resolved", ended_ms=now_ms, closed_ms=now_ms))
        # The edit makes no sound, and who was told that nothing can be relied on waits for this.
        kinds: tuple[outbox.Kind, ...] = ("card", "return")
        for kind in kinds:
            outbox.tell(db, known.card_id, kind, known.severity_rank, new_id=new_id, now_ms=now_ms)


def silence_due_ms(db: Connection, *, silent_ms: int, not_before_ms: int) -> int | None:
    """Return when the silence is to be told unless a watchdog comes; None when there is nothing to wait for.

    Before the first watchdog nothing is missed: monitoring may not be set up. Nor is what was not heard before
    `not_before_ms`, the start of this program.
    """
    seen_ms = alerts.watchdog_seen_ms(db)
    return None if seen_ms is None or is_silent(db) else max(seen_ms, not_before_ms) + silent_ms


def miss(db: Connection, *, words: AlertWords, new_id: Callable[[], int], now_ms: int) -> None:
    """Tell the silence.

    Ends that came during it may be false: an Alertmanager that hears nothing from Prometheus calls its alerts resolved.
    """
    seen_ms = alerts.watchdog_seen_ms(db)
    if seen_ms is None or is_silent(db):
        return
    summary, description = words.silence(round((now_ms - seen_ms) / 1000))
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
