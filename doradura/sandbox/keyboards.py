"""Reads reply_markup, with the errors the Bot API server gives.

Pure. Only an inline keyboard is part of the message a bot gets; the others are a person's, and a message sent with one
can't be edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from doradura.sandbox.parameters import Parameters
from doradura.sandbox.refusal import bad_request

CALLBACK_LIMIT_BYTES = 64
COPY_LIMIT = 256
BUTTON_LIMIT = 100
"""Buttons in one keyboard; Telegram's own servers refuse more."""

_OTHER_ACTIONS = frozenset(
    {
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat",
        "copy_text",
        "callback_game",
        "pay",
    }
)
_SHOWN = frozenset({"text", "url", "callback_data", "icon_custom_emoji_id", "style", *_OTHER_ACTIONS})


@dataclass(frozen=True, slots=True)
class Keyboard:
    """What a message is sent with."""

    inline: dict[str, Any] | None = None
    """An InlineKeyboardMarkup, which becomes part of the message."""
    reply: dict[str, Any] | None = None
    """A keyboard below the input field, its removal, or a forced reply."""


def read_keyboard(parameters: Parameters) -> Keyboard:
    """Read the parameter reply_markup. Raises RefusalError."""
    if not parameters.text("reply_markup"):
        return Keyboard()
    try:
        markup = parameters.json("reply_markup")
    except msgspec.DecodeError:
        raise bad_request("can't parse reply keyboard markup JSON object") from None
    if markup is None:
        return Keyboard()
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in markup:
        return Keyboard(reply=_reply_keyboard(markup))
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" must be an Array of Arrays')
    keyboard = [[_button(button) for button in row] for row in rows if row]
    if sum(len(row) for row in keyboard) > BUTTON_LIMIT:
        raise bad_request("reply markup is too long")
    return Keyboard(inline={"inline_keyboard": keyboard} if keyboard else None)


def check_place(markup: Any, *, private: bool, invoice: bool) -> None:
    """Refuse buttons a message can't have where it is: to pay without an invoice, an app outside of a private chat."""
    buttons = [button for row in (markup or {}).get("inline_keyboard", []) for button in row]
    if any("pay" in button for button in buttons) and not invoice:
        raise bad_request("BUTTON_TYPE_INVALID")
    if any("web_app" in button for button in buttons) and not private:
        raise bad_request("BUTTON_TYPE_INVALID")


def _reply_keyboard(markup: dict[str, Any]) -> dict[str, Any] | None:
    """Check a keyboard that is not inline; buttons that are mere texts become objects."""
    if "keyboard" not in markup:
        return markup if markup.get("remove_keyboard") or markup.get("force_reply") else None
    rows = markup["keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "keyboard" must be an Array of Arrays')
    keyboard = []
    for row in rows:
        buttons = [{"text": button} if isinstance(button, str) else button for button in row]
        if not all(isinstance(button, dict) and isinstance(button.get("text"), str) for button in buttons):
            raise bad_request("can't parse keyboard button: Can't find field \"text\"")
        if not all(button["text"].strip() for button in buttons):
            raise bad_request("keyboard button text is empty")
        if buttons:
            keyboard.append(buttons)
    return {**markup, "keyboard": keyboard} if keyboard else None


def _button(button: object) -> dict[str, Any]:
    """Check an inline button and give what of it a message shows."""
    trouble = "can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise bad_request(trouble + "InlineKeyboardButton must be an Object")
    if not isinstance(button.get("text"), str):
        raise bad_request(
            trouble + ('Field "text" must be of type String' if "text" in button else 'Can\'t find field "text"')
        )
    if not button["text"].strip():
        raise bad_request(
            "text buttons must be non-empty" if button["text"] else "inline keyboard button text is empty"
        )
    _check_action(button, trouble)
    return {key: value for key, value in button.items() if key in _SHOWN}


def _check_action(button: dict[str, Any], trouble: str) -> None:
    """Check what a press does: the first of the actions, in the server's order."""
    if "url" in button:
        _check_url(str(button["url"]))
    elif "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 0 < len(data.encode()) <= CALLBACK_LIMIT_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
    elif not _OTHER_ACTIONS & button.keys():
        raise bad_request(trouble + "Text buttons are unallowed in the inline keyboard")
    for name in ("login_url", "web_app", "copy_text"):
        if name in button and not isinstance(button[name], dict):
            raise bad_request(f'{trouble}Field "{name}" must be of type Object')
    if "login_url" in button:
        _check_url(str(button["login_url"].get("url", "")))
    elif "web_app" in button and not str(button["web_app"].get("url", "")).lower().startswith("https://"):
        address = button["web_app"].get("url", "")
        raise bad_request(f"inline keyboard button Web App URL '{address}' is invalid: Only HTTPS links are allowed")
    elif "copy_text" in button and not 1 <= len(str(button["copy_text"].get("text", ""))) <= COPY_LIMIT:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")


def _check_url(url: str) -> None:
    """Refuse what Telegram would not make a link of: other schemes, and hosts without a dot such as localhost."""
    refused = bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if not url:
        raise bad_request("BUTTON_URL_INVALID")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        raise refused from None
    if parts.scheme in {"tg", "ton"}:
        return
    if parts.scheme not in {"http", "https"} or not ("." in host.strip(".") or ":" in host) or " " in url:
        raise refused
