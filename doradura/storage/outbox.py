"""Queries on the alerts' outbox: what each chat is to be told still, and where it stands there.

Where it stands means the current bot's messages: another bot's, from before a change of token, are neither edited nor
replied to, and what they show is told anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from doradura.storage import chats
from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic

Kind = Literal["card", "reminder", "return"]
LONGEST_PUT_OFF_MS = 30_000
UNTOLD_BEFORE_MS = 24 * 3600 * 1000
"""What ended within so long before a bot's token was changed may not have been told by that bot any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """One thing to tell one chat, or one topic of it."""

    notice_id: int
    target_id: int
    chat_id: int
    topic_id: int
    card_id: int
    kind: Kind
    version: int
    stored_ms: int
    tries: int
    """Sendings begun whose end is not known: a message may stand in the chat that we know nothing of."""
    refusals: int
    """How often it could not be told in any form, for what it is; outages are not among them."""
    message_id: int | None
    """Where the card stands in the chat."""
    told_ms: int | None


_WAITING = Columns(Waiting)
"""What `next_for` asks for, in this order."""


class Target(NamedTuple):
    """A chat, or a topic of one, that alerts go to."""

    target_id: int
    chat_id: int
    topic_id: int
    """0 for the chat itself."""
    fault: str | None
    """Why Telegram refuses to write there."""

    @property
    def place(self) -> str:
        """The chat as the settings write it."""
        return f"{self.chat_id}/{self.topic_id}" if self.topic_id else str(self.chat_id)


def set_targets(db: Connection, places: Iterable[tuple[int, int]], *, new_id: Callable[[], int]) -> list[Target]:
    """Take over which chats and topics are told and return them; what waited for any other is dropped.

    A group that became a supergroup is meant by its old id too.
    """
    moved = chats.migrations(db)
    wanted = dict.fromkeys((moved.get(chat_id, chat_id), topic_id) for chat_id, topic_id in places)
    known = {(row[0], row[1]): row[2] for row in db.execute("SELECT chat_id, topic_id, target_id FROM alert_targets")}
    for place, target_id in known.items():
        db.execute("UPDATE alert_targets SET active = ? WHERE target_id = ?", (int(place in wanted), target_id))
        if place not in wanted:
            db.execute("DELETE FROM alert_outbox WHERE target_id = ?", (target_id,))
    for place in wanted:
        if place not in known:
            db.execute("INSERT INTO alert_targets (target_id, chat_id, topic_id) VALUES (?, ?, ?)", (new_id(), *place))
    return targets(db)


def targets(db: Connection) -> list[Target]:
    """Return every target that is told."""
    rows = db.execute(
        "SELECT target_id, chat_id, topic_id, fault FROM alert_targets WHERE active = 1 ORDER BY chat_id, topic_id"
    )
    return [Target(*row) for row in rows]


def tell(
    db: Connection, card_id: int, kind: Kind, severity_rank: int, *, new_id: Callable[[], int], now_ms: int
) -> None:
    """Let every target be told of a card; what waits for it already is told with it.

    A reminder is for those who were told: to the others the card itself is news still.
    """
    for target in targets(db):
        if kind != "reminder" or _is_shown(db, card_id, target.target_id):
            tell_target(db, (new_id(), target.target_id, card_id, kind, severity_rank), now_ms)


def tell_target(db: Connection, row: tuple[int, int, int, Kind, int], now_ms: int) -> None:
    """Let one target be told of a card: a row's id, target, card, kind and severity."""
    db.execute(
        "INSERT INTO alert_outbox (notice_id, target_id, card_id, kind, severity_rank, stored_ms, changed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target_id, card_id, kind) WHERE state <> 'failed' DO UPDATE SET"
        " version = alert_outbox.version + 1, changed_ms = excluded.changed_ms,"
        " severity_rank = CASE WHEN excluded.severity_rank < alert_outbox.severity_rank"
        " THEN excluded.severity_rank ELSE alert_outbox.severity_rank END",
        (*row, now_ms, now_ms),
    )
    db.touch(Topic.OUTBOX)


def _is_shown(db: Connection, card_id: int, target_id: int) -> bool:
    found = db.execute(
        f"SELECT 1 FROM alert_messages WHERE card_id = ? AND target_id = ? AND bot_id = {CURRENT}",  # noqa: S608 - own text
        (card_id, target_id),
    ).fetchone()
    return found is not None


def has_message(db: Connection, card_id: int, target_id: int) -> bool:
    """Whether a card stands in a target's chat, or waits to."""
    waits = db.execute(
        "SELECT 1 FROM alert_outbox WHERE card_id = ? AND target_id = ? AND kind = 'card' AND state <> 'failed'",
        (card_id, target_id),
    ).fetchone()
    return waits is not None or _is_shown(db, card_id, target_id)


def take_outdated(db: Connection) -> list[tuple[int, int, int]]:
    """Return (card, target, worst severity) of the current bot's messages that changed while another bot was in use.

    Those whose card fires, or ended since. Given once.
    """
    rows = db.execute(
        "SELECT m.card_id, m.target_id, MIN(i.severity_rank) FROM alert_messages AS m"  # noqa: S608 - own text
        " JOIN alert_incidents AS i ON i.card_id = m.card_id"
        f" WHERE m.bot_id = {CURRENT} AND m.left_ms IS NOT NULL"
        " AND (i.state = 'firing' OR i.closed_ms >= m.left_ms - ?)"
        " GROUP BY m.card_id, m.target_id ORDER BY m.card_id, m.target_id",
        (UNTOLD_BEFORE_MS,),
    ).fetchall()
    db.execute(f"UPDATE alert_messages SET left_ms = NULL WHERE bot_id = {CURRENT} AND left_ms IS NOT NULL")  # noqa: S608 - own text
    return [(int(row[0]), int(row[1]), int(row[2])) for row in rows]


def next_for(db: Connection, target_id: int, now_ms: int) -> Waiting | None:
    """Return what a target is to be told next: the worst first, but a card's own in their order.

    Nothing is put off for longer than LONGEST_PUT_OFF_MS: what seems to be was stored before the clock went back.
    """
    row = db.execute(
        "SELECT o.notice_id, o.target_id, t.chat_id, t.topic_id, o.card_id, o.kind, o.version, o.stored_ms, o.tries,"  # noqa: S608 - own text
        " o.refusals, m.message_id, m.told_ms"
        " FROM alert_outbox AS o JOIN alert_targets AS t ON t.target_id = o.target_id"
        " LEFT JOIN alert_messages AS m"
        f" ON m.card_id = o.card_id AND m.target_id = o.target_id AND m.bot_id = {CURRENT}"
        " WHERE o.target_id = ? AND o.state = 'waiting' AND o.next_ms NOT BETWEEN ? AND ? AND NOT EXISTS ("
        " SELECT 1 FROM alert_outbox AS e WHERE e.target_id = o.target_id AND e.card_id = o.card_id"
        " AND e.state <> 'failed' AND e.notice_id < o.notice_id)"
        " ORDER BY o.severity_rank, o.notice_id LIMIT 1",
        (target_id, now_ms + 1, now_ms + LONGEST_PUT_OFF_MS),
    ).fetchone()
    return None if row is None else _WAITING.value(row)


def begin(db: Connection, notice_id: int) -> None:
    """Note before a sending that it is tried: after a kill that is how a repeat is known."""
    db.execute("UPDATE alert_outbox SET tries = tries + 1 WHERE notice_id = ?", (notice_id,))


def not_sent(db: Connection, notice_id: int) -> None:
    """Note that a sending left no message: the next one repeats nothing."""
    db.execute("UPDATE alert_outbox SET tries = 0 WHERE notice_id = ?", (notice_id,))


def finish(db: Connection, told: Waiting) -> None:
    """Take away what was told; what changed meanwhile waits on as of its change."""
    gone = db.execute("DELETE FROM alert_outbox WHERE notice_id = ? AND version = ?", (told.notice_id, told.version))
    if not gone.rowcount:
        db.execute(
            "UPDATE alert_outbox SET stored_ms = changed_ms, tries = 0, refusals = 0 WHERE notice_id = ?",
            (told.notice_id,),
        )


def put_message(db: Connection, told: Waiting, message_id: int, now_ms: int) -> None:
    """Note where a card stands in a target's chat."""
    db.execute(
        "INSERT INTO alert_messages (card_id, target_id, message_id, told_ms, bot_id)"  # noqa: S608 - own text
        f" VALUES (?, ?, ?, ?, {CURRENT}) ON CONFLICT (card_id, target_id, bot_id)"
        " DO UPDATE SET message_id = excluded.message_id, told_ms = excluded.told_ms",
        (told.card_id, told.target_id, message_id, now_ms),
    )


def remember_ring(db: Connection, told: Waiting, now_ms: int) -> None:
    """Note that a target was reminded of a card."""
    db.execute(
        f"UPDATE alert_messages SET told_ms = ? WHERE card_id = ? AND target_id = ? AND bot_id = {CURRENT}",  # noqa: S608 - own text
        (now_ms, told.card_id, told.target_id),
    )


def put_off(db: Connection, notice_id: int, until_ms: int, error: str) -> None:
    """Leave one bad notice for later, and count that; the others go by."""
    db.execute(
        "UPDATE alert_outbox SET next_ms = ?, error = ?, refusals = refusals + 1 WHERE notice_id = ?",
        (until_ms, error, notice_id),
    )


def give_up(db: Connection, notice_id: int, error: str, now_ms: int) -> None:
    """Note that something can't be told at all, and when that was found."""
    db.execute(
        "UPDATE alert_outbox SET state = 'failed', error = ?, next_ms = ? WHERE notice_id = ?",
        (error, now_ms, notice_id),
    )


def given_up_since(db: Connection, since_ms: int) -> tuple[int, str]:
    """Return how many notices were given up since then, and why the last one was."""
    rows = db.execute(
        "SELECT error FROM alert_outbox WHERE state = 'failed' AND next_ms >= ? ORDER BY next_ms, notice_id",
        (since_ms,),
    ).fetchall()
    return len(rows), rows[-1][0] if rows else ""


def set_fault(db: Connection, target_id: int, fault: str, now_ms: int) -> None:
    """Note that Telegram refuses to write to a target; what waits for it is parked."""
    db.execute(
        "UPDATE alert_targets SET fault = ?, fault_ms = COALESCE(fault_ms, ?), reopened = 0 WHERE target_id = ?",
        (fault, now_ms, target_id),
    )
    db.execute("UPDATE alert_outbox SET state = 'parked' WHERE target_id = ? AND state = 'waiting'", (target_id,))


def clear_fault(db: Connection, target_id: int) -> None:
    """Note that a target can be written to; what was parked for it waits again."""
    db.execute("UPDATE alert_targets SET fault = NULL, fault_ms = NULL, reopened = 0 WHERE target_id = ?", (target_id,))
    unpark(db, target_id)


def unpark(db: Connection, target_id: int) -> None:
    """Let what was parked for a target be tried again."""
    db.execute("UPDATE alert_outbox SET state = 'waiting' WHERE target_id = ? AND state = 'parked'", (target_id,))
    db.touch(Topic.OUTBOX)


def is_reopened(db: Connection, target_id: int) -> bool:
    """Whether a target that refused was heard of since, and is to be tried again."""
    row = db.execute("SELECT reopened FROM alert_targets WHERE target_id = ?", (target_id,)).fetchone()
    return row is not None and bool(row[0])


def forget_reopened(db: Connection, target_id: int) -> None:
    """A target that was heard of is being tried."""
    db.execute("UPDATE alert_targets SET reopened = 0 WHERE target_id = ?", (target_id,))


# What is parked for one chat while another was told is not undelivered; while nobody can be told, all of it is.
_UNDELIVERED = (
    " FROM alert_outbox WHERE state = 'waiting' OR (state = 'parked'"
    " AND NOT EXISTS (SELECT 1 FROM alert_targets WHERE active = 1 AND fault IS NULL))"
)


def depth(db: Connection) -> int:
    """Return how many notices are not delivered yet."""
    return int(db.execute(f"SELECT COUNT(*){_UNDELIVERED}").fetchone()[0])


def oldest_ms(db: Connection) -> int | None:
    """Return when the oldest notice that is not delivered was stored."""
    found = db.execute(f"SELECT MIN(stored_ms){_UNDELIVERED}").fetchone()[0]
    return None if found is None else int(found)
