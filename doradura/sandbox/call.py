"""One Bot API call while it is answered: who calls, with what, and the readings of parameters that many methods share.

Raises RefusalError with the server's texts. Source: tdlib/telegram-bot-api, Client.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from doradura.sandbox.bot import Bot
from doradura.sandbox.detect import detect_entities
from doradura.sandbox.files import Files
from doradura.sandbox.markup import Entity, MarkupError, parse_html, trim, units
from doradura.sandbox.parameters import Parameters, Upload, leading_integer
from doradura.sandbox.records import Message, Object
from doradura.sandbox.refusal import bad_request

TEXT_LIMIT_UNITS = 4096
CAPTION_LIMIT_UNITS = 1024
RAW_TEXT_LIMIT_BYTES = 32_768

_HEAD = ("message_id", "from", "chat", "date", "edit_date")
_LASTING = ("has_protected_content",)
"""Set when a message is sent, and not touched by edits."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one bot's."""

    bot: Bot
    parameters: Parameters
    files: Files

    def chat_id(self) -> int:
        """Read chat_id. Names of channels are no chats here."""
        text = self.parameters.text("chat_id").strip()
        if not text:
            raise bad_request("chat_id is empty")
        try:
            return int(text)
        except ValueError:
            raise bad_request("chat not found") from None

    def writable_chat_id(self) -> int:
        """Read chat_id and make sure that the bot may send there."""
        chat_id = self.chat_id()
        self.bot.writable_chat(chat_id)
        return chat_id

    def own_message(self) -> Message:
        """Give the message that is to be edited."""
        if self.parameters.text("inline_message_id"):
            raise bad_request("MESSAGE_ID_INVALID")
        chat_id = self.writable_chat_id()
        message_id = self.parameters.integer("message_id")
        if message_id <= 0:
            raise bad_request("message identifier is not specified")
        message = self.bot.message(chat_id, message_id)
        if message is None:
            raise bad_request("message to edit not found")
        if not message.own or message.fixed:
            raise bad_request("message can't be edited")
        return message

    def reply_to(self, chat_id: int) -> int:
        """Read which message is replied to; 0 for none."""
        parameters = self.parameters
        wanted, optional = parameters.integer("reply_to_message_id"), parameters.boolean("allow_sending_without_reply")
        if parameters.text("reply_parameters"):
            try:
                given = parameters.json("reply_parameters")
            except msgspec.DecodeError:
                raise bad_request("can't parse reply parameters JSON object") from None
            if not isinstance(given, dict):
                raise bad_request("object expected as reply parameters")
            wanted = leading_integer(str(given.get("message_id", 0)))
            optional = given.get("allow_sending_without_reply") is True
        if wanted > 0 and self.bot.message(chat_id, wanted) is not None:
            return wanted
        if wanted and not optional:
            raise bad_request("message to be replied not found")
        return 0

    def upload(self, value: str, part: str) -> Upload | None:
        """Give the uploaded file a value refers to: `attach://name`, or the part called like the parameter."""
        if value.startswith("attach://"):
            found = self.parameters.files.get(value.removeprefix("attach://"))
            if found is None:
                raise bad_request("wrong file identifier/HTTP URL specified")
            return found
        return self.parameters.files.get(part) if not value else None

    def finish_edit(self, message: Message, content: Object) -> Object:
        """Give an edited message its new content, unless that is what it has."""
        content = {**{key: message.body[key] for key in _LASTING if key in message.body}, **content}
        if content == content_of(message):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
        self.bot.change_message(message, content)
        return self.bot.shown(message)


def content_of(message: Message) -> Object:
    """Give what a message says, without who said it, where and when."""
    return {key: value for key, value in message.body.items() if key not in _HEAD}


def formatted(text: str, mode: str, entities: object) -> tuple[str, list[Entity]]:
    """Give a text and its entities: of the markup, or those given, and in both cases those Telegram finds itself."""
    if len(text.encode()) > RAW_TEXT_LIMIT_BYTES:
        raise bad_request("text is too long")
    mode = mode.strip().lower()
    if mode == "html":
        try:
            plain, found = parse_html(text)
        except MarkupError as error:
            raise bad_request(f"can't parse entities: {error}") from None
    elif mode in {"", "none"}:
        plain, found = trim(text, _given_entities(entities))
    else:
        raise bad_request("unsupported parse_mode")
    return plain, detect_entities(plain, found)


def message_text(parameters: Parameters) -> Object:
    """Read text, parse_mode, entities and link_preview_options of a text message."""
    text = parameters.text("text")
    if not text:
        raise bad_request("message text is empty")
    plain, entities = formatted(text, parameters.text("parse_mode"), _json_or_none(parameters, "entities"))
    if not plain:
        raise bad_request("text must be non-empty")
    if units(plain) > TEXT_LIMIT_UNITS:
        raise bad_request("message is too long")
    content: Object = {"text": plain}
    if entities:
        content["entities"] = entities
    preview = _json_or_none(parameters, "link_preview_options")
    if isinstance(preview, dict) and preview:
        content["link_preview_options"] = preview
    elif parameters.boolean("disable_web_page_preview"):
        content["link_preview_options"] = {"is_disabled": True}
    return content


def caption(text: str, mode: str, entities: object) -> Object:
    """Make the fields of a caption; none for an empty one."""
    plain, found = formatted(text, mode, entities)
    if units(plain) > CAPTION_LIMIT_UNITS:
        raise bad_request("message caption is too long")
    content: Object = {"caption": plain} if plain else {}
    if plain and found:
        content["caption_entities"] = found
    return content


def message_caption(parameters: Parameters) -> Object:
    """Read caption, parse_mode and caption_entities."""
    entities = _json_or_none(parameters, "caption_entities")
    content = caption(parameters.text("caption"), parameters.text("parse_mode"), entities)
    if content and parameters.boolean("show_caption_above_media"):
        content["show_caption_above_media"] = True
    return content


def _json_or_none(parameters: Parameters, name: str) -> object:
    try:
        return parameters.json(name) if parameters.text(name) else None
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {name} JSON object") from None


def _given_entities(value: object) -> list[Entity]:
    """Keep those of the given entities that have a type and a place."""
    kept: list[Entity] = []
    for entity in value if isinstance(value, list) else []:
        if isinstance(entity, dict) and isinstance(entity.get("type"), str):
            place: list[Any] = [entity.get("offset"), entity.get("length")]
            if all(type(number) is int for number in place) and place[1] > 0:
                kept.append(entity)
    return kept
