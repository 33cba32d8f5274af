"""The bot among others: what in a group is meant for it, and what becomes of a chat that opens, closes or moves.

In a group it answers commands, mentions and replies to what it wrote, nothing else. A message in the name of a chat
(an anonymous admin, a channel) has no person behind it: it is told so where it addresses the bot, and nobody is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from doradura.chat.handling import Handling
from doradura.clock import Clock
from doradura.storage import Storage, chats
from doradura.telegram.types import Message, MessageEntity

GONE = frozenset({"kicked", "left"})

log = logging.getLogger(__name__)


class Groups:
    """Knows which messages of a group are meant for the bot, and notes what becomes of chats."""

    def __init__(self, storage: Storage, clock: Clock, *, bot_id: int, username: Callable[[], str]) -> None:
        self._storage = storage
        self._clock = clock
        self._bot_id = bot_id
        self._username = username

    def words_for_bot(self, handling: Handling) -> Message | None:
        """Return the message that holds what the bot is asked in a group; None where it is not meant."""
        message = handling.message
        marks = message.entities or message.caption_entities
        text = message.text or message.caption or ""
        mention = next((mark for mark in marks if self._names_bot(text, mark)), None)
        answered = message.reply_to_message
        if mention is not None:
            return (
                answered
                if answered is not None and _alone(text, mention) and not _is_from(answered, self._bot_id)
                else message
            )
        return message if answered is not None and _is_from(answered, self._bot_id) else None

    def _names_bot(self, text: str, mark: MessageEntity) -> bool:
        if mark.type == "text_mention":
            return mark.user is not None and mark.user.id == self._bot_id
        return mark.type == "mention" and _cut(text, mark).lower() == f"@{self._username().lower()}"

    async def membership(self, handling: Handling) -> None:
        """The bot was blocked, let in again, added to a group or thrown out."""
        change = handling.update.my_chat_member
        assert change is not None
        chat, before, now = change.chat, change.old_chat_member.status, change.new_chat_member.status
        if now in GONE:
            await handling.commit(lambda db: chats.closed(db, chat.id, self._clock()))
            return
        await self._storage.write(lambda db: chats.opened(db, chat.id))
        if chat.type not in {"private", "channel"} and before in GONE:
            await handling.reply(handling.texts("group.hello", bot=self._username()))

    async def moved(self, handling: Handling) -> bool:
        """Note a group that became a supergroup; False when the message is about nothing like that."""
        message = handling.message
        if message.migrate_to_chat_id is not None:
            old_id, new_id = handling.chat_id, message.migrate_to_chat_id
        elif message.migrate_from_chat_id is not None:
            old_id, new_id = message.migrate_from_chat_id, handling.chat_id
        else:
            return False
        await handling.commit(lambda db: chats.migrated(db, old_id, new_id, self._clock()))
        log.info("group moved", extra={"old": old_id, "new": new_id})
        return True


def _is_from(message: Message, user_id: int) -> bool:
    return message.from_user is not None and message.from_user.id == user_id


def _cut(text: str, mark: MessageEntity) -> str:
    units = text.encode("utf-16-le", "surrogatepass")
    return units[mark.offset * 2 : (mark.offset + mark.length) * 2].decode("utf-16-le", "ignore")


def _alone(text: str, mark: MessageEntity) -> bool:
    """Whether nothing but the mention was written: then what it replies to is meant."""
    return text.strip() == _cut(text, mark).strip()
