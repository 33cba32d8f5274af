"""Queries on chats: groups that got another id, what a message of one began, and chats that take nothing any more."""

from __future__ import annotations

from doradura.storage import jobs, users
from doradura.storage.bots import CURRENT
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


def migrated(db: Connection, old_id: int, new_id: int, now_ms: int) -> None:
    """A group became a supergroup: what is still to be shown goes to the new id. Noting it again changes nothing.

    Message ids begin anew there, so what was said in the old group can be neither edited nor replied to.
    """
    if old_id == new_id:
        return
    db.execute(
        "INSERT INTO chat_migrations (old_chat_id, new_chat_id, migrated_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (old_chat_id) DO UPDATE SET new_chat_id = excluded.new_chat_id",
        (old_id, new_id, now_ms),
    )
    for table in ("jobs", "offers"):
        db.execute(
            f"UPDATE {table} SET chat_id = ?, message_id = NULL, reply_to = NULL, thread_id = NULL WHERE chat_id = ?",  # noqa: S608 - own text
            (new_id, old_id),
        )
    db.execute(
        "DELETE FROM alert_messages WHERE target_id IN (SELECT target_id FROM alert_targets WHERE chat_id = ?)",
        (old_id,),
    )
    db.execute(
        "UPDATE alert_targets SET chat_id = ?, fault = NULL, fault_ms = NULL WHERE chat_id = ? AND NOT EXISTS ("
        " SELECT 1 FROM alert_targets AS t WHERE t.chat_id = ? AND t.topic_id = alert_targets.topic_id)",
        (new_id, old_id, new_id),
    )
    # Where the new one is told as well, nothing is to be told there twice.
    db.execute(
        "DELETE FROM alert_outbox WHERE target_id IN (SELECT target_id FROM alert_targets WHERE chat_id = ?)", (old_id,)
    )
    db.execute("UPDATE alert_targets SET active = 0 WHERE chat_id = ?", (old_id,))


def migrations(db: Connection) -> dict[int, int]:
    """Return every group that moved: old id -> the id it has in the end."""
    moved = {row[0]: row[1] for row in db.execute("SELECT old_chat_id, new_chat_id FROM chat_migrations")}
    ends = {}
    for old_id, new_id in moved.items():
        end, seen = new_id, {old_id}
        while end in moved and end not in seen:
            seen.add(end)
            end = moved[end]
        ends[old_id] = end
    return ends


def begun_by(db: Connection, chat_id: int, message_id: int) -> set[str]:
    """Return the links for which a message has a job or an offer already."""
    rows = db.execute(
        f"SELECT url FROM jobs WHERE chat_id = ? AND reply_to = ? AND bot_id = {CURRENT}"  # noqa: S608 - own text
        f" UNION SELECT url FROM offers WHERE chat_id = ? AND reply_to = ? AND bot_id = {CURRENT}",
        (chat_id, message_id, chat_id, message_id),
    )
    return {row[0] for row in rows}


def closed(db: Connection, chat_id: int, now_ms: int) -> None:
    """A chat takes nothing any more: nothing is offered there. A private one is its user's block.

    The work in hand for it ends as soon as the row is seen (`end_closed`).
    """
    if chat_id > 0:
        users.set_blocked(db, chat_id, now_ms)
    db.execute("UPDATE offers SET state = 'failed' WHERE chat_id = ? AND state IN ('new', 'shown')", (chat_id,))
    db.execute(
        "INSERT INTO closed_chats (chat_id, closed_ms) VALUES (?, ?)"
        " ON CONFLICT (chat_id) DO UPDATE SET closed_ms = excluded.closed_ms",
        (chat_id, now_ms),
    )
    db.touch(Topic.CLOSED_CHATS)


def closed_ones(db: Connection) -> list[int]:
    """Return the chats that take nothing any more and for which work may be in hand."""
    return [row[0] for row in db.execute("SELECT chat_id FROM closed_chats ORDER BY chat_id")]


def end_closed(db: Connection, now_ms: int, reason: str) -> tuple[list[int], list[jobs.Job]]:
    """Fail every waiting job of the chats that are closed; return those chats and jobs, each once."""
    closed_chats = closed_ones(db)
    failed = [job for chat_id in closed_chats for job in jobs.fail_waiting(db, chat_id, now_ms, reason=reason)]
    db.execute("DELETE FROM closed_chats")
    return closed_chats, failed


def opened(db: Connection, chat_id: int) -> None:
    """A chat takes messages: nobody blocks the bot there, nothing is ended, and if it refused alerts it is tried again.

    A group may have got another id than the one it refused with: every group that refuses is tried.
    """
    if chat_id > 0:
        users.set_unblocked(db, chat_id)
    db.execute("DELETE FROM closed_chats WHERE chat_id = ?", (chat_id,))
    refusing = db.execute(
        "UPDATE alert_targets SET reopened = 1 WHERE fault IS NOT NULL AND (chat_id = ? OR (chat_id < 0 AND ? < 0))",
        (chat_id, chat_id),
    )
    if refusing.rowcount:
        db.touch(Topic.OPEN_CHATS)
