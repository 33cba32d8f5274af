"""Notes: what the bot itself has to tell the admins, stored in the same transaction as its cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from doradura.storage import Connection, alerts, outbox
from doradura.storage.alerts import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for the admins: sent once to each chat, never held back, without an end."""

    alertname: str
    """The hashtag in the message's last line, such as PaymentFailures."""
    summary: str
    description: str = ""
    severity_rank: int = 0
    """0 is critical, 1 a warning, 2 anything else: one line without a sound."""


def add_note(db: Connection, note: Note, *, new_id: Callable[[], int], now_ms: int) -> int:
    """Put a note into the outbox of every target and return the id of its message (`card_id`).

    Call it inside a transaction, so that the note is stored if and only if its cause is. The outbox's topic wakes the
    delivery right after the commit.
    """
    return add_incident(
        db,
        Incident(
            incident_id=new_id(),
            card_id=new_id(),
            fingerprint="",
            state="note",
            severity_rank=note.severity_rank,
            alertname=note.alertname,
            summary=note.summary,
            description=note.description,
            since_ms=now_ms,
        ),
        new_id=new_id,
        now_ms=now_ms,
    )


def add_incident(db: Connection, incident: Incident, *, new_id: Callable[[], int], now_ms: int) -> int:
    """Store an incident with a message of its own and put it into every target's outbox. Return its `card_id`."""
    alerts.add_card(db, incident.card_id, now_ms)
    alerts.put(db, incident)
    outbox.tell(db, incident.card_id, "card", incident.severity_rank, new_id=new_id, now_ms=now_ms)
    return incident.card_id
