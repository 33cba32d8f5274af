"""Queries on the admins' command menus: which chats have one of the current bot's."""

from __future__ import annotations

from doradura.storage.bots import CURRENT
from doradura.storage.seam import Connection


def shown(db: Connection) -> set[int]:
    """Return the chats that have the admins' menu."""
    rows = db.execute(f"SELECT chat_id FROM admin_menus WHERE bot_id = {CURRENT}")  # noqa: S608 - own text
    return {int(row[0]) for row in rows}


def add(db: Connection, chat_id: int) -> None:
    """Store that a chat has the menu. Called before the menu is set, so that a kill leaves no menu unknown."""
    db.execute(
        f"INSERT INTO admin_menus (bot_id, chat_id) VALUES ({CURRENT}, ?)"  # noqa: S608 - own text
        " ON CONFLICT (bot_id, chat_id) DO NOTHING",
        (chat_id,),
    )


def remove(db: Connection, chat_id: int) -> None:
    """Store that a chat no longer has the menu."""
    db.execute(f"DELETE FROM admin_menus WHERE bot_id = {CURRENT} AND chat_id = ?", (chat_id,))  # noqa: S608 - own text
