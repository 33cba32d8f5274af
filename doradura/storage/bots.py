"""Which bot the database belongs to, and what happens to another bot's ids when the token changes.

Message ids, update ids, menus and blocks belong to one bot; links, users, incidents and money do not. So after a change
of token the work continues, in new messages of the new bot. What only the first bot can use (its waiting updates, its
messages about alerts, its menus) stays untouched until its token comes back.
"""

from __future__ import annotations

from doradura.storage.seam import Connection
from doradura.storage.states import UNFINISHED

CURRENT = "COALESCE((SELECT bot_id FROM current_bot), 0)"
"""SQL for the id of the current bot. It is 0 until `take_over` was called, and in a database of an older version."""

UNFINISHED_JOBS = f"(state IN {UNFINISHED} OR told = 0)"
SUPERGROUPS_BELOW = -1_000_000_000_000
"""The chat ids of supergroups are below this. A supergroup's message has the same id for every member, bots included;
in any other chat it has another id for each."""

_OF_A_BOT = ("jobs", "offers", "inbox", "alert_messages", "admin_menus")


def take_over(db: Connection, bot_id: int, now_ms: int) -> int | None:
    """Make a bot the current one. Return the id of the bot before, or None if it is the same or unknown.

    Must run in one transaction at the start, before anything reads a message id.
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
    # Users who blocked the other bot have not blocked this one, nor are chats closed to it.
    db.execute("UPDATE users SET blocked_ms = NULL WHERE blocked_ms IS NOT NULL")
    db.execute("DELETE FROM closed_chats")
    return int(row[0])


def _take_work(db: Connection, bot_id: int) -> None:
    """Hand unfinished jobs and offers to this bot, without the other bot's message ids."""
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
    """Hand the delivery of alerts to this bot. Whether it may write to the chats is not known yet."""
    db.execute("UPDATE alert_messages SET left_ms = ? WHERE bot_id <> ? AND left_ms IS NULL", (now_ms, bot_id))
    db.execute("UPDATE alert_targets SET fault = NULL, fault_ms = NULL")
    db.execute("UPDATE alert_outbox SET state = 'waiting' WHERE state = 'parked'")
    # A message that the other bot may have sent is not one that this bot could send twice.
    db.execute("UPDATE alert_outbox SET tries = 0, refusals = 0")
