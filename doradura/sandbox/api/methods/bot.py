"""Bot API methods about the bot itself: who it is, its updates, its descriptions and its requests."""

from __future__ import annotations

import msgspec
import trio

from doradura.sandbox.api.call import Call, Method
from doradura.sandbox.api.fields import Fields, read_json
from doradura.sandbox.http.exchange import HttpRequest
from doradura.sandbox.state.members import RIGHTS
from doradura.sandbox.state.records import Object
from doradura.sandbox.state.refusal import RefusalError, bad_request
from doradura.sandbox.state.updates import DEFAULT_KINDS, DisplacedError, wanted_kinds
from doradura.sandbox.text.links import BadLinkError, https_link

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


async def get_updates(call: Call, request: HttpRequest) -> list[msgspec.Raw]:
    """Answer getUpdates, at once or when an update comes.

    Raises RefusalError if another poll displaces this one.
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


async def _wait(call: Call, request: HttpRequest, timeout: float) -> None:
    """Wait for an update, but no longer than the client does: an abandoned poll must not displace others."""
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
    """Answer deleteWebhook: there is never a webhook, but pending updates may be dropped."""
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
    """Answer setWebhook: an empty URL removes it; any other is refused, because the sandbox reaches nothing outside.

    Raises RefusalError.
    """
    url = call.parameters.text("url").strip()
    if not url:
        return await delete_webhook(call)
    if not url.lower().startswith("https://"):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    raise bad_request("bad webhook: Failed to resolve host: Name or service not known")


def tells(kind: str, limit: int) -> tuple[Method, Method]:
    """Return the methods that set and get the bot's descriptions, per language."""

    async def setter(call: Call) -> bool:
        text = call.parameters.text(kind)
        if len(text) > limit:
            raise bad_request(f"BOT_{kind.upper()}_TOO_LONG")
        key = f"{kind} {call.parameters.text('language_code')}"
        if text:
            call.bot.record.texts[key] = text
        else:
            call.bot.record.texts.pop(key, None)
        call.bot.rename()
        call.bot.keep()
        return True

    async def getter(call: Call) -> Object:
        texts = call.bot.record.texts
        usual = call.bot.user["first_name"] if kind == "name" else ""
        return {kind: texts.get(f"{kind} {call.parameters.text('language_code')}") or texts.get(f"{kind} ") or usual}

    return setter, getter


async def leave_server(_call: Call) -> bool:
    """Answer logOut and close: the bot may go. Unlike with Telegram it may come back at once."""
    return True


async def set_default_rights(call: Call) -> bool:
    """Answer setMyDefaultAdministratorRights, for groups and for channels. Raises RefusalError."""
    given = call.parameters.text("rights")
    rights = read_json(call.parameters, "rights", "ChatAdministratorRights") if given else {}
    if not isinstance(rights, dict):
        raise bad_request("can't parse ChatAdministratorRights: ChatAdministratorRights must be an Object")
    fields = Fields(rights, "can't parse ChatAdministratorRights: ")
    names = (*RIGHTS, *_CHANNEL_RIGHTS) if call.parameters.boolean("for_channels") else RIGHTS
    call.bot.record.rights[_audience(call)] = {name: fields.boolean(name) for name in names}
    call.bot.keep()
    return True


async def get_default_rights(call: Call) -> Object:
    """Answer getMyDefaultAdministratorRights."""
    return call.bot.record.rights.get(_audience(call)) or dict.fromkeys(RIGHTS, False)


def _audience(call: Call) -> str:
    return "channels" if call.parameters.boolean("for_channels") else "groups"


async def set_chat_menu_button(call: Call) -> bool:
    """Answer setChatMenuButton."""
    given = call.parameters.text("menu_button")
    button = _menu_button(read_json(call.parameters, "menu_button", "menu button") if given else {"type": "default"})
    call.bot.record.menu_buttons[_menu_chat(call)] = button
    call.bot.keep()
    return True


def _menu_button(given: object) -> Object:
    """Read a MenuButton. Raises RefusalError."""
    trouble = "can't parse menu button: "
    if not isinstance(given, dict):
        raise bad_request(trouble + "MenuButton must be an Object")
    fields = Fields(given, trouble)
    kind = fields.text("type", required=True)
    if kind in {"default", "commands"}:
        return {"type": kind}
    if kind != "web_app":
        raise fields.refusal("MenuButton has unsupported type")
    text, url = fields.text("text", required=True), fields.inner("web_app").text("url", required=True)
    try:
        link = https_link(url)
    except BadLinkError as error:
        raise bad_request(f"menu button Web App URL '{url}' is invalid: {error}") from None
    return {"type": "web_app", "text": text, "web_app": {"url": link}}


def _menu_chat(call: Call) -> str:
    """Return whose button is meant; empty for everybody's. Raises RefusalError."""
    if "chat_id" not in call.parameters.texts:
        return ""
    user_id = call.parameters.integer("chat_id")
    if user_id <= 0:
        raise bad_request("invalid chat_id specified")
    if user_id not in call.bot.world.users:
        raise bad_request("user not found")
    return str(user_id)


async def get_chat_menu_button(call: Call) -> Object:
    """Answer getChatMenuButton: the chat's own ("default" until it is set), or everybody's (the commands)."""
    chat = _menu_chat(call)
    found = call.bot.record.menu_buttons.get(chat, {"type": "default"})
    return {"type": "commands"} if not chat and found["type"] == "default" else found


async def get_user_profile_photos(call: Call) -> Object:
    """Answer getUserProfilePhotos: nobody here has any. Raises RefusalError for an unknown user."""
    user_id = call.parameters.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    if user_id != call.bot.user_id and user_id not in call.bot.world.users:
        raise bad_request("user not found")
    return {"total_count": 0, "photos": []}
