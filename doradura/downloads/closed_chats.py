"""Closed chats: every part that gets a 403 from Telegram for a chat records it here, in a row.

The supervisor reads the row and ends the chat's jobs.
"""

from __future__ import annotations

from doradura.clock import Clock
from doradura.storage import Storage, chats
from doradura.storage.persistence import write_until_stored


async def note_closed(storage: Storage, chat_id: int, clock: Clock) -> None:
    """Record that the bot can no longer write to a chat. For a private chat, record that its user blocked the bot.

    The write is repeated until it is stored. A cancel ends the repeats.
    """
    await write_until_stored(storage, lambda db: chats.closed(db, chat_id, clock()), what="that a chat is closed")
