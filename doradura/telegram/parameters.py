"""Parameters that several of the Bot API's methods share. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from doradura.telegram.types import Keyboard

ChatAction = Literal["typing", "upload_document", "upload_video", "upload_voice", "upload_photo", "record_video"]


def given(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the values that are not None: in a JSON body the server would read null as the text "null"."""
    return {key: value for key, value in parameters.items() if value is not None}


def chat_scope(chat_id: int | None) -> dict[str, object] | None:
    """Return the scope of one chat (https://core.telegram.org/bots/api#botcommandscopechat); None means everybody."""
    return None if chat_id is None else {"type": "chat", "chat_id": chat_id}


def reply(reply_to: int | None) -> dict[str, object]:
    """Return the parameters of a reply; it is sent even if the message it answers was deleted meanwhile."""
    if reply_to is None:
        return {}
    return {"reply_parameters": {"message_id": reply_to, "allow_sending_without_reply": True}}


def markup(keyboard: Keyboard | None) -> dict[str, object]:
    """Return the buttons under a message; an edit without buttons removes them."""
    return {} if keyboard is None else {"reply_markup": {"inline_keyboard": keyboard}}
