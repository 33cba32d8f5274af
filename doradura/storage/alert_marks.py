"""Queries on what admins have done about incidents: acknowledgements, and silences with their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doradura.storage.alerts import INCIDENT, Incident
from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """A silence of an incident. If `silence_id` is None, the silence was requested and not yet confirmed."""

    incident_id: int
    mark: str
    silence_id: str | None
    by_name: str
    until_ms: int


_SILENCE = Columns(Silence)


def incident(db: Connection, incident_id: int) -> Incident | None:
    """Return an incident by its id; None if there is none."""
    row = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE incident_id = ?",  # noqa: S608 - own text
        (incident_id,),
    ).fetchone()
    return None if row is None else INCIDENT.value(row)


def firing(db: Connection, limit: int, offset: int = 0) -> tuple[list[Incident], int]:
    """Return at most `limit` firing incidents, the worst and then the newest first, and the number of all of them."""
    rows = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE state = 'firing'"  # noqa: S608 - own text
        " ORDER BY severity_rank, incident_id DESC LIMIT ? OFFSET ?",
        (limit, offset),
    ).fetchall()
    total = db.execute("SELECT COUNT(*) FROM alert_incidents WHERE state = 'firing'").fetchone()[0]
    return [INCIDENT.value(row) for row in rows], int(total)


def acknowledge(db: Connection, incident_id: int, by_name: str, now_ms: int) -> bool:
    """Store who acknowledged an incident. Return False if somebody had acknowledged it already."""
    made = db.execute(
        "INSERT INTO alert_acknowledgements (incident_id, by_name, at_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (incident_id) DO NOTHING",
        (incident_id, by_name, now_ms),
    )
    return bool(made.rowcount)


def acknowledged(db: Connection, incident_id: int) -> tuple[str, int] | None:
    """Return who acknowledged an incident, and when in ms; None if nobody did."""
    row = db.execute(
        "SELECT by_name, at_ms FROM alert_acknowledgements WHERE incident_id = ?", (incident_id,)
    ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def forget_acknowledgement(db: Connection, incident_id: int) -> None:
    """Delete an incident's acknowledgement, because the incident fires again."""
    db.execute("DELETE FROM alert_acknowledgements WHERE incident_id = ?", (incident_id,))


def silence(db: Connection, incident_id: int) -> Silence | None:
    """Return the silence of an incident; None if it has none."""
    row = db.execute(
        f"SELECT {_SILENCE.listed} FROM alert_silences WHERE incident_id = ?",  # noqa: S608 - own text
        (incident_id,),
    ).fetchone()
    return None if row is None else _SILENCE.value(row)


def silences(db: Connection) -> list[Silence]:
    """Return all silences in the order of their ends."""
    rows = db.execute(f"SELECT {_SILENCE.listed} FROM alert_silences ORDER BY until_ms")  # noqa: S608 - own text
    return [_SILENCE.value(row) for row in rows]


def put_silence(db: Connection, found: Silence) -> None:
    """Store an incident's silence. It replaces an older one."""
    db.execute(
        f"INSERT INTO alert_silences ({_SILENCE.listed}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - own text
        " ON CONFLICT (incident_id) DO UPDATE SET mark = excluded.mark, silence_id = excluded.silence_id,"
        " by_name = excluded.by_name, until_ms = excluded.until_ms",
        [getattr(found, name) for name in _SILENCE.names],
    )
    db.touch(Topic.SILENCES)


def end_silence(db: Connection, incident_id: int, mark: str) -> bool:
    """Delete an incident's silence. Return False if the incident no longer has the silence with this mark."""
    gone = db.execute("DELETE FROM alert_silences WHERE incident_id = ? AND mark = ?", (incident_id, mark))
    if gone.rowcount:
        db.touch(Topic.SILENCES)
    return bool(gone.rowcount)


def drop_reminders(db: Connection, card_id: int) -> None:
    """Delete a card's waiting reminders, unless one of its firing incidents is not acknowledged."""
    db.execute(
        "DELETE FROM alert_outbox WHERE card_id = ? AND kind = 'reminder' AND NOT EXISTS ("
        " SELECT 1 FROM alert_incidents AS i WHERE i.card_id = alert_outbox.card_id AND i.state = 'firing'"
        " AND NOT EXISTS (SELECT 1 FROM alert_acknowledgements AS a WHERE a.incident_id = i.incident_id))",
        (card_id,),
    )


def firing_of(db: Connection, card_id: int) -> Sequence[int]:
    """Return the ids of a card's firing incidents."""
    rows = db.execute(
        "SELECT incident_id FROM alert_incidents WHERE card_id = ? AND state = 'firing' ORDER BY incident_id",
        (card_id,),
    )
    return [int(row[0]) for row in rows]
