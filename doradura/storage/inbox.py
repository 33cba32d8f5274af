"""Queries on the inbox: Telegram's updates, stored raw before they are confirmed.

An update is known by membership, each bot's for itself: its id is kept for `KEPT_MS` after it came, and while it is one
of the newest `KEPT_NEWEST`, whatever became of it. Comparing ids would lose updates, as Telegram restarts them at
random; going by the clock alone would do one twice that Telegram still holds when the clock jumps ahead by days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.conditions import none_of
from doradura.storage.seam import Connection

KEPT_MS = 48 * 3600 * 1000
KEPT_NEWEST = 1000
"""Telegram can give again what no poll has confirmed: at most one batch, of 100."""
TRIES = 3
"""An update that failed this often is passed by."""
PAGE = 500
"""Rows looked at in one step. Each full page fills a chat's share, or is of what is held: both are few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredUpdate:
    """An update that waits to be handled."""

    update_id: int
    arrival: int
    kind: str
    chat_id: int
    raw: str
    received_ms: int
    tries: int


_STORED = Columns(StoredUpdate)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUpdate:
    """An update as it came from Telegram."""

    update_id: int
    arrival: int
    kind: str
    chat_id: int
    raw: str


def add(db: Connection, updates: Iterable[NewUpdate], now_ms: int) -> int:
    """Store updates of the current bot that are not known yet; return how many were new."""
    new = 0
    for update in updates:
        cursor = db.execute(
            "INSERT INTO inbox (bot_id, update_id, arrival, kind, chat_id, raw, received_ms)"  # noqa: S608 - own text
            f" VALUES ({CURRENT}, ?, ?, ?, ?, ?, ?) ON CONFLICT (bot_id, update_id) DO NOTHING",
            (update.update_id, update.arrival, update.kind, update.chat_id, update.raw, now_ms),
        )
        new += cursor.rowcount
    return new


def waiting(
    db: Connection,
    *,
    held: Collection[int],
    full_chats: Collection[int],
    urgent_kind: str,
    limit: int,
    limit_of_a_chat: int,
) -> list[StoredUpdate]:
    """Return waiting updates in order of arrival: none that is held, none of a full chat, so many of each other one.

    The current bot's alone. Those of the urgent kind come whatever the limits. Read in pages, the oldest first, and a
    chat that had its share is left out of the next page: ordering the whole backlog would take as long as the backlog
    is, at every look.
    """
    columns = (
        "SELECT update_id, arrival, kind, chat_id, raw, received_ms, tries FROM inbox"  # noqa: S608 - own text
        f" WHERE state = 'waiting' AND bot_id = {CURRENT}"
    )
    known = set(held)
    urgent = db.execute(f"{columns} AND kind = ? ORDER BY arrival", (urgent_kind,))
    found = [update for update in (_STORED.value(row) for row in urgent) if update.update_id not in known]
    room = limit
    shares: dict[int, int] = dict.fromkeys(full_chats, limit_of_a_chat)
    arrival = -1
    page: list[StoredUpdate] | None = None
    while room > 0 and (page is None or len(page) == PAGE):
        full = [chat_id for chat_id, count in shares.items() if count >= limit_of_a_chat]
        rows = db.execute(
            f"{columns} AND kind <> ? AND arrival > ?{none_of('chat_id', full)} ORDER BY arrival LIMIT ?",
            (urgent_kind, arrival, *full, PAGE),
        )
        page = [_STORED.value(row) for row in rows]
        for update in page:
            arrival = update.arrival
            share = shares.get(update.chat_id, 0)
            if room > 0 and share < limit_of_a_chat and update.update_id not in known:
                shares[update.chat_id] = share + 1
                room -= 1
                found.append(update)
    return found


def done(db: Connection, update_id: int) -> bool:
    """Mark an update handled, in the transaction of its effects; False when it was marked before."""
    cursor = db.execute(
        f"UPDATE inbox SET state = 'done', raw = '' WHERE bot_id = {CURRENT} AND update_id = ? AND state = 'waiting'",  # noqa: S608 - own text
        (update_id,),
    )
    return cursor.rowcount == 1


def tried(db: Connection, update_id: int, error: str) -> int:
    """Count a failed try and return how many there were; after `TRIES` the update is marked failed."""
    row = db.execute(
        "UPDATE inbox SET tries = tries + 1, error = ?,"  # noqa: S608 - own text
        " state = CASE WHEN tries + 1 >= ? THEN 'failed' ELSE state END"
        f" WHERE bot_id = {CURRENT} AND update_id = ? AND state = 'waiting' RETURNING tries",
        (error[:500], TRIES, update_id),
    ).fetchone()
    return TRIES if row is None else int(row[0])


def last_arrival(db: Connection) -> int:
    """Return the number of the update that came last, 0 when there is none."""
    return int(db.execute("SELECT COALESCE(MAX(arrival), 0) FROM inbox").fetchone()[0])


def forget_old(db: Connection, now_ms: int, limit: int = 1000) -> int:
    """Delete handled updates that came before the kept time and are none of the newest, at most `limit`.

    Return how many.
    """
    cursor = db.execute(
        "DELETE FROM inbox WHERE (bot_id, update_id) IN"
        " (SELECT bot_id, update_id FROM inbox WHERE received_ms < ? AND state <> 'waiting' AND arrival <="
        " (SELECT arrival FROM inbox ORDER BY arrival DESC LIMIT 1 OFFSET ?) LIMIT ?)",
        (now_ms - KEPT_MS, KEPT_NEWEST, limit),
    )
    return cursor.rowcount
