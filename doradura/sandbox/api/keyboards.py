"""Reads reply_markup, with the error texts of the Bot API server.

Pure. Only an inline keyboard is part of the message that a bot gets; the others belong to the person, and a message
sent with one can't be edited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from doradura.sandbox.api.fields import Fields, read_json
from doradura.sandbox.api.parameters import Parameters
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.links import BadLinkError, checked_link, https_link, user_id_in

CALLBACK_LIMIT_BYTES = 64
COPY_LIMIT = 256
BUTTON_LIMIT = 100
"""Buttons in one keyboard; Telegram's own servers refuse more."""
ROW_LIMIT = 12
"""Buttons in one row; the server ignores further ones."""

_LOOKS = ("icon_custom_emoji_id", "style")
_AUDIENCES = ("allow_user_chats", "allow_bot_chats", "allow_group_chats", "allow_channel_chats")
_PRIVATE_ONLY = (
    ("request_contact", "phone number can be requested in private chats only"),
    ("request_location", "location can be requested in private chats only"),
    ("request_poll", "poll can be requested in private chats only"),
    ("web_app", "Web App buttons can be used in private chats only"),
    ("request_users", "users can be requested in private chats only"),
    ("request_chat", "chats can be requested in private chats only"),
)


@dataclass(frozen=True, slots=True)
class ReplyMarkup:
    """The reply_markup that a message is sent with."""

    inline: dict[str, Any] | None = None
    """An InlineKeyboardMarkup, which becomes part of the message."""
    reply: dict[str, Any] | None = None
    """A keyboard below the input field, its removal, or a forced reply."""


def read_keyboard(parameters: Parameters) -> ReplyMarkup:
    """Read the parameter reply_markup. Raises RefusalError."""
    if not parameters.text("reply_markup"):
        return ReplyMarkup()
    markup = read_json(parameters, "reply_markup", "reply keyboard markup")
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    # If one markup has two keyboards, the one that is not inline is shown.
    shown = _rows(markup, "keyboard", "", _reply_button)
    if shown:
        return ReplyMarkup(reply={**markup, "keyboard": shown})
    inline = _rows(markup, "inline_keyboard", " of the InlineKeyboardMarkup", _inline_button)
    if sum(len(row) for row in inline) > BUTTON_LIMIT:
        raise bad_request("reply markup is too long")
    if inline:
        return ReplyMarkup(inline={"inline_keyboard": inline})
    return ReplyMarkup(reply=markup if markup.get("remove_keyboard") or markup.get("force_reply") else None)


def check_place(keyboard: ReplyMarkup, *, private: bool, invoice: bool) -> None:
    """Refuse buttons that the message can't have: payment without an invoice, an app outside a private chat.

    Raises RefusalError.
    """
    buttons = [button for row in (keyboard.inline or {}).get("inline_keyboard", []) for button in row]
    if any("pay" in button for button in buttons) and not invoice:
        raise bad_request("BUTTON_TYPE_INVALID")
    if any("web_app" in button for button in buttons) and not private:
        raise bad_request("BUTTON_TYPE_INVALID")
    if private:
        return
    asking = [button for row in (keyboard.reply or {}).get("keyboard", []) for button in row]
    for name, trouble in _PRIVATE_ONLY:
        if any(button.get(name) for button in asking):
            raise bad_request(trouble)


def check_edited(keyboard: ReplyMarkup) -> None:
    """Refuse a keyboard that an edited message can't have: one that is not inline. Raises RefusalError."""
    if keyboard.reply is not None:
        raise bad_request("inline keyboard expected")


def _rows(
    markup: dict[str, Any], name: str, whose: str, read: Callable[[object], dict[str, Any] | None]
) -> list[list[dict[str, Any]]]:
    """Read rows of buttons, without those that would be empty."""
    rows = markup.get(name, [])
    if not isinstance(rows, list):
        raise bad_request(f'field "{name}" must be of type Array')
    kept = []
    for row in rows:
        if not isinstance(row, list):
            raise bad_request(f'field "{name}"{whose} must be an Array of Arrays')
        buttons = [button for button in map(read, row) if button is not None]
        if buttons:
            kept.append(buttons[:ROW_LIMIT])
    return kept


def _reply_button(button: object) -> dict[str, Any] | None:
    """Read a button of a keyboard that is not inline; a plain text becomes an object."""
    trouble = "can't parse keyboard button: "
    if isinstance(button, str):
        return {"text": button} if button else None
    if not isinstance(button, dict):
        raise bad_request(trouble + "KeyboardButton must be a String or an Object")
    text = Fields(button, trouble).text("text", required=True)
    return {**button, "text": text} if text else None


def _inline_button(button: object) -> dict[str, Any] | None:
    """Read an inline button and return the part of it that a message shows."""
    trouble = "can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise bad_request(trouble + "InlineKeyboardButton must be an Object")
    fields = Fields(button, trouble)
    text, action = fields.text("text", required=True), _action(fields)
    if not text:
        return None
    return {"text": text, **action, **{name: button[name] for name in _LOOKS if name in button}}


def _action(fields: Fields) -> dict[str, Any]:
    """Read a button's action: the first of several, in the server's order."""
    for name, read in _ACTIONS:
        if fields.has(name) and (action := read(fields)) is not None:
            return action
    raise fields.refusal("Text buttons are unallowed in the inline keyboard")


def _url(fields: Fields) -> dict[str, Any] | None:
    url = fields.text("url")
    return {"url": _link(url, "")} if url else None


def _data(fields: Fields) -> dict[str, Any] | None:
    data = fields.text("callback_data")
    if len(data.encode()) > CALLBACK_LIMIT_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return {"callback_data": data} if data else None


def _login(fields: Fields) -> dict[str, Any]:
    """Read a login link; the result is a plain link, as from the server."""
    return {"url": _link(fields.inner("login_url").text("url", required=True), "login")}


def _web_app(fields: Fields) -> dict[str, Any]:
    return {"web_app": {"url": _link(fields.inner("web_app").text("url", required=True), "Web App")}}


def _copied(fields: Fields) -> dict[str, Any]:
    text = fields.inner("copy_text").text("text", required=True)
    if not 1 <= len(text) <= COPY_LIMIT:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return {"copy_text": {"text": text}}


def _chosen_chat(outer: Fields) -> dict[str, Any]:
    """Read which chats may be chosen; switch_inline_query means all of them."""
    fields = outer.inner("switch_inline_query_chosen_chat")
    query = fields.text("query")
    audience = {name: fields.boolean(name) for name in _AUDIENCES}
    if all(audience.values()):
        return {"switch_inline_query": query}
    return {"switch_inline_query_chosen_chat": {"query": query, **audience}}


def _link(url: str, called: str) -> str:
    """Read a link: one to a user is kept as it is at first; only a plain link may lead there."""
    if user_id := user_id_in(url):
        if called:
            raise bad_request(f"link to a user can't be used in {called} URL buttons")
        return f"tg://user?id={user_id}"
    try:
        return https_link(url) if called else checked_link(url)
    except BadLinkError as error:
        whose = f"{called} " if called else ""
        raise bad_request(f"inline keyboard button {whose}URL '{url}' is invalid: {error}") from None


_ACTIONS: tuple[tuple[str, Callable[[Fields], dict[str, Any] | None]], ...] = (
    ("url", _url),
    ("callback_data", _data),
    ("callback_game", lambda _: {"callback_game": {}}),
    ("pay", lambda _: {"pay": True}),
    ("switch_inline_query", lambda fields: {"switch_inline_query": fields.text("switch_inline_query")}),
    ("switch_inline_query_chosen_chat", _chosen_chat),
    (
        "switch_inline_query_current_chat",
        lambda fields: {"switch_inline_query_current_chat": fields.text("switch_inline_query_current_chat")},
    ),
    ("login_url", _login),
    ("web_app", _web_app),
    ("copy_text", _copied),
)
