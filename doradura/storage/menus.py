"""Queries on the admins' menus of commands: which chats have one of the current bot's at Telegram."""

from __future__ import annotations

from doradura.storage.bots import CURRENT
from doradura.storage.seam import Connection


def shown(db: Connection) -> set[int]:
    """Return the chats that have the admins' menu."""
    rows = db.execute(f"SELECT chat_id FROM admin_menus WHERE bot_id = {CURRENT}")  # noqa: S608 - own text
    return {int(row[0]) for row in rows}


def add(db: Connection, chat_id: int) -> None:
    """Note that a chat has the menu; before it is set, so that a kill between the two leaves none unknown."""
    db.execute(
        f"INSERT INTO admin_menus (bot_id, chat_id) VALUES ({CURRENT}, ?)"  # noqa: S608 - own text
        " ON CONFLICT (bot_id, chat_id) DO NOTHING",
        (chat_id,),
    )


def remove(db: Connection, chat_id: int) -> None:
    """Note that a chat has no such menu any more."""
    db.execute(f"DELETE FROM admin_menus WHERE bot_id = {CURRENT} AND chat_id = ?", (chat_id,))  # noqa: S608 - own text
