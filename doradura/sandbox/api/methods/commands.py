"""Bot API methods about a bot's lists of commands: one for each scope and language.

Source: tdlib/telegram-bot-api, Client.cpp (get_bot_command_scope), and TDLib's BotCommand.cpp.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.fields import Fields, read_array, read_json
from doradura.sandbox.state.records import Object
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.numbers import leading_integer

COMMAND_LIMIT = 100
NAME_LIMIT, DESCRIPTION_LIMIT = 32, 256
_COMMAND = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_SCOPES = MappingProxyType(
    {
        "default": (),
        "all_private_chats": (),
        "all_group_chats": (),
        "all_chat_administrators": (),
        "chat": ("chat_id",),
        "chat_administrators": ("chat_id",),
        "chat_member": ("chat_id", "user_id"),
    }
)


async def set_my_commands(call: Call) -> bool:
    """Answer setMyCommands: one list per scope and language; an empty one counts as none. Raises RefusalError."""
    given = call.parameters.text("commands")
    commands = read_array(call.parameters, "commands", "commands", "BotCommand") if given else []
    read = [_parsed_command(command) for command in commands]
    key = _scope(call)
    kept = [_command(name, description) for name, description in read]
    if len(kept) > COMMAND_LIMIT:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    call.bot.record.commands[key] = kept
    call.bot.keep()
    return True


async def get_my_commands(call: Call) -> list[Object]:
    """Answer getMyCommands."""
    return call.bot.record.commands.get(_scope(call), [])


async def delete_my_commands(call: Call) -> bool:
    """Answer deleteMyCommands."""
    if call.bot.record.commands.pop(_scope(call), None) is not None:
        call.bot.keep()
    return True


def _parsed_command(command: object) -> tuple[str, str]:
    trouble = "can't parse BotCommand: "
    if not isinstance(command, dict):
        raise bad_request(trouble + "expected an Object")
    fields = Fields(command, trouble)
    return fields.text("command", required=True), fields.text("description", required=True)


def _command(name: str, description: str) -> Object:
    name, description = name.strip().removeprefix("/"), description.strip()
    for called, text, limit in (("", name, NAME_LIMIT), (" description", description, DESCRIPTION_LIMIT)):
        if not text:
            raise bad_request(f"command{called} must be non-empty")
        if len(text) > limit:
            raise bad_request(f"command{called} length must not exceed {limit}")
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    return {"command": name, "description": description}


def _check_chat(call: Call, chat_id: str) -> None:
    """Refuse a chat that Telegram does not know, such as a person who never wrote to the bot."""
    number = leading_integer(chat_id)
    if number not in call.bot.groups and number not in call.bot.started:
        raise bad_request("chat not found")


def _scope(call: Call) -> str:
    """Return the key of a command list: its scope and language. Raises RefusalError."""
    given = call.parameters.text("scope")
    scope = read_json(call.parameters, "scope", "BotCommandScope") if given else {"type": "default"}
    trouble = "can't parse BotCommandScope: "
    if not isinstance(scope, dict):
        raise bad_request(trouble + "BotCommandScope must be an Object")
    fields = Fields(scope, trouble)
    kind = fields.text("type", required=True)
    if kind not in _SCOPES:
        raise fields.refusal("Unsupported type specified")
    if "chat_id" in _SCOPES[kind]:
        if not fields.text("chat_id", required=True):
            raise fields.refusal("Empty chat_id specified")
        if "user_id" in _SCOPES[kind] and fields.integer("user_id", required=True) <= 0:
            raise fields.refusal("Invalid user_id specified")
        _check_chat(call, fields.text("chat_id"))
    language = call.parameters.text("language_code")
    if not re.fullmatch(r"(?:[a-z]{2})?", language):
        raise bad_request("invalid language code specified")
    return " ".join([kind, *(fields.text(key) for key in _SCOPES[kind]), language])
