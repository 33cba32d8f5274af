"""Queries on chats: groups whose id changed, the jobs and offers of a message, and chats that closed."""

from __future__ import annotations

from doradura.storage import jobs, users
from doradura.storage.bots import CURRENT
from doradura.storage.seam import Connection
from doradura.storage.topics import Topic


def migrated(db: Connection, old_id: int, new_id: int, now_ms: int) -> None:
    """Store that a group became a supergroup, and send everything that is waiting to the new id. Idempotent.

    Message ids start again in a supergroup, so the old group's messages can be neither edited nor replied to.
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
    # If alerts already go to the new id as well, they must not be sent there twice.
    db.execute(
        "DELETE FROM alert_outbox WHERE target_id IN (SELECT target_id FROM alert_targets WHERE chat_id = ?)", (old_id,)
    )
    db.execute("UPDATE alert_targets SET active = 0 WHERE chat_id = ?", (old_id,))


def migrations(db: Connection) -> dict[int, int]:
    """Return old id -> current id of every group whose id changed."""
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
    """Return the links of a message for which there is a job or an offer."""
    rows = db.execute(
        f"SELECT url FROM jobs WHERE chat_id = ? AND reply_to = ? AND bot_id = {CURRENT}"  # noqa: S608 - own text
        f" UNION SELECT url FROM offers WHERE chat_id = ? AND reply_to = ? AND bot_id = {CURRENT}",
        (chat_id, message_id, chat_id, message_id),
    )
    return {row[0] for row in rows}


def closed(db: Connection, chat_id: int, now_ms: int) -> None:
    """Store that the bot can no longer write to a chat, and fail its offers. A private chat means a block by its user.

    The chat's jobs end when the supervisor reads the row (`end_closed`).
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
    """Return the closed chats whose jobs have not been ended yet."""
    return [row[0] for row in db.execute("SELECT chat_id FROM closed_chats ORDER BY chat_id")]


def end_closed(db: Connection, now_ms: int, reason: str) -> tuple[list[int], list[jobs.Job]]:
    """Fail all waiting jobs of the closed chats. Return those chats and jobs; no later call returns them again."""
    closed_chats = closed_ones(db)
    failed = [job for chat_id in closed_chats for job in jobs.fail_waiting(db, chat_id, now_ms, reason=reason)]
    db.execute("DELETE FROM closed_chats")
    return closed_chats, failed


def opened(db: Connection, chat_id: int) -> None:
    """Store that the bot can write to a chat, so that alerts are tried there again if Telegram refused them.

    A group may have had another id when it refused, so every refusing group is tried again.
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
