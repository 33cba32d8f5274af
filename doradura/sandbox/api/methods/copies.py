"""Bot API methods for existing messages: forwarding, copying, deleting several at once."""

from __future__ import annotations

import re
from collections import Counter

from doradura.sandbox.api.call import Call, content_of, message_caption
from doradura.sandbox.api.fields import read_array
from doradura.sandbox.api.keyboards import read_keyboard
from doradura.sandbox.api.methods.messages import MEDIA, may_delete, new_album, send
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import bad_request

SEVERAL_LIMIT = 100
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_NOT_COPIED = frozenset({"reply_markup", "has_protected_content", "media_group_id", "quote", "effect_id"})
SERVICE = (
    "successful_payment",
    "refunded_payment",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "new_chat_members",
    "left_chat_member",
    "new_chat_title",
    "pinned_message",
)


async def forward_message(call: Call) -> Object:
    """Answer forwardMessage: the same content without its buttons, with its origin."""
    return _forward(call, _source(call, call.parameters.integer("message_id"), "forward"), {})


async def forward_messages(call: Call) -> list[Object]:
    """Answer forwardMessages; those that can't be forwarded are skipped, and albums stay together."""
    messages = _several(call, "forward")
    albums = _albums(messages)
    return [{"message_id": _forward(call, each, _album(each, albums))["message_id"]} for each in messages]


async def copy_message(call: Call) -> Object:
    """Answer copyMessage: a new message with the same content, and another caption if one is given."""
    message = _source(call, call.parameters.integer("message_id"), "copy")
    content = _content(message)
    if "caption" in call.parameters.texts and any(key in content for key in MEDIA):
        content = {key: value for key, value in content.items() if not key.startswith("caption")}
        content |= message_caption(call.parameters)
    return {"message_id": send(call, content)["message_id"]}


async def copy_messages(call: Call) -> list[Object]:
    """Answer copyMessages; those that can't be copied are skipped, and albums stay together."""
    sent = []
    messages = _several(call, "copy")
    albums = _albums(messages)
    for message in messages:
        content = _album(message, albums) | _content(message)
        if call.parameters.boolean("remove_caption"):
            content = {key: value for key, value in content.items() if not key.startswith("caption")}
        sent.append({"message_id": send(call, content)["message_id"]})
    return sent


async def delete_messages(call: Call) -> bool:
    """Answer deleteMessages; what is not there, or may not be deleted, is skipped."""
    message_ids = _ids(call)
    chat_id = call.group_or_private_id()
    for message_id in message_ids:
        message = call.bot.message(chat_id, message_id)
        if message is not None and may_delete(call.bot, message):
            call.bot.delete_message(message)
    return True


def _albums(messages: list[Message]) -> dict[str, str]:
    """Return a new album for each album with several of the messages."""
    counted = Counter(str(message.body.get("media_group_id", "")) for message in messages)
    return {name: new_album() for name, count in counted.items() if name and count > 1}


def _album(message: Message, albums: dict[str, str]) -> Object:
    """Return a message's new album, as a field."""
    name = albums.get(str(message.body.get("media_group_id", "")))
    return {} if name is None else {"media_group_id": name}


def _forward(call: Call, message: Message, album: Object) -> Object:
    sender, date = message.body["from"], message.body["date"]
    origin = {"type": "user", "sender_user": sender, "date": date}
    content: Object = {"forward_origin": origin, "forward_from": sender, "forward_date": date}
    if "forward_origin" in message.body:
        content = {key: message.body[key] for key in content}
    read_keyboard(call.parameters)
    return send(call, album | content | _content(message), invoice_id=message.invoice_id)


def _content(message: Message) -> Object:
    return {key: value for key, value in content_of(message).items() if key not in _NOT_COPIED}


def _source(call: Call, message_id: int, verb: str) -> Message:
    """Return the message. Raises RefusalError."""
    call.required("from_chat_id")
    chat_id = call.chat_id("from_chat_id")
    if call.bot.chat(chat_id) is None:
        raise bad_request("chat not found")
    message = call.bot.message(chat_id, message_id)
    if message is None:
        raise bad_request(f"message to {verb} not found")
    if not _may_leave(message, verb):
        raise bad_request(f"message can't be {'copied' if verb == 'copy' else 'forwarded'}")
    return message


def _may_leave(message: Message, verb: str) -> bool:
    """Return whether a message may be forwarded or copied."""
    service = any(key in message.body for key in SERVICE)
    return not (service or message.body.get("has_protected_content") or (verb == "copy" and message.invoice_id))


def _several(call: Call, verb: str) -> list[Message]:
    """Return those of the messages that exist and may be forwarded or copied. Raises RefusalError if there are none."""
    call.required("from_chat_id")
    message_ids = _ids(call)
    call.writable_chat_id()
    chat_id = call.chat_id("from_chat_id")
    if call.bot.chat(chat_id) is None:
        raise bad_request("chat not found")
    messages = [call.bot.message(chat_id, message_id) for message_id in message_ids]
    found = [message for message in messages if message is not None]
    if not found:
        raise bad_request("there are no messages to forward")
    allowed = [message for message in found if _may_leave(message, verb)]
    if not allowed:
        raise bad_request("messages can't be forwarded")
    return allowed


def _ids(call: Call) -> list[int]:
    """Read message_ids. Raises RefusalError."""
    if not call.parameters.text("message_ids"):
        raise bad_request("message identifiers are not specified")
    ids = read_array(call.parameters, "message_ids", "message_ids", "message identifiers")
    if len(ids) > SEVERAL_LIMIT:
        raise bad_request("too many message identifiers specified")
    if not ids:
        raise bad_request("message identifiers are not specified")
    return [_message_id(number) for number in ids]


def _message_id(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        raise bad_request("message identifier must be a Number")
    if not _WHOLE_NUMBER.fullmatch(str(number)):
        raise bad_request("can't parse message identifier as Number")
    if int(number) <= 0:
        raise bad_request("invalid message identifier specified")
    return int(number)
