"""Queries on what Alertmanager's own list says of incidents, and on firing notices that wait for its word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


class Watched(NamedTuple):
    """An open incident, and what was seen of it."""

    incident_id: int
    fingerprint: str
    source_ms: int | None
    """The start of the Alertmanager whose list had it last; None when none ever had it."""
    missing_ms: int
    loose: int
    """1: nothing proves that it fires, or that it ended."""


class Doubt(NamedTuple):
    """A firing notice that came so soon after the end that it may be older than it."""

    incident_id: int
    notice: str
    due_ms: int


_WATCHED = (
    "SELECT i.incident_id, i.fingerprint, s.source_ms, COALESCE(s.missing_ms, 0), COALESCE(s.loose, 0)"
    " FROM alert_incidents AS i LEFT JOIN alert_sightings AS s ON s.incident_id = i.incident_id"
)


def watched(db: Connection) -> list[Watched]:
    """Return every incident that fires."""
    return [Watched(*row) for row in db.execute(f"{_WATCHED} WHERE i.state = 'firing' ORDER BY i.incident_id")]


def watched_one(db: Connection, incident_id: int) -> Watched | None:
    """Return what was seen of one incident, firing or not."""
    row = db.execute(f"{_WATCHED} WHERE i.incident_id = ?", (incident_id,)).fetchone()
    return None if row is None else Watched(*row)


def put(db: Connection, rows: Iterable[Watched]) -> None:
    """Store what was seen."""
    for row in rows:
        db.execute(
            "INSERT INTO alert_sightings (incident_id, source_ms, missing_ms, loose) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (incident_id) DO UPDATE SET source_ms = excluded.source_ms, missing_ms = excluded.missing_ms,"
            " loose = excluded.loose",
            (row.incident_id, row.source_ms, row.missing_ms, row.loose),
        )


def loosen(db: Connection, incident_id: int) -> None:
    """Note that no Alertmanager will ever list an incident."""
    put(db, [Watched(incident_id, "", None, 0, 1)])


def heard(db: Connection, incident_id: int) -> None:
    """Note that a notice says that an incident fires: the time it is missing for begins anew."""
    db.execute("UPDATE alert_sightings SET missing_ms = 0 WHERE incident_id = ? AND missing_ms <> 0", (incident_id,))


def sources(db: Connection) -> dict[int, int]:
    """Return each known Alertmanager's start -> when it last answered, by its own clock."""
    return {row[0]: row[1] for row in db.execute("SELECT started_ms, answered_ms FROM alert_sources")}


def answered(db: Connection, started_ms: int, answered_ms: int) -> None:
    """Note that an Alertmanager answered; forget those that no incident was seen at."""
    db.execute(
        "INSERT INTO alert_sources (started_ms, answered_ms) VALUES (?, ?)"
        " ON CONFLICT (started_ms) DO UPDATE SET answered_ms = excluded.answered_ms",
        (started_ms, answered_ms),
    )
    db.execute(
        "DELETE FROM alert_sources WHERE started_ms <> ? AND NOT EXISTS"
        " (SELECT 1 FROM alert_sightings AS s WHERE s.source_ms = alert_sources.started_ms)",
        (started_ms,),
    )


def doubt(db: Connection, doubted: Doubt) -> None:
    """Store a firing notice until it is decided; a later one takes its place, but keeps its time."""
    db.execute(
        "INSERT INTO alert_doubts (incident_id, notice, due_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (incident_id) DO UPDATE SET notice = excluded.notice",
        doubted,
    )
    db.touch(Topic.INCIDENTS)


def doubts(db: Connection) -> list[Doubt]:
    """Return the firing notices that are not decided yet."""
    return [
        Doubt(*row) for row in db.execute("SELECT incident_id, notice, due_ms FROM alert_doubts ORDER BY incident_id")
    ]


def forget_doubt(db: Connection, incident_id: int) -> None:
    """A firing notice is decided."""
    db.execute("DELETE FROM alert_doubts WHERE incident_id = ?", (incident_id,))
