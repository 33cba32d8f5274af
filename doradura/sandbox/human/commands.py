"""Which of a bot's lists of commands a person sees in a chat. Pure.

The order is that of the Bot API (BotCommandScope, "Determining list of commands"): the narrowest scope that has a list
for the person's language or for all languages. The lists' keys come from `api/methods/commands.py`: the scope's type
and ids, a space, and the language or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.members import member
from doradura.sandbox.state.records import Object


def commands_for(bot: Bot, chat_id: int, user: Object) -> list[Object]:
    """Return the commands, none if the bot has set none."""
    for scope in _scopes(bot, chat_id, user["id"]):
        for language in (user.get("language_code", "")[:2], ""):
            found = bot.record.commands.get(f"{scope} {language}")
            if found is not None:
                return found
    return []


def _scopes(bot: Bot, chat_id: int, user_id: int) -> Iterator[str]:
    if chat_id > 0:
        yield from (f"chat {chat_id}", "all_private_chats", "default")
        return
    group = bot.groups.get(chat_id)
    manages = group is not None and member(bot, group, user_id)["status"] in {"creator", "administrator"}
    yield f"chat_member {chat_id} {user_id}"
    if manages:
        yield f"chat_administrators {chat_id}"
    yield f"chat {chat_id}"
    if manages:
        yield "all_chat_administrators"
    yield from ("all_group_chats", "default")
