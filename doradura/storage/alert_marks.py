"""Queries on what admins have done about incidents: who acknowledged one, what is silenced until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from doradura.storage.alerts import INCIDENT, Incident
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


class Silence(NamedTuple):
    """A silence of an incident; one without `silence_id` was asked for, and Alertmanager's answer is not known."""

    incident_id: int
    mark: str
    silence_id: str | None
    by_name: str
    until_ms: int


_COLUMNS = ", ".join(Silence._fields)


def incident(db: Connection, incident_id: int) -> Incident | None:
    """Return one incident."""
    row = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE incident_id = ?",  # noqa: S608 - own text
        (incident_id,),
    ).fetchone()
    return None if row is None else INCIDENT.value(row)


def firing(db: Connection, limit: int, offset: int = 0) -> tuple[list[Incident], int]:
    """Return incidents that fire, the worst and then the newest first, and how many there are."""
    rows = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE state = 'firing'"  # noqa: S608 - own text
        " ORDER BY severity_rank, incident_id DESC LIMIT ? OFFSET ?",
        (limit, offset),
    ).fetchall()
    total = db.execute("SELECT COUNT(*) FROM alert_incidents WHERE state = 'firing'").fetchone()[0]
    return [INCIDENT.value(row) for row in rows], int(total)


def acknowledge(db: Connection, incident_id: int, by_name: str, now_ms: int) -> bool:
    """Note who takes an incident on; False when somebody had already."""
    made = db.execute(
        "INSERT INTO alert_acknowledgements (incident_id, by_name, at_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (incident_id) DO NOTHING",
        (incident_id, by_name, now_ms),
    )
    return bool(made.rowcount)


def acknowledged(db: Connection, incident_id: int) -> tuple[str, int] | None:
    """Return who acknowledged an incident, and when."""
    row = db.execute(
        "SELECT by_name, at_ms FROM alert_acknowledgements WHERE incident_id = ?", (incident_id,)
    ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def forget_acknowledgement(db: Connection, incident_id: int) -> None:
    """An incident fires anew: nobody has taken that on."""
    db.execute("DELETE FROM alert_acknowledgements WHERE incident_id = ?", (incident_id,))


def silence(db: Connection, incident_id: int) -> Silence | None:
    """Return the silence of an incident."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM alert_silences WHERE incident_id = ?",  # noqa: S608 - own text
        (incident_id,),
    ).fetchone()
    return None if row is None else Silence(*row)


def silences(db: Connection) -> list[Silence]:
    """Return every silence, the one that ends first first."""
    return [Silence(*row) for row in db.execute(f"SELECT {_COLUMNS} FROM alert_silences ORDER BY until_ms")]  # noqa: S608 - own text


def put_silence(db: Connection, found: Silence) -> None:
    """Store an incident's silence, in the place of an older one."""
    db.execute(
        f"INSERT INTO alert_silences ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - own text
        " ON CONFLICT (incident_id) DO UPDATE SET mark = excluded.mark, silence_id = excluded.silence_id,"
        " by_name = excluded.by_name, until_ms = excluded.until_ms",
        found,
    )
    db.touch(Topic.SILENCES)


def end_silence(db: Connection, incident_id: int, mark: str) -> bool:
    """Note that a silence is over; False when it was not the incident's any more."""
    gone = db.execute("DELETE FROM alert_silences WHERE incident_id = ? AND mark = ?", (incident_id, mark))
    if gone.rowcount:
        db.touch(Topic.SILENCES)
    return bool(gone.rowcount)


def drop_reminders(db: Connection, card_id: int) -> None:
    """Take back the reminders that wait for a card, unless something on it fires that nobody has acknowledged."""
    db.execute(
        "DELETE FROM alert_outbox WHERE card_id = ? AND kind = 'reminder' AND NOT EXISTS ("
        " SELECT 1 FROM alert_incidents AS i WHERE i.card_id = alert_outbox.card_id AND i.state = 'firing'"
        " AND NOT EXISTS (SELECT 1 FROM alert_acknowledgements AS a WHERE a.incident_id = i.incident_id))",
        (card_id,),
    )


def firing_of(db: Connection, card_id: int) -> Sequence[int]:
    """Return the incidents of a card that fire."""
    rows = db.execute(
        "SELECT incident_id FROM alert_incidents WHERE card_id = ? AND state = 'firing' ORDER BY incident_id",
        (card_id,),
    )
    return [int(row[0]) for row in rows]
