"""Groups: which of their messages are meant for the bot, and what to store when a chat opens, closes or moves.

In a group, the bot answers only commands, mentions and replies to its own messages. A message in the name of a chat (an
anonymous admin, a channel) has no user: if it addresses the bot, the answer says so, and no user is stored.
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
    """Finds the messages of groups that are meant for the bot, and stores changes of chats."""

    def __init__(self, storage: Storage, clock: Clock, *, bot_id: int, username: Callable[[], str]) -> None:
        self._storage = storage
        self._clock = clock
        self._bot_id = bot_id
        self._username = username

    def message_for_bot(self, handling: Handling) -> Message | None:
        """Return the message that contains the request to the bot in a group; None if the bot isn't addressed.

        If a reply contains nothing but the bot's name, that is the message it replies to.
        """
        message = handling.message
        entities = message.entities or message.caption_entities
        text = message.text or message.caption or ""
        mention = next((entity for entity in entities if self._names_bot(text, entity)), None)
        answered = message.reply_to_message
        if mention is not None:
            return (
                answered
                if answered is not None and _alone(text, mention) and not _is_from(answered, self._bot_id)
                else message
            )
        return message if answered is not None and _is_from(answered, self._bot_id) else None

    def _names_bot(self, text: str, entity: MessageEntity) -> bool:
        if entity.type == "text_mention":
            return entity.user is not None and entity.user.id == self._bot_id
        return entity.type == "mention" and _cut(text, entity).lower() == f"@{self._username().lower()}"

    async def membership(self, handling: Handling) -> None:
        """Store that the bot was blocked, unblocked, added to a group or removed, and greet a new group.

        Raises StorageError and TelegramError.
        """
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
        """Store that a group became a supergroup with a new id. Return False if the message doesn't say so.

        Raises StorageError.
        """
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


def _cut(text: str, entity: MessageEntity) -> str:
    units = text.encode("utf-16-le", "surrogatepass")
    return units[entity.offset * 2 : (entity.offset + entity.length) * 2].decode("utf-16-le", "ignore")


def _alone(text: str, entity: MessageEntity) -> bool:
    """Return whether the text consists of nothing but the mention."""
    return text.strip() == _cut(text, entity).strip()
