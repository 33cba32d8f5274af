"""One Bot API call while it is answered: who calls, with what, and how parameters are read that many methods share.

Raises RefusalError with the server's texts. Source: tdlib/telegram-bot-api, Client.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from doradura.sandbox.api.fields import Fields, read_object
from doradura.sandbox.api.keyboards import ReplyMarkup, check_place
from doradura.sandbox.api.parameters import Parameters
from doradura.sandbox.api.texts import formatted
from doradura.sandbox.state.blobs import StoredUpload
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.files import Files
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.entities import STYLES, Entity, units
from doradura.sandbox.text.links import kept_link
from doradura.sandbox.text.numbers import leading_integer

TEXT_LIMIT_UNITS = 4096
CAPTION_LIMIT_UNITS = 1024

_USER_LINK = re.compile(r"tg://user\?id=(\d{1,19})")
_QUOTED = frozenset({*STYLES, "custom_emoji", "date_time"})
_MARKUP = frozenset({"html", "markdown", "markdownv2"})
_PREVIEW_FLAGS = ("is_disabled", "prefer_small_media", "prefer_large_media", "show_above_text")
_INLINE_ID = re.compile(r"[A-Za-z0-9_-]{27}|[A-Za-z0-9_-]{32}", re.ASCII)
_HEAD = ("message_id", "from", "chat", "date", "edit_date")
_LASTING = ("has_protected_content", "media_group_id", "quote", "effect_id")
"""Set when a message is sent; edits do not change it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call from one bot."""

    bot: Bot
    parameters: Parameters
    files: Files

    def required(self, name: str) -> str:
        """Return a parameter that must not be empty. Raises RefusalError."""
        text = self.parameters.text(name)
        if not text:
            raise bad_request(f'parameter "{name}" is required')
        return text

    def chat_id(self, name: str = "chat_id") -> int:
        """Return chat_id, or another parameter that names a chat. Channel names are not supported.

        Raises RefusalError.
        """
        text = self.parameters.text(name)
        if not text:
            raise bad_request(f"{name} is empty")
        return leading_integer(text)

    def writable_chat_id(self) -> int:
        """Return chat_id if the bot may send there. Raises RefusalError."""
        chat_id = self.chat_id()
        if self.parameters.text("business_connection_id"):
            raise bad_request("business connection not found")
        self.bot.writable_chat(chat_id)
        return chat_id

    def group_or_private_id(self) -> int:
        """Return chat_id if the bot is in that chat, even if the user blocked it. Raises RefusalError."""
        chat_id = self.chat_id()
        if self.bot.chat(chat_id) is None:
            raise bad_request("chat not found")
        group = self.bot.groups.get(chat_id)
        refusal = group.refusal() if group is not None else None
        if refusal is not None:
            raise refusal
        return chat_id

    def own_message(self) -> Message:
        """Return the message to edit. Raises RefusalError."""
        message_id = self.parameters.integer("message_id")
        if not self.parameters.text("chat_id") and message_id <= 0:
            inline_id = self.parameters.text("inline_message_id")
            if not inline_id:
                raise bad_request("message identifier is not specified")
            known = _INLINE_ID.fullmatch(inline_id)
            raise bad_request("MESSAGE_ID_INVALID" if known else "invalid inline message identifier specified")
        message = self.bot.message(self.writable_chat_id(), message_id)
        if message is None:
            raise bad_request("message to edit not found")
        if not message.own or message.fixed or "forward_origin" in message.body:
            raise bad_request("message can't be edited")
        return message

    def reply_to(self, chat_id: int) -> int:
        """Return the id of the message that is replied to; 0 for none. Raises RefusalError."""
        parameters = self.parameters
        wanted, optional = parameters.integer("reply_to_message_id"), parameters.boolean("allow_sending_without_reply")
        if "reply_parameters" in parameters.texts:
            given = Fields(self._reply_parameters())
            wanted, optional = 0, given.boolean("allow_sending_without_reply")
            if given.members:
                wanted = given.integer("message_id", required=True)
        replied = wanted if wanted > 0 and self.bot.message(chat_id, wanted) is not None else 0
        if wanted > 0 and not replied and not optional:
            raise bad_request("message to be replied not found")
        # there are no topics here
        if parameters.integer("message_thread_id") > 0:
            raise bad_request("message thread not found")
        return replied

    def _reply_parameters(self) -> Object:
        if not self.parameters.text("reply_parameters"):
            return {}
        return read_object(self.parameters, "reply_parameters", "reply parameters")

    def effect(self, chat_id: int) -> Object:
        """Return the effect that a message is sent with, as a field; empty if there is none. Raises RefusalError."""
        effect_id = leading_integer(self.parameters.text("message_effect_id"))
        if not effect_id:
            return {}
        if chat_id < 0:
            raise bad_request("can't use message effects in the chat")
        return {"effect_id": str(effect_id)}

    def quote(self, chat_id: int, reply_to: int) -> Object:
        """Return the quoted part of the message replied to, as a field; empty if nothing is quoted.

        Raises RefusalError.
        """
        given = self._reply_parameters()
        message = self.bot.message(chat_id, reply_to)
        if message is None or not given.get("quote"):
            return {}
        mode, entities = str(given.get("quote_parse_mode", "")), given.get("quote_entities")
        plain, found = formatted(str(given["quote"]), mode, entities)
        text = str(message.body.get("text") or message.body.get("caption") or "")
        at = text.find(plain)
        if at < 0 or not plain:
            raise bad_request("QUOTE_TEXT_INVALID")
        kept = [entity for entity in found if entity["type"] in _QUOTED]
        place = {"position": units(text[:at]), "is_manual": True}
        return {"quote": {"text": plain, **({"entities": kept} if kept else {}), **place}}

    def upload(self, value: str, part: str) -> StoredUpload | None:
        """Return the uploaded file that a value refers to: `attach://name`, or the part named like the parameter."""
        if value.startswith("attach://"):
            return self.parameters.files.get(value.removeprefix("attach://"))
        return self.parameters.files.get(part) if not value else None

    def thumbnail(self, fields: Mapping[str, object]) -> StoredUpload | None:
        """Return the uploaded thumbnail, by its present name or that before Bot API 6.6; anything else is ignored."""
        for name in ("thumbnail", "thumb"):
            value = str(fields.get(name, ""))
            found = self.upload(value if value.startswith("attach://") else "", name)
            if found is not None:
                return found
        return None

    def finish_edit(self, message: Message, content: Object) -> Object:
        """Replace an edited message's content. Raises RefusalError if it has that content already."""
        content = {**{key: message.body[key] for key in _LASTING if key in message.body}, **content}
        content = name_mentioned(content, self.bot.world.users)
        shown = ReplyMarkup(inline=content.get("reply_markup"))
        check_place(shown, private=message.chat_id > 0, invoice=bool(message.invoice_id))
        if content == content_of(message):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
        self.bot.change_message(message, content)
        # Unlike a message that is sent, an edited one is returned without what it replies to.
        return message.body


def name_mentioned(content: Object, users: Mapping[int, Object]) -> Object:
    """Turn links to users into mentions, as the server does; an unknown user is not mentioned."""
    named = dict(content)
    for key in ("entities", "caption_entities"):
        if key in content:
            entities = [_mention(entity, users) for entity in content[key]]
            named[key] = [entity for entity in entities if entity is not None]
            if not named[key]:
                del named[key]
    return named


def _mention(entity: Entity, users: Mapping[int, Object]) -> Entity | None:
    if entity["type"] == "text_mention":
        given = entity.get("user")
        user_id = str(given.get("id")) if isinstance(given, dict) else ""
    elif entity["type"] == "text_link" and (found := _USER_LINK.fullmatch(entity.get("url", ""))):
        user_id = found[1]
    else:
        return entity
    user = users.get(int(user_id)) if user_id.isdecimal() else None
    if user is None:
        return None
    return {"type": "text_mention", "offset": entity["offset"], "length": entity["length"], "user": user}


Method = Callable[[Call], Awaitable[object]]
"""A function that answers one Bot API method with its result."""


def content_of(message: Message) -> Object:
    """Return a message's content, without its sender, chat and time."""
    return {key: value for key, value in message.body.items() if key not in _HEAD}


def message_text(parameters: Parameters) -> Object:
    """Return the content of a text message (text, parse_mode, entities, link_preview_options). Raises RefusalError."""
    preview = _link_preview(parameters)
    text = parameters.text("text")
    if not text:
        raise bad_request("message text is empty")
    _check_utf8(parameters, "text")
    mode, given = parameters.text("parse_mode"), read_entities(parameters, "entities")
    plain, entities = formatted(text, mode, given, may_be_empty=False)
    if units(plain) > TEXT_LIMIT_UNITS:
        raise bad_request("message is too long")
    return {"text": plain, **({"entities": entities} if entities else {}), **preview}


def _link_preview(parameters: Parameters) -> Object:
    """Return link_preview_options as a field; empty for the default."""
    if not parameters.text("link_preview_options"):
        disabled = parameters.boolean("disable_web_page_preview")
        return {"link_preview_options": {"is_disabled": True}} if disabled else {}
    fields = Fields(read_object(parameters, "link_preview_options", "link preview options"))
    options: Object = {name: True for name in _PREVIEW_FLAGS if fields.boolean(name)}
    if url := kept_link(fields.text("url")):
        options["url"] = url
    return {"link_preview_options": options} if options else {}


def captioned(plain: str, found: list[Entity]) -> Object:
    """Return the fields of a parsed caption; none for an empty one. Raises RefusalError."""
    if units(plain) > CAPTION_LIMIT_UNITS:
        raise bad_request("message caption is too long")
    content: Object = {"caption": plain} if plain else {}
    if plain and found:
        content["caption_entities"] = found
    return content


def message_caption(parameters: Parameters) -> Object:
    """Return the fields of caption, parse_mode and caption_entities. Raises RefusalError."""
    _check_utf8(parameters, "caption")
    entities = read_entities(parameters, "caption_entities")
    content = captioned(*formatted(parameters.text("caption"), parameters.text("parse_mode"), entities))
    if content and parameters.boolean("show_caption_above_media"):
        content["show_caption_above_media"] = True
    return content


def _check_utf8(parameters: Parameters, name: str) -> None:
    if name in parameters.garbled:
        marked_up = parameters.text("parse_mode").strip().lower() in _MARKUP
        raise bad_request(f"{'text' if marked_up else 'strings'} must be encoded in UTF-8")


def read_entities(parameters: Parameters, name: str) -> object:
    """Return the given entities; a text that is not JSON counts as none."""
    try:
        return parameters.json(name) if parameters.text(name) else None
    except msgspec.DecodeError:
        return None
