"""Queries on the admins' menus of commands: which chats have one at Telegram."""

from __future__ import annotations

import sqlite3


def shown(db: sqlite3.Connection) -> set[int]:
    """Give the chats that have the admins' menu."""
    return {int(row[0]) for row in db.execute("SELECT chat_id FROM admin_menus")}


def add(db: sqlite3.Connection, chat_id: int) -> None:
    """Note that a chat has the menu; before it is set, so that a kill between the two leaves none unknown."""
    db.execute("INSERT INTO admin_menus (chat_id) VALUES (?) ON CONFLICT (chat_id) DO NOTHING", (chat_id,))


def remove(db: sqlite3.Connection, chat_id: int) -> None:
    """Note that a chat has no such menu any more."""
    db.execute("DELETE FROM admin_menus WHERE chat_id = ?", (chat_id,))
