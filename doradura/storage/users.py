"""Queries on users: their names and languages, their activity, and whether they block the bot."""

from __future__ import annotations

from doradura.storage.seam import Connection
from doradura.storage.topics import Topic

DAY_MS = 24 * 3600 * 1000


def seen(  # noqa: PLR0917 - a row's values, in the table's order
    db: Connection,
    user_id: int,
    first_name: str,
    username: str | None,
    language: str | None,
    now_ms: int,
) -> bool:
    """Store that a user did something, and so does not block the bot. Return whether it is the user's first action.

    `language` is the code from Telegram. A language that the user chose stays.
    """
    known = db.execute("SELECT 1 FROM users WHERE user_id = ?", (user_id,)).fetchone()
    db.execute(
        "INSERT INTO users (user_id, first_name, username, language, first_seen_ms, last_seen_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET first_name = excluded.first_name,"
        " username = excluded.username, language = excluded.language, last_seen_ms = excluded.last_seen_ms,"
        " blocked_ms = NULL",
        (user_id, first_name[:256], username, language, now_ms, now_ms),
    )
    db.execute(
        "INSERT INTO activity (day, user_id, actions) VALUES (?, ?, 1)"
        " ON CONFLICT (day, user_id) DO UPDATE SET actions = activity.actions + 1",
        (now_ms // DAY_MS, user_id),
    )
    return known is None


def language(db: Connection, user_id: int) -> str | None:
    """Return the language code that a user chose, or else the one from Telegram; None if both are unknown."""
    row = db.execute("SELECT COALESCE(chosen_language, language) FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else row[0]


def chosen_language(db: Connection, user_id: int) -> str | None:
    """Return the language code that a user chose; None if the user chose none."""
    row = db.execute("SELECT chosen_language FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else row[0]


def choose_language(db: Connection, user_id: int, language: str | None) -> None:
    """Store the language code that a known user chose; None means the one from Telegram. Updates do not change it."""
    db.execute("UPDATE users SET chosen_language = ? WHERE user_id = ?", (language, user_id))
    db.touch(Topic.ACCOUNTS)


def name(db: Connection, user_id: int) -> str | None:
    """Return a user's first name, or else the user name; None for an unknown user."""
    row = db.execute("SELECT first_name, username FROM users WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else row[0] or row[1] or ""


def set_blocked(db: Connection, user_id: int, blocked_ms: int) -> None:
    """Store since when a user blocks the bot, in ms."""
    db.execute("UPDATE users SET blocked_ms = ? WHERE user_id = ?", (blocked_ms, user_id))


def set_unblocked(db: Connection, user_id: int) -> None:
    """Store that a user no longer blocks the bot. Nothing is written if the user did not."""
    db.execute("UPDATE users SET blocked_ms = NULL WHERE user_id = ? AND blocked_ms IS NOT NULL", (user_id,))


def active(db: Connection, since_ms: int) -> int:
    """Return the number of users who were last seen after then."""
    return int(db.execute("SELECT COUNT(*) FROM users WHERE last_seen_ms > ?", (since_ms,)).fetchone()[0])


def registered(db: Connection) -> int:
    """Return the number of all users."""
    return int(db.execute("SELECT COUNT(*) FROM users").fetchone()[0])


def languages(db: Connection) -> dict[str, int]:
    """Return language -> number of users. Regions are ignored ("pt-br" is "pt"), and "" means that none is known."""
    counts: dict[str, int] = {}
    for code, count in db.execute(
        "SELECT COALESCE(chosen_language, language) AS code, COUNT(*) FROM users GROUP BY code"
    ):
        short = (code or "").split("-")[0].lower()
        counts[short] = counts.get(short, 0) + count
    return counts
