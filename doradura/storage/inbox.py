"""Queries on the inbox: Telegram's updates, stored raw before they are confirmed.

An update is known if its id is stored. Each id is kept for `KEPT_MS` after its arrival, and as long as it is one of the
newest `KEPT_NEWEST`, handled or not. Comparing ids with the last one would lose updates, because Telegram restarts its
ids at random. Keeping ids by age alone would handle an update twice if the clock jumps ahead by days while Telegram
still has it. Each bot's updates are separate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.conditions import none_of, one_of
from doradura.storage.seam import Connection, Row

KEPT_MS = 48 * 3600 * 1000
KEPT_NEWEST = 1000
"""Telegram can repeat the updates that no poll has confirmed: at most one batch of 100."""
TRIES = 3
"""After so many failures an update is skipped."""
PAGE = 500
"""Rows read in one step. A full page either uses up a chat's share or consists of held updates; both are few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredUpdate:
    """A stored update that waits to be handled."""

    update_id: int
    arrival: int
    kind: str
    chat_id: int
    user_id: int | None
    """The sender; None if the update has none, or if an older version stored it."""
    raw: str
    received_ms: int
    tries: int
    chosen_language: str | None
    """The language code that the sender chose, as of the read; None if they chose none."""


_STORED = Columns(StoredUpdate)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUpdate:
    """An update as Telegram sent it."""

    update_id: int
    arrival: int
    kind: str
    chat_id: int
    user_id: int | None
    """The sender; None if the update has none."""
    raw: str


def add(db: Connection, updates: Iterable[NewUpdate], now_ms: int) -> int:
    """Store those updates of the current bot that are not known yet. Return how many were new."""
    new = 0
    for update in updates:
        cursor = db.execute(
            "INSERT INTO inbox (bot_id, update_id, arrival, kind, chat_id, user_id, raw, received_ms)"  # noqa: S608 - own text
            f" VALUES ({CURRENT}, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (bot_id, update_id) DO NOTHING",
            (update.update_id, update.arrival, update.kind, update.chat_id, update.user_id, update.raw, now_ms),
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
    """Return the current bot's waiting updates in their order of arrival, at most `limit_of_a_chat` of each chat.

    Updates in `held` and those of `full_chats` are left out. Updates of `urgent_kind` are returned whatever the limits.
    The inbox is read in pages, the oldest first, and a chat that has used up its share is left out of the next page:
    sorting the whole backlog in each call would take as long as the backlog is. A page is mostly updates that the
    caller holds already, so it has only their ids, and the others are read whole afterwards.
    """
    ids = f"FROM inbox WHERE state = 'waiting' AND bot_id = {CURRENT}"
    known = set(held)
    urgent = db.execute(f"SELECT update_id {ids} AND kind = ? ORDER BY arrival", (urgent_kind,))
    wanted = [update_id for (update_id,) in urgent if update_id not in known]
    room = limit
    shares: dict[int, int] = dict.fromkeys(full_chats, limit_of_a_chat)
    arrival = -1
    page: list[Row] | None = None
    while room > 0 and (page is None or len(page) == PAGE):
        full = [chat_id for chat_id, count in shares.items() if count >= limit_of_a_chat]
        page = db.execute(
            f"SELECT update_id, arrival, chat_id {ids} AND kind <> ? AND arrival > ?{none_of('chat_id', full)}"
            " ORDER BY arrival LIMIT ?",
            (urgent_kind, arrival, *full, PAGE),
        ).fetchall()
        for update_id, arrival, chat_id in page:  # noqa: B007 - the next page begins after the last arrival
            share = shares.get(chat_id, 0)
            if room > 0 and share < limit_of_a_chat and update_id not in known:
                shares[chat_id] = share + 1
                room -= 1
                wanted.append(update_id)
    return _whole(db, wanted)


def _whole(db: Connection, update_ids: Sequence[int]) -> list[StoredUpdate]:
    """Return updates of the current bot in the order of their ids here."""
    found: dict[int, StoredUpdate] = {}
    for first in range(0, len(update_ids), PAGE):
        few = update_ids[first : first + PAGE]
        rows = db.execute(
            "SELECT update_id, arrival, kind, chat_id, inbox.user_id, raw, received_ms, tries, chosen_language"  # noqa: S608 - own text
            " FROM inbox LEFT JOIN users ON users.user_id = inbox.user_id"
            f" WHERE bot_id = {CURRENT}{one_of('update_id', few)}",
            few,
        )
        found.update((update.update_id, update) for update in map(_STORED.value, rows))
    return [found[update_id] for update_id in update_ids]


def done(db: Connection, update_id: int) -> bool:
    """Mark an update as handled, in the transaction of its effects. Return False if it was marked before."""
    cursor = db.execute(
        f"UPDATE inbox SET state = 'done', raw = '' WHERE bot_id = {CURRENT} AND update_id = ? AND state = 'waiting'",  # noqa: S608 - own text
        (update_id,),
    )
    return cursor.rowcount == 1


def tried(db: Connection, update_id: int, error: str) -> int:
    """Count a failure of an update and return how many it had. After `TRIES` of them the update is marked failed."""
    row = db.execute(
        "UPDATE inbox SET tries = tries + 1, error = ?,"  # noqa: S608 - own text
        " state = CASE WHEN tries + 1 >= ? THEN 'failed' ELSE state END"
        f" WHERE bot_id = {CURRENT} AND update_id = ? AND state = 'waiting' RETURNING tries",
        (error[:500], TRIES, update_id),
    ).fetchone()
    return TRIES if row is None else int(row[0])


def last_arrival(db: Connection) -> int:
    """Return the arrival number of the last update; 0 if there is none."""
    return int(db.execute("SELECT COALESCE(MAX(arrival), 0) FROM inbox").fetchone()[0])


def forget_old(db: Connection, now_ms: int, limit: int = 1000) -> int:
    """Delete at most `limit` handled updates that are too old and not among the newest. Return how many."""
    cursor = db.execute(
        "DELETE FROM inbox WHERE (bot_id, update_id) IN"
        " (SELECT bot_id, update_id FROM inbox WHERE received_ms < ? AND state <> 'waiting' AND arrival <="
        " (SELECT arrival FROM inbox ORDER BY arrival DESC LIMIT 1 OFFSET ?) LIMIT ?)",
        (now_ms - KEPT_MS, KEPT_NEWEST, limit),
    )
    return cursor.rowcount
