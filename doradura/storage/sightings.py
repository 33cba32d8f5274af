"""Queries on what Alertmanager's own list says about incidents, and on firing notices that are still in doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """An incident, and what Alertmanager's lists said about it."""

    incident_id: int
    fingerprint: str
    source_ms: int | None
    """The start in ms of the Alertmanager whose list had it last; None if no list has had it."""
    missing_ms: int
    loose: int
    """1 if nothing shows whether it still fires or has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """A firing notice that arrived so soon after its incident's end that it may have been sent before the end."""

    incident_id: int
    notice: str
    due_ms: int


_WATCHED = Columns(Watched)
_DOUBT = Columns(Doubt)
_SEEN = (
    "SELECT i.incident_id, i.fingerprint, s.source_ms, COALESCE(s.missing_ms, 0), COALESCE(s.loose, 0)"
    " FROM alert_incidents AS i LEFT JOIN alert_sightings AS s ON s.incident_id = i.incident_id"
)


def watched(db: Connection) -> list[Watched]:
    """Return all firing incidents."""
    rows = db.execute(f"{_SEEN} WHERE i.state = 'firing' ORDER BY i.incident_id")
    return [_WATCHED.value(row) for row in rows]


def watched_one(db: Connection, incident_id: int) -> Watched | None:
    """Return one incident, firing or not; None if there is none with this id."""
    row = db.execute(f"{_SEEN} WHERE i.incident_id = ?", (incident_id,)).fetchone()
    return None if row is None else _WATCHED.value(row)


def put(db: Connection, rows: Iterable[Watched]) -> None:
    """Store what Alertmanager's list said about incidents."""
    for row in rows:
        db.execute(
            "INSERT INTO alert_sightings (incident_id, source_ms, missing_ms, loose) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (incident_id) DO UPDATE SET source_ms = excluded.source_ms, missing_ms = excluded.missing_ms,"
            " loose = excluded.loose",
            (row.incident_id, row.source_ms, row.missing_ms, row.loose),
        )


def loosen(db: Connection, incident_id: int) -> None:
    """Store that no Alertmanager will list an incident again."""
    put(db, [Watched(incident_id=incident_id, fingerprint="", source_ms=None, missing_ms=0, loose=1)])


def heard(db: Connection, incident_id: int) -> None:
    """Store that a notice reported an incident as firing, so that the time for which it is missing starts again."""
    db.execute("UPDATE alert_sightings SET missing_ms = 0 WHERE incident_id = ? AND missing_ms <> 0", (incident_id,))


def sources(db: Connection) -> dict[int, int]:
    """Return the start of each known Alertmanager -> when it last answered, both in ms of its own clock."""
    return {row[0]: row[1] for row in db.execute("SELECT started_ms, answered_ms FROM alert_sources")}


def answered(db: Connection, started_ms: int, answered_ms: int) -> None:
    """Store that an Alertmanager answered, and delete others whose list has no incident."""
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
    """Store a firing notice that is in doubt. A later one of the same incident replaces it, but keeps its due time."""
    db.execute(
        "INSERT INTO alert_doubts (incident_id, notice, due_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (incident_id) DO UPDATE SET notice = excluded.notice",
        (doubted.incident_id, doubted.notice, doubted.due_ms),
    )
    db.touch(Topic.INCIDENTS)


def doubts(db: Connection) -> list[Doubt]:
    """Return the firing notices that are still in doubt."""
    rows = db.execute(f"SELECT {_DOUBT.listed} FROM alert_doubts ORDER BY incident_id")  # noqa: S608 - own text
    return [_DOUBT.value(row) for row in rows]


def forget_doubt(db: Connection, incident_id: int) -> None:
    """Delete an incident's notice in doubt, because it was decided."""
    db.execute("DELETE FROM alert_doubts WHERE incident_id = ?", (incident_id,))
