"""Bot API methods about the bot itself: who it is, its updates, its commands."""

from __future__ import annotations

import re
from types import MappingProxyType

import msgspec
import trio

from doradura.sandbox.call import Call, Method
from doradura.sandbox.exchange import Request
from doradura.sandbox.members import RIGHTS
from doradura.sandbox.parameters import is_true
from doradura.sandbox.records import Object
from doradura.sandbox.refusal import RefusalError, bad_request
from doradura.sandbox.updates import DEFAULT_KINDS, DisplacedError, wanted_kinds

COMMAND_LIMIT = 100
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


_CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages")


async def get_me(call: Call) -> Object:
    """Answer getMe."""
    return {
        **call.bot.user,
        "can_join_groups": True,
        "can_read_all_group_messages": True,
        "supports_guest_queries": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
        "supports_join_request_queries": False,
    }


async def get_updates(call: Call, request: Request) -> list[msgspec.Raw]:
    """Answer getUpdates, at once or when an update comes.

    Raises RefusalError when another poll takes this one's place.
    """
    parameters, bot = call.parameters, call.bot
    limit = min(max(parameters.integer("limit", 100), 1), 100)
    timeout = min(max(parameters.integer("timeout"), 0), 50)
    _take_allowed_updates(call)
    offset = parameters.integer("offset")
    if bot.world.paces_polls():
        limit, timeout = bot.updates.pace(offset, limit, timeout, trio.current_time())
    bot.updates.confirm(offset)
    found = bot.updates.take(limit, bot.world.clock())
    if not found and timeout:
        await _wait(call, request, timeout)
        found = bot.updates.take(limit, bot.world.clock())
    return [msgspec.Raw(update) for update in found]


async def _wait(call: Call, request: Request, timeout: float) -> None:
    """Wait for an update, but no longer than the client does: a poll nobody waits for must not displace others."""
    displaced = False
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await request.disconnected()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            await call.bot.updates.wait(timeout)
        except DisplacedError:
            displaced = True
        nursery.cancel_scope.cancel()
    if displaced:
        await trio.sleep(call.bot.updates.conflict_delay(trio.current_time()))
        one = "make sure that only one bot instance is running"
        raise RefusalError(409, f"Conflict: terminated by other getUpdates request; {one}")


def _take_allowed_updates(call: Call) -> None:
    if not call.parameters.text("allowed_updates"):
        return
    try:
        kinds = wanted_kinds(call.parameters.json("allowed_updates"))
    except msgspec.DecodeError:
        return
    if kinds is not None and kinds != call.bot.updates.kinds:
        call.bot.updates.kinds = kinds
        call.bot.keep()


async def delete_webhook(call: Call) -> bool:
    """Answer deleteWebhook: there never is a webhook, but pending updates may be dropped."""
    if call.parameters.boolean("drop_pending_updates"):
        call.bot.updates.clear()
    return True


async def get_webhook_info(call: Call) -> Object:
    """Answer getWebhookInfo."""
    updates = call.bot.updates
    info: Object = {"url": "", "has_custom_certificate": False, "pending_update_count": len(updates.updates)}
    if updates.kinds != DEFAULT_KINDS:
        info["allowed_updates"] = list(updates.kinds)
    return info


async def set_webhook(call: Call) -> bool:
    """Answer setWebhook: no URL takes it away; any other is refused, as the sandbox reaches nothing outside."""
    url = call.parameters.text("url").strip()
    if not url:
        return await delete_webhook(call)
    if not url.lower().startswith("https://"):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    raise bad_request("bad webhook: Failed to resolve host: Name or service not known")


def tells(kind: str, limit: int) -> tuple[Method, Method]:
    """Give the methods that set and get what a bot says of itself, in each language."""

    async def setter(call: Call) -> bool:
        text = call.parameters.text(kind)
        if len(text) > limit:
            raise bad_request(f"BOT_{kind.upper()}_TOO_LONG")
        key = f"{kind} {call.parameters.text('language_code')}"
        if text:
            call.bot.record.texts[key] = text
        else:
            call.bot.record.texts.pop(key, None)
        call.bot.keep()
        return True

    async def getter(call: Call) -> Object:
        texts = call.bot.record.texts
        usual = call.bot.user["first_name"] if kind == "name" else ""
        return {kind: texts.get(f"{kind} {call.parameters.text('language_code')}") or texts.get(f"{kind} ") or usual}

    return setter, getter


async def leave_server(_call: Call) -> bool:
    """Answer logOut and close: the bot may go. Unlike at Telegram it may come back at once."""
    return True


async def set_default_rights(call: Call) -> bool:
    """Answer setMyDefaultAdministratorRights, for groups and for channels."""
    try:
        rights = call.parameters.json("rights") if call.parameters.text("rights") else {}
    except msgspec.DecodeError:
        raise bad_request("can't parse administrator rights JSON object") from None
    if not isinstance(rights, dict):
        raise bad_request("object expected as administrator rights")
    names = (*RIGHTS, *_CHANNEL_RIGHTS) if call.parameters.boolean("for_channels") else RIGHTS
    call.bot.record.rights[_audience(call)] = {name: is_true(rights.get(name)) for name in names}
    call.bot.keep()
    return True


async def get_default_rights(call: Call) -> Object:
    """Answer getMyDefaultAdministratorRights."""
    return call.bot.record.rights.get(_audience(call)) or dict.fromkeys(RIGHTS, False)


def _audience(call: Call) -> str:
    return "channels" if call.parameters.boolean("for_channels") else "groups"


async def set_chat_menu_button(call: Call) -> bool:
    """Answer setChatMenuButton."""
    try:
        button = call.parameters.json("menu_button") if call.parameters.text("menu_button") else {"type": "default"}
    except msgspec.DecodeError:
        raise bad_request("can't parse MenuButton JSON object") from None
    if not isinstance(button, dict) or button.get("type") not in {"commands", "web_app", "default"}:
        raise bad_request("can't parse menu button: MenuButton has unsupported type")
    call.bot.record.menu_buttons[call.parameters.text("chat_id")] = button
    call.bot.keep()
    return True


async def get_chat_menu_button(call: Call) -> Object:
    """Answer getChatMenuButton: the chat's own, else everybody's."""
    buttons = call.bot.record.menu_buttons
    usual: Object = {"type": "commands"}
    found = buttons.get(call.parameters.text("chat_id")) or buttons.get("", usual)
    return usual if found["type"] == "default" else found


async def get_user_profile_photos(call: Call) -> Object:
    """Answer getUserProfilePhotos: nobody here has any."""
    if call.parameters.integer("user_id") not in call.bot.world.users:
        raise bad_request("invalid user_id specified")
    return {"total_count": 0, "photos": []}


async def set_my_commands(call: Call) -> bool:
    """Answer setMyCommands: one list for each scope and language."""
    key = _scope(call)
    try:
        commands = call.parameters.json("commands") if call.parameters.text("commands") else []
    except msgspec.DecodeError:
        raise bad_request("can't parse commands JSON array") from None
    if not isinstance(commands, list):
        raise bad_request("expected an Array of BotCommand")
    if len(commands) > COMMAND_LIMIT:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    call.bot.record.commands[key] = [_command(command) for command in commands]
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


def _command(command: object) -> Object:
    if not isinstance(command, dict):
        raise bad_request("expected an Array of BotCommand")
    name, description = command.get("command"), command.get("description")
    if not isinstance(name, str) or not _COMMAND.fullmatch(name.removeprefix("/")):
        raise bad_request("BOT_COMMAND_INVALID")
    if not isinstance(description, str) or not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name.removeprefix("/"), "description": description}


def _check_chat(call: Call, chat_id: object) -> None:
    """Refuse a chat Telegram does not know: of a person who never wrote to the bot it knows nothing."""
    try:
        number = int(str(chat_id))
    except ValueError:
        number = 0
    if number not in call.bot.groups and number not in call.bot.started:
        raise bad_request("chat not found")


def _scope(call: Call) -> str:
    """Give a name for a command list: its scope and its language."""
    scope: object = {"type": "default"}
    if call.parameters.text("scope"):
        try:
            scope = call.parameters.json("scope")
        except msgspec.DecodeError:
            raise bad_request("can't parse BotCommandScope JSON object") from None
    kind = scope.get("type") if isinstance(scope, dict) else None
    if not isinstance(scope, dict) or not isinstance(kind, str) or kind not in _SCOPES:
        raise bad_request("unsupported type specified")
    if "chat_id" in _SCOPES[kind]:
        _check_chat(call, scope.get("chat_id"))
    language = call.parameters.text("language_code")
    if not re.fullmatch(r"(?:[a-z]{2})?", language):
        raise bad_request("BOT_COMMAND_LANGUAGE_INVALID")
    return " ".join([kind, *(str(scope.get(key)) for key in _SCOPES[kind]), language])
