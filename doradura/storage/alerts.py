"""Queries on incidents and the cards that show them: which fire, which ended, and when admins were notified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.states import IncidentState
from doradura.storage.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """An alert from its first notice to its end. One in state `note` is a sentence of the bot's own, without an end."""

    incident_id: int
    card_id: int
    fingerprint: str
    state: IncidentState
    severity_rank: int
    alertname: str
    summary: str
    description: str
    since_ms: int
    instance: str = ""
    runbook: str = ""
    starts: str = ""
    remind_ms: int | None = None
    fired: int = 1
    ended_ms: int | None = None
    closed_ms: int | None = None
    doubtful: int = 0
    labels: str = ""
    """The exact labels as JSON, for a silence; empty if they are too many or not all of them are strings."""
    generator: str = ""
    """The generatorURL of the alert, where Prometheus shows its expression."""
    ending: str = ""
    """How it ended without a notice: `unheard` (Alertmanager no longer lists it) or `dismissed` (by an admin)."""
    dismissed_by: str = ""
    first_ms: int | None = None
    """When it first fired, if it has fired several times in this message."""
    unrung: int = 0
    """1 if it fires again and no message with a sound has been sent for that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What admins have done about an incident, as its message shows it."""

    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    silenced_by: str | None = None
    silenced_until_ms: int | None = None
    loose: int = 0
    """1 if nothing shows whether it still fires or has ended, so that admins may dismiss it."""


UNMARKED = Marks()
_MARKED = Columns(Marks)
QUIET_RANK = 2
INCIDENT = Columns(Incident)
_MARKS = ", ".join("?" * len(INCIDENT.names))


def note_seen(db: Connection, key: tuple[str, str, str, str], now_ms: int) -> bool:
    """Store that a notice arrived. Return whether it had arrived before.

    `key` is the notice's group, fingerprint, startsAt and status.
    """
    known = db.execute(
        "UPDATE alert_seen SET last_ms = ? WHERE group_key = ? AND fingerprint = ? AND starts = ? AND status = ?",
        (now_ms, *key),
    )
    if known.rowcount:
        return True
    db.execute(
        "INSERT INTO alert_seen (group_key, fingerprint, starts, status, last_ms) VALUES (?, ?, ?, ?, ?)",
        (*key, now_ms),
    )
    return False


def latest(db: Connection, fingerprint: str) -> Incident | None:
    """Return the open incident of a fingerprint, or else the one with the greatest id; None if there is none.

    The open one comes first, because a clock that was set back can have given an older incident a greater id.
    """
    row = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE fingerprint = ?"  # noqa: S608 - own text
        " ORDER BY CASE state WHEN 'firing' THEN 0 ELSE 1 END, incident_id DESC LIMIT 1",
        (fingerprint,),
    ).fetchone()
    return None if row is None else INCIDENT.value(row)


def add_card(db: Connection, card_id: int, now_ms: int) -> None:
    """Store a card that is still to be sent."""
    db.execute("INSERT INTO alert_cards (card_id, told_ms) VALUES (?, ?)", (card_id, now_ms))


def told_ms(db: Connection, card_id: int) -> int:
    """Return when a card was last sent with a sound, in ms; 0 if there is no such card."""
    row = db.execute("SELECT told_ms FROM alert_cards WHERE card_id = ?", (card_id,)).fetchone()
    return 0 if row is None else int(row[0])


def set_told(db: Connection, card_id: int, now_ms: int) -> None:
    """Store that a card is sent with a sound now, which covers all of its firing incidents."""
    db.execute("UPDATE alert_cards SET told_ms = ? WHERE card_id = ?", (now_ms, card_id))
    db.execute("UPDATE alert_incidents SET unrung = 0 WHERE card_id = ? AND unrung = 1", (card_id,))


def unrung(db: Connection) -> list[tuple[Incident, int]]:
    """Return the incidents that fire again without a sound so far, each with the time of its card's last sound in ms.

    Acknowledged incidents are left out.
    """
    rows = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE unrung = 1 AND state = 'firing'"  # noqa: S608 - own text
        " AND NOT EXISTS (SELECT 1 FROM alert_acknowledgements AS a WHERE a.incident_id = alert_incidents.incident_id)"
        " ORDER BY severity_rank, incident_id"
    ).fetchall()
    return [(incident, told_ms(db, incident.card_id)) for incident in (INCIDENT.value(row) for row in rows)]


def truncated(db: Connection, card_id: int) -> int:
    """Return how many alerts Alertmanager left out of a card's payload."""
    row = db.execute("SELECT truncated FROM alert_cards WHERE card_id = ?", (card_id,)).fetchone()
    return 0 if row is None else int(row[0])


def set_truncated(db: Connection, card_id: int, count: int) -> None:
    """Store how many alerts Alertmanager left out of a card's payload."""
    db.execute("UPDATE alert_cards SET truncated = ? WHERE card_id = ?", (count, card_id))


def put(db: Connection, incident: Incident) -> None:
    """Store an incident. It replaces the stored one with the same id."""
    if incident.state == "firing" and not _is_firing(db, incident.incident_id):
        db.touch(Topic.INCIDENTS)
    changed = ", ".join(f"{name} = excluded.{name}" for name in INCIDENT.names[1:])
    db.execute(
        f"INSERT INTO alert_incidents ({INCIDENT.listed}) VALUES ({_MARKS})"  # noqa: S608 - own text
        f" ON CONFLICT (incident_id) DO UPDATE SET {changed}",
        [getattr(incident, name) for name in INCIDENT.names],
    )


def _is_firing(db: Connection, incident_id: int) -> bool:
    row = db.execute("SELECT state FROM alert_incidents WHERE incident_id = ?", (incident_id,)).fetchone()
    return row is not None and bool(row[0] == "firing")


@dataclass(frozen=True, kw_only=True, slots=True)
class CardView:
    """What a card shows: its first incidents, firing ones first and the worst of them first, and how many there are."""

    incidents: Sequence[Incident]
    total: int
    firing: int
    marks: Mapping[int, Marks] = field(default_factory=dict)
    truncated: int = 0
    """How many alerts Alertmanager left out of the payload."""

    @property
    def is_quiet(self) -> bool:
        """Whether the card is only a note that nobody has to act on."""
        return self.total == 1 and self.incidents[0].state == "note" and self.incidents[0].severity_rank == QUIET_RANK

    def marks_of(self, incident: Incident) -> Marks:
        """Return what admins have done about one of its incidents."""
        return self.marks.get(incident.incident_id, UNMARKED)


def view(db: Connection, card_id: int, limit: int) -> CardView:
    """Return what a card shows, with at most `limit` incidents."""
    rows = db.execute(
        f"SELECT {INCIDENT.listed} FROM alert_incidents WHERE card_id = ?"  # noqa: S608 - own text
        " ORDER BY CASE state WHEN 'firing' THEN 0 ELSE 1 END, severity_rank, incident_id LIMIT ?",
        (card_id, limit),
    ).fetchall()
    total, firing = db.execute(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE state WHEN 'firing' THEN 1 ELSE 0 END), 0) AS BIGINT)"
        " FROM alert_incidents WHERE card_id = ?",
        (card_id,),
    ).fetchone()
    return CardView(
        incidents=[INCIDENT.value(row) for row in rows],
        total=int(total),
        firing=int(firing),
        marks=marks(db, card_id),
        truncated=truncated(db, card_id),
    )


def marks(db: Connection, card_id: int) -> dict[int, Marks]:
    """Return incident -> what admins have done about it, without the incidents about which they have done nothing."""
    rows = db.execute(
        "SELECT i.incident_id, a.by_name, a.at_ms, s.by_name, s.until_ms, COALESCE(g.loose, 0)"
        " FROM alert_incidents AS i"
        " LEFT JOIN alert_acknowledgements AS a ON a.incident_id = i.incident_id"
        " LEFT JOIN alert_silences AS s ON s.incident_id = i.incident_id AND s.silence_id IS NOT NULL"
        " LEFT JOIN alert_sightings AS g ON g.incident_id = i.incident_id AND g.loose = 1"
        " WHERE i.card_id = ?"
        " AND (a.incident_id IS NOT NULL OR s.incident_id IS NOT NULL OR g.incident_id IS NOT NULL)",
        (card_id,),
    )
    return {int(row[0]): _MARKED.value(row[1:]) for row in rows}


def doubt_ends_since(db: Connection, since_ms: int) -> list[tuple[int, int]]:
    """Mark the incidents that were resolved since then as doubtful; return (card, worst severity) of their cards."""
    rows = db.execute(
        "UPDATE alert_incidents SET doubtful = 1 WHERE state = 'resolved' AND closed_ms >= ? AND doubtful = 0"
        " RETURNING card_id, severity_rank",
        (since_ms,),
    ).fetchall()
    worst: dict[int, int] = {}
    for card_id, rank in rows:
        worst[card_id] = min(rank, worst.get(card_id, rank))
    return sorted(worst.items())


def open_cards(db: Connection) -> list[tuple[int, int]]:
    """Return (card, worst severity) of the cards with a firing incident."""
    return [
        (row[0], row[1])
        for row in db.execute(
            "SELECT card_id, MIN(severity_rank) FROM alert_incidents WHERE state = 'firing'"
            " GROUP BY card_id ORDER BY card_id"
        )
    ]


def watchdog_seen_ms(db: Connection) -> int | None:
    """Return when the last watchdog arrived, in ms; None if none is expected."""
    row = db.execute("SELECT seen_ms FROM alert_watchdog").fetchone()
    return None if row is None else int(row[0])


def see_watchdog(db: Connection, now_ms: int) -> None:
    """Store that a watchdog arrived."""
    db.execute(
        "INSERT INTO alert_watchdog (one, seen_ms) VALUES (1, ?)"
        " ON CONFLICT (one) DO UPDATE SET seen_ms = excluded.seen_ms",
        (now_ms,),
    )


def forget_watchdog(db: Connection) -> None:
    """Expect no watchdog until the next one arrives."""
    db.execute("DELETE FROM alert_watchdog")


def forget_old(db: Connection, before_ms: int, limit: int = 1000) -> int:
    """Delete at most `limit` cards whose incidents all ended before then. Return how many cards and notices went."""
    cards = [
        row[0]
        for row in db.execute(
            "SELECT card_id FROM alert_incidents GROUP BY card_id"
            " HAVING MAX(CASE WHEN state = 'firing' THEN 1 ELSE 0 END) = 0 AND MAX(COALESCE(closed_ms, since_ms)) < ?"
            " LIMIT ?",
            (before_ms, limit),
        )
    ]
    for card_id in cards:
        for table in ("alert_acknowledgements", "alert_silences", "alert_sightings", "alert_doubts"):
            db.execute(
                f"DELETE FROM {table} WHERE incident_id IN"  # noqa: S608 - own names
                " (SELECT incident_id FROM alert_incidents WHERE card_id = ?)",
                (card_id,),
            )
        for table in ("alert_outbox", "alert_messages", "alert_incidents", "alert_cards"):
            db.execute(f"DELETE FROM {table} WHERE card_id = ?", (card_id,))  # noqa: S608 - own names
    seen = db.execute(
        "DELETE FROM alert_seen WHERE last_ms < ? AND NOT EXISTS (SELECT 1 FROM alert_incidents"
        " WHERE alert_incidents.fingerprint = alert_seen.fingerprint)",
        (before_ms,),
    )
    return len(cards) + seen.rowcount
