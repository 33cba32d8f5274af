"""Reads the texts of a call: their markup or given entities, with what Telegram makes of both.

Raises RefusalError with the server's texts. Sources: tdlib/telegram-bot-api, Client.cpp (get_formatted_text,
get_text_entity), and TDLib's get_message_entities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from doradura.sandbox.api.fields import Fields
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.detect import detect_entities
from doradura.sandbox.text.entities import CODE, QUOTATIONS, STYLES, Entity, EntityError, fix_text
from doradura.sandbox.text.links import BadLinkError, checked_link, custom_emoji_id, user_id_in
from doradura.sandbox.text.markdown import parse_markdown, parse_markdown_v2
from doradura.sandbox.text.markup import MarkupError, parse_html, time_entity

RAW_LIMIT_BYTES = 32_768

_PARSERS: Mapping[str, Callable[[str], tuple[str, list[Entity]]]] = MappingProxyType(
    {"html": parse_html, "markdownv2": parse_markdown_v2, "markdown": parse_markdown}
)
_GIVEN = frozenset({*STYLES, *QUOTATIONS, *CODE, "text_link", "text_mention", "custom_emoji"})
_FOUND = frozenset({"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number"})
"""Entities that a bot names without effect: the server finds these itself."""
_TROUBLE = "can't parse MessageEntity: "
_INT32 = range(-(1 << 31), 1 << 31)


def formatted(text: str, mode: str, entities: object, *, may_be_empty: bool = True) -> tuple[str, list[Entity]]:
    """Return a text and its entities: from the markup or as given, plus those that Telegram finds itself.

    Raises RefusalError.
    """
    if len(text.encode()) > RAW_LIMIT_BYTES:
        raise bad_request("text is too long")
    mode = mode.strip().lower() if text else ""
    if mode in _PARSERS:
        try:
            plain, given = _PARSERS[mode](text)
        except MarkupError as error:
            raise bad_request(f"can't parse entities: {error}") from None
    elif mode in {"", "none"}:
        plain, given = text, given_entities(entities)
    else:
        raise bad_request("unsupported parse_mode")
    try:
        plain, given = fix_text(plain, given, may_be_empty=may_be_empty)
    except EntityError as error:
        raise bad_request(str(error)) from None
    return plain, detect_entities(plain, given)


def given_entities(value: object) -> list[Entity]:
    """Return the entities that a bot gives; anything but a list counts as none."""
    found = [_given(each) for each in value] if isinstance(value, list) else []
    return [_checked(entity) for entity in found if entity is not None]


def _given(value: object) -> Entity | None:
    """Return one entity; nothing for a kind that the server finds itself."""
    if not isinstance(value, dict):
        raise bad_request(_TROUBLE + "expected an Object")
    # Null counts as missing: some clients write it for what they leave out.
    given = Fields({name: member for name, member in value.items() if member is not None}, _TROUBLE)
    place = {name: given.integer(name, required=True, within=_INT32) for name in ("offset", "length")}
    kind = given.text("type", required=True)
    if not kind:
        raise given.refusal("Type is not specified")
    if kind in _FOUND:
        return None
    if kind not in _GIVEN:
        raise given.refusal("Unsupported type specified")
    return {"type": kind, **place, **_more(given, kind)}


def _more(given: Fields, kind: str) -> Entity:
    """Return the fields of a kind of entity besides its position."""
    if kind == "text_link":
        return {"url": given.text("url", required=True)}
    if kind == "pre" and given.members.get("language"):
        return {"language": given.text("language")}
    if kind == "custom_emoji":
        return {"custom_emoji_id": given.text("custom_emoji_id", required=True)}
    if kind == "date_time":
        unix = given.integer("unix_time", required=True, within=_INT32)
        return {"unix_time": unix, "date_time_format": str(given.members.get("date_time_format", ""))}
    if kind == "text_mention":
        if not isinstance(given.members.get("user"), dict):
            raise given.refusal('Can\'t find field "user"')
        return {"user": given.members["user"]}
    return {}


def _checked(entity: Entity) -> Entity:
    """Return an entity as Telegram keeps it."""
    if entity["type"] == "text_link":
        return {**entity, "url": _link(entity["url"])}
    if entity["type"] == "custom_emoji":
        emoji_id = custom_emoji_id(entity["custom_emoji_id"])
        if not emoji_id:
            raise bad_request("Invalid custom emoji identifier specified")
        return {**entity, "custom_emoji_id": emoji_id}
    if entity["type"] == "date_time":
        if entity["unix_time"] <= 0:
            raise bad_request("Invalid date specified")
        form = entity.pop("date_time_format")
        try:
            return {**entity, **time_entity(entity["unix_time"], form)}
        except MarkupError as error:
            raise bad_request(f"{_TROUBLE}{error}") from None
    return entity


def _link(url: str) -> str:
    if user_id := user_id_in(url):
        return f"tg://user?id={user_id}"
    try:
        return checked_link(url)
    except BadLinkError as error:
        raise bad_request(f"Entity URL '{url}' is invalid: {error}") from None
