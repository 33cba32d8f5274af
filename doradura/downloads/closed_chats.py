"""Closed chats: what a refusal (403) is noted by, whoever met it: a reply, a card, a progress message, a file, an end.

A row is all there is to it. The supervisor reads it and ends what is in hand for the chat.
"""

from __future__ import annotations

from doradura.clock import Clock
from doradura.storage import Storage, chats
from doradura.storage.persistence import write_until_stored


async def note_closed(storage: Storage, chat_id: int, clock: Clock) -> None:
    """Note that a chat takes nothing any more; a private one is noted as its user's block."""
    await write_until_stored(storage, lambda db: chats.closed(db, chat_id, clock()), what="that a chat is closed")
