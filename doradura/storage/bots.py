"""Whose token the database is used with, and what becomes of another bot's ids when that changes.

Message ids, update ids, menus and refusals to be written to belong to a bot; links, people, incidents and money do not.
So after a change of token work goes on and is told anew, in the new bot's own messages; what is the first bot's alone
(its waiting updates, its messages of alerts, its menus) waits untouched until its token comes back.
"""

from __future__ import annotations

from doradura.storage.seam import Connection
from doradura.storage.states import UNFINISHED

CURRENT = "COALESCE((SELECT bot_id FROM current_bot), 0)"
"""In a query: the bot whose ids are ours. 0 until `take_over` was called, as in a database of before there were two."""

UNFINISHED_JOBS = f"(state IN {UNFINISHED} OR told = 0)"
SUPERGROUPS_BELOW = -1_000_000_000_000
"""The messages of a supergroup have one id for all its members; those of any other chat have one for each of them."""

_OF_A_BOT = ("jobs", "offers", "inbox", "alert_messages", "admin_menus")


def take_over(db: Connection, bot_id: int, now_ms: int) -> int | None:
    """Make the database this bot's. Return the bot it was before, None where that is the same or not known.

    In one transaction at the start, before anything reads a message's id.
    """
    row = db.execute("SELECT bot_id FROM current_bot").fetchone()
    db.execute(
        "INSERT INTO current_bot (one, bot_id) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET bot_id = excluded.bot_id",
        (bot_id,),
    )
    if row is None:
        for table in _OF_A_BOT:
            db.execute(f"UPDATE {table} SET bot_id = ? WHERE bot_id = 0", (bot_id,))  # noqa: S608 - own names
        return None
    if row[0] == bot_id:
        return None
    _take_work(db, bot_id)
    _take_alerts(db, bot_id, now_ms)
    # Who blocked that bot has not blocked this one.
    db.execute("UPDATE users SET blocked_ms = NULL WHERE blocked_ms IS NOT NULL")
    return int(row[0])


def _take_work(db: Connection, bot_id: int) -> None:
    """Let unfinished work go on without the messages it has in the other bot's chats."""
    for table, maybe_sent, unfinished in (
        ("jobs", ", maybe_sent = 0", UNFINISHED_JOBS),
        ("offers", "", "state IN ('new', 'shown')"),
    ):
        db.execute(
            f"UPDATE {table} SET bot_id = ?, message_id = NULL{maybe_sent},"  # noqa: S608 - own text
            " reply_to = CASE WHEN chat_id < ? THEN reply_to ELSE NULL END"
            f" WHERE bot_id <> ? AND {unfinished}",
            (bot_id, SUPERGROUPS_BELOW, bot_id),
        )


def _take_alerts(db: Connection, bot_id: int, now_ms: int) -> None:
    """Let every chat be told by this bot; whether it may write there is not known yet."""
    db.execute("UPDATE alert_messages SET left_ms = ? WHERE bot_id <> ? AND left_ms IS NULL", (now_ms, bot_id))
    db.execute("UPDATE alert_targets SET fault = NULL, fault_ms = NULL")
    db.execute("UPDATE alert_outbox SET state = 'waiting' WHERE state = 'parked'")
    # What may stand in the other bot's chat is no message of ours that could be there twice.
    db.execute("UPDATE alert_outbox SET tries = 0, refusals = 0")
