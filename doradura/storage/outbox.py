"""Queries on the alerts' outbox: the notifications that wait for each chat, and the messages that show the cards.

Only the current bot's messages count. Those of another bot, from before a change of token, can be neither edited nor
replied to, so their cards are sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from doradura.storage import chats
from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic

Kind = Literal["card", "reminder", "return"]
LONGEST_PUT_OFF_MS = 30_000
UNTOLD_BEFORE_MS = 24 * 3600 * 1000
"""If an incident ended within this time before the token was changed, the other bot may not have sent its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """One notification that waits for one target."""

    notice_id: int
    target_id: int
    chat_id: int
    topic_id: int
    card_id: int
    kind: Kind
    version: int
    stored_ms: int
    tries: int
    """The number of attempts without a known result. Each may have left a message whose id is not known."""
    refusals: int
    """How often Telegram refused its content in every form. Outages do not count."""
    message_id: int | None
    """The message that shows the card in the chat; None if there is none yet."""
    told_ms: int | None


_WAITING = Columns(Waiting)
"""The columns of `next_for`, in this order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A chat, or a topic of one, that alerts go to."""

    target_id: int
    chat_id: int
    topic_id: int
    """The forum topic; 0 for the chat itself."""
    fault: str | None
    """Why Telegram refuses messages to it; None if it does not."""

    @property
    def place(self) -> str:
        """The target as it is written in the settings."""
        return f"{self.chat_id}/{self.topic_id}" if self.topic_id else str(self.chat_id)


_TARGET = Columns(Target)


def set_targets(db: Connection, places: Iterable[tuple[int, int]], *, new_id: Callable[[], int]) -> list[Target]:
    """Make these chats and topics the targets and return them. What waits for any other target is deleted.

    The old id of a group that became a supergroup stands for its new id.
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
    """Return the active targets."""
    rows = db.execute(
        f"SELECT {_TARGET.listed} FROM alert_targets WHERE active = 1 ORDER BY chat_id, topic_id"  # noqa: S608 - own text
    )
    return [_TARGET.value(row) for row in rows]


def tell(
    db: Connection, card_id: int, kind: Kind, severity_rank: int, *, new_id: Callable[[], int], now_ms: int
) -> None:
    """Queue a notification about a card for every target. It is merged with one of the same kind that waits already.

    A reminder goes only to targets that have the card; for the others the card itself is still to come.
    """
    for target in targets(db):
        if kind != "reminder" or _is_shown(db, card_id, target.target_id):
            tell_target(
                db,
                target_id=target.target_id,
                card_id=card_id,
                kind=kind,
                severity_rank=severity_rank,
                notice_id=new_id(),
                now_ms=now_ms,
            )


def tell_target(
    db: Connection,
    *,
    target_id: int,
    card_id: int,
    kind: Kind,
    severity_rank: int,
    notice_id: int,
    now_ms: int,
) -> None:
    """Queue a notification about a card for one target. `notice_id` is its id if none of the same kind waits yet."""
    db.execute(
        "INSERT INTO alert_outbox (notice_id, target_id, card_id, kind, severity_rank, stored_ms, changed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target_id, card_id, kind) WHERE state <> 'failed' DO UPDATE SET"
        " version = alert_outbox.version + 1, changed_ms = excluded.changed_ms,"
        " severity_rank = CASE WHEN excluded.severity_rank < alert_outbox.severity_rank"
        " THEN excluded.severity_rank ELSE alert_outbox.severity_rank END",
        (notice_id, target_id, card_id, kind, severity_rank, now_ms, now_ms),
    )
    db.touch(Topic.OUTBOX)


def _is_shown(db: Connection, card_id: int, target_id: int) -> bool:
    found = db.execute(
        f"SELECT 1 FROM alert_messages WHERE card_id = ? AND target_id = ? AND bot_id = {CURRENT}",  # noqa: S608 - own text
        (card_id, target_id),
    ).fetchone()
    return found is not None


def has_message(db: Connection, card_id: int, target_id: int) -> bool:
    """Return whether a card is shown in a target's chat or waits to be sent there."""
    waits = db.execute(
        "SELECT 1 FROM alert_outbox WHERE card_id = ? AND target_id = ? AND kind = 'card' AND state <> 'failed'",
        (card_id, target_id),
    ).fetchone()
    return waits is not None or _is_shown(db, card_id, target_id)


def take_outdated(db: Connection) -> list[tuple[int, int, int]]:
    """Return (card, target, worst severity) of messages that are out of date because another bot was in use.

    These are the current bot's messages whose card fires, or has ended since. Each is returned by one call only.
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
    """Return a target's next notification: the most severe first, but those of one card in their order; None if none.

    No notification is postponed for longer than LONGEST_PUT_OFF_MS. One that seems to be was stored before the clock
    was set back, and is due.
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
    """Count an attempt before it is made, so that a start after a kill knows that a message may have been sent."""
    db.execute("UPDATE alert_outbox SET tries = tries + 1 WHERE notice_id = ?", (notice_id,))


def not_sent(db: Connection, notice_id: int) -> None:
    """Store that the last attempt sent no message, so that the next attempt can't send it twice."""
    db.execute("UPDATE alert_outbox SET tries = 0 WHERE notice_id = ?", (notice_id,))


def finish(db: Connection, told: Waiting) -> None:
    """Delete a delivered row; if the card changed meanwhile, keep the row for the newer version."""
    gone = db.execute("DELETE FROM alert_outbox WHERE notice_id = ? AND version = ?", (told.notice_id, told.version))
    if not gone.rowcount:
        db.execute(
            "UPDATE alert_outbox SET stored_ms = changed_ms, tries = 0, refusals = 0 WHERE notice_id = ?",
            (told.notice_id,),
        )


def put_message(db: Connection, told: Waiting, message_id: int, now_ms: int) -> None:
    """Store which message shows a card in a target's chat."""
    db.execute(
        "INSERT INTO alert_messages (card_id, target_id, message_id, told_ms, bot_id)"  # noqa: S608 - own text
        f" VALUES (?, ?, ?, ?, {CURRENT}) ON CONFLICT (card_id, target_id, bot_id)"
        " DO UPDATE SET message_id = excluded.message_id, told_ms = excluded.told_ms",
        (told.card_id, told.target_id, message_id, now_ms),
    )


def remember_ring(db: Connection, told: Waiting, now_ms: int) -> None:
    """Store when a target was last reminded of a card."""
    db.execute(
        f"UPDATE alert_messages SET told_ms = ? WHERE card_id = ? AND target_id = ? AND bot_id = {CURRENT}",  # noqa: S608 - own text
        (now_ms, told.card_id, told.target_id),
    )


def put_off(db: Connection, notice_id: int, until_ms: int, error: str) -> None:
    """Postpone a notification that Telegram refuses, and count the refusal. Others are sent before it."""
    db.execute(
        "UPDATE alert_outbox SET next_ms = ?, error = ?, refusals = refusals + 1 WHERE notice_id = ?",
        (until_ms, error, notice_id),
    )


def give_up(db: Connection, notice_id: int, error: str, now_ms: int) -> None:
    """Store that a notification was given up, and when."""
    db.execute(
        "UPDATE alert_outbox SET state = 'failed', error = ?, next_ms = ? WHERE notice_id = ?",
        (error, now_ms, notice_id),
    )


def given_up_since(db: Connection, since_ms: int) -> tuple[int, str]:
    """Return how many notifications were given up since then, and the error of the last one."""
    rows = db.execute(
        "SELECT error FROM alert_outbox WHERE state = 'failed' AND next_ms >= ? ORDER BY next_ms, notice_id",
        (since_ms,),
    ).fetchall()
    return len(rows), rows[-1][0] if rows else ""


def set_fault(db: Connection, target_id: int, fault: str, now_ms: int) -> None:
    """Store why Telegram refuses messages to a target, and park the notifications that wait for it."""
    db.execute(
        "UPDATE alert_targets SET fault = ?, fault_ms = COALESCE(fault_ms, ?), reopened = 0 WHERE target_id = ?",
        (fault, now_ms, target_id),
    )
    db.execute("UPDATE alert_outbox SET state = 'parked' WHERE target_id = ? AND state = 'waiting'", (target_id,))


def clear_fault(db: Connection, target_id: int) -> None:
    """Store that a target accepts messages, and let its parked notifications wait again."""
    db.execute("UPDATE alert_targets SET fault = NULL, fault_ms = NULL, reopened = 0 WHERE target_id = ?", (target_id,))
    unpark(db, target_id)


def unpark(db: Connection, target_id: int) -> None:
    """Let the parked notifications of a target wait again."""
    db.execute("UPDATE alert_outbox SET state = 'waiting' WHERE target_id = ? AND state = 'parked'", (target_id,))
    db.touch(Topic.OUTBOX)


def is_reopened(db: Connection, target_id: int) -> bool:
    """Return whether a refusing target should be tried again, since its chat was heard from."""
    row = db.execute("SELECT reopened FROM alert_targets WHERE target_id = ?", (target_id,)).fetchone()
    return row is not None and bool(row[0])


def forget_reopened(db: Connection, target_id: int) -> None:
    """Store that a reopened target is being tried."""
    db.execute("UPDATE alert_targets SET reopened = 0 WHERE target_id = ?", (target_id,))


# A parked notification counts as undelivered only while no target accepts messages; else somebody got it.
_UNDELIVERED = (
    " FROM alert_outbox WHERE state = 'waiting' OR (state = 'parked'"
    " AND NOT EXISTS (SELECT 1 FROM alert_targets WHERE active = 1 AND fault IS NULL))"
)


def depth(db: Connection) -> int:
    """Return the number of undelivered notifications."""
    return int(db.execute(f"SELECT COUNT(*){_UNDELIVERED}").fetchone()[0])


def oldest_ms(db: Connection) -> int | None:
    """Return when the oldest undelivered notification was stored, in ms; None if there is none."""
    found = db.execute(f"SELECT MIN(stored_ms){_UNDELIVERED}").fetchone()[0]
    return None if found is None else int(found)
