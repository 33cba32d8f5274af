"""The bot among others: what in a group is meant for it, and what becomes of a chat that opens, closes or moves.

In a group it answers commands, mentions and replies to what it wrote, nothing else. A message in the name of a chat
(an anonymous admin, a channel) has no person behind it: it is told so where it addresses the bot, and nobody is stored.
"""

from __future__ import annotations

import logging

from doradura.chat.turn import Turn
from doradura.storage import chats
from doradura.telegram.types import Message, MessageEntity

GONE = frozenset({"kicked", "left"})

log = logging.getLogger(__name__)


def words_for_bot(turn: Turn) -> Message | None:
    """Return the message of a group that holds what the bot is asked, without its own name; None if not it is meant."""
    message = turn.message
    marks = message.entities or message.caption_entities
    text = message.text or message.caption or ""
    mention = next((mark for mark in marks if _names_bot(turn, text, mark)), None)
    answered = message.reply_to_message
    bot_id = turn.parts.bot_id
    if mention is not None:
        return (
            answered if answered is not None and _alone(text, mention) and not _is_from(answered, bot_id) else message
        )
    return message if answered is not None and _is_from(answered, bot_id) else None


def _is_from(message: Message, user_id: int) -> bool:
    return message.from_user is not None and message.from_user.id == user_id


def _names_bot(turn: Turn, text: str, mark: MessageEntity) -> bool:
    if mark.type == "text_mention":
        return mark.user is not None and mark.user.id == turn.parts.bot_id
    return mark.type == "mention" and _cut(text, mark).lower() == f"@{turn.parts.username().lower()}"


def _cut(text: str, mark: MessageEntity) -> str:
    units = text.encode("utf-16-le", "surrogatepass")
    return units[mark.offset * 2 : (mark.offset + mark.length) * 2].decode("utf-16-le", "ignore")


def _alone(text: str, mark: MessageEntity) -> bool:
    """Whether nothing but the mention was written: then what it replies to is meant."""
    return text.strip() == _cut(text, mark).strip()


async def membership(turn: Turn) -> None:
    """The bot was blocked, let in again, added to a group or thrown out."""
    change = turn.update.my_chat_member
    assert change is not None
    chat, before, now = change.chat, change.old_chat_member.status, change.new_chat_member.status
    if now in GONE:
        await turn.commit(lambda db: chats.closed(db, chat.id, turn.parts.clock()))
        return
    await turn.parts.storage.write(lambda db: chats.opened(db, chat.id))
    if chat.type not in {"private", "channel"} and before in GONE:
        await turn.reply(turn.texts("group.hello", bot=turn.parts.username()))


async def moved(turn: Turn) -> bool:
    """Note a group that became a supergroup; False when the message is about nothing like that."""
    message = turn.message
    if message.migrate_to_chat_id is not None:
        old_id, new_id = turn.chat_id, message.migrate_to_chat_id
    elif message.migrate_from_chat_id is not None:
        old_id, new_id = message.migrate_from_chat_id, turn.chat_id
    else:
        return False
    await turn.commit(lambda db: chats.migrated(db, old_id, new_id, turn.parts.clock()))
    log.info("group moved", extra={"old": old_id, "new": new_id})
    return True
