"""Turns a bot's text and entities into what Telegram keeps: clean, trimmed, in order, nothing crossing.

Pure. It follows TDLib's fix_formatted_text (td/telegram/MessageEntity.cpp), whose result a bot gets back. There are
three kinds of entities. Styles (bold and the like) may overlap anything but code, and are cut where something else
begins or ends within them. Quotations contain the others, but no quotation. All the rest exclude each other: of two
that overlap the first stays. Offsets and lengths count UTF-16 units. EntityError carries the server's texts.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType
from typing import Any

Entity = dict[str, Any]
"""A MessageEntity of the Bot API."""

STYLES = ("bold", "italic", "underline", "strikethrough", "spoiler")
QUOTATIONS = frozenset({"blockquote", "expandable_blockquote"})
CODE = frozenset({"code", "pre", "date_time"})
"""Entities that contain no style. A formatted date is not code, but TDLib counts it here."""

LIMIT = 100
"""How many of a bot's entities Telegram keeps in one message; custom emoji do not count."""

_FOUND_PRIORITY = 50
_PRIORITIES = MappingProxyType(
    {
        **dict.fromkeys(QUOTATIONS, 0),
        "pre": 11,
        "code": 20,
        "date_time": 30,
        "text_link": 49,
        "text_mention": 49,
        "custom_emoji": 99,
        **{style: 90 + place for place, style in enumerate(STYLES)},
    }
)
_FARTHEST = 1_000_000
_UNCLEAN = re.compile("[\x00-\x09\x0b-\x1f\u2028-\u202e\u030a\u0333\u033f]")
_DIRECTIONS = re.compile("[\u200e\u200f](?=[\u200e\u200f])")
_INVISIBLE = re.compile("[ \n\xa0\u1680\u180e\u2000-\u200f\u202f\u205f\u2800\u3000\ufeff\ufffc\U000e0000-\U000e007f]*")


class EntityError(ValueError):
    """Text or entities are refused; the message is what follows "Bad Request: "."""


def units(text: str) -> int:
    """Return how many UTF-16 code units a text has, Telegram's measure of offsets and lengths."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def order(entity: Entity) -> tuple[int, int, int]:
    """Return an entity's sort key: by offset, the longer first, then by kind."""
    priority = _PRIORITIES.get(entity["type"], _FOUND_PRIORITY)
    return entity["offset"], -entity["length"], priority - ("language" in entity)


def fix_text(text: str, entities: list[Entity], *, may_be_empty: bool) -> tuple[str, list[Entity]]:
    """Return the text and entities that Telegram keeps of a bot's. Raises EntityError."""
    for entity in entities:
        for name in ("offset", "length"):
            if not 0 <= entity[name] <= _FARTHEST:
                raise EntityError(f"Receive an entity with incorrect {name} {entity[name]}")
    kept = arrange(entity for entity in entities if entity["length"])
    text, moved = _clean(text, kept)
    text, kept = _trim(text, kept if moved is kept else arrange(moved))
    if not may_be_empty and _INVISIBLE.fullmatch(text):
        raise EntityError("Text must be non-empty")
    return text, _first_hundred(kept)


def add_found(given: list[Entity], found: list[Entity]) -> list[Entity]:
    """Return an arranged text's entities with those found in it, which yield to quotations, code and links."""
    whole, quotations, styles = _by_kind(given)
    ends = [_end(entity) for entity in whole]
    kept = [
        entity
        for entity in _within_quotations(found, quotations)
        if (at := bisect_right(ends, entity["offset"])) == len(whole) or whole[at]["offset"] >= _end(entity)
    ]
    others = sorted([*whole, *kept, *quotations], key=order)
    return sorted([*others, *_cut_styles(styles, others)], key=order)


def arrange(entities: Iterable[Entity]) -> list[Entity]:
    """Put entities in order, so that none cross: TDLib's fix_entities."""
    whole, quotations, styles = _by_kind(sorted(entities, key=order))
    quotations = _without_overlaps(quotations)
    others = sorted([*_within_quotations(_without_overlaps(whole), quotations), *quotations], key=order)
    return sorted([*others, *_cut_styles(styles, others)], key=order)


def without_overlaps(entities: Iterable[Entity]) -> list[Entity]:
    """Return entities in order, without those that begin in an earlier one."""
    return _without_overlaps(sorted(entities, key=order))


def _end(entity: Entity) -> int:
    end: int = entity["offset"] + entity["length"]
    return end


def _by_kind(entities: Iterable[Entity]) -> tuple[list[Entity], list[Entity], list[Entity]]:
    """Return three lists: those that exclude each other, quotations, and styles."""
    whole: list[Entity] = []
    quotations: list[Entity] = []
    styles: list[Entity] = []
    for entity in entities:
        kind = entity["type"]
        (styles if kind in STYLES else quotations if kind in QUOTATIONS else whole).append(entity)
    return whole, quotations, styles


def _without_overlaps(entities: list[Entity]) -> list[Entity]:
    kept: list[Entity] = []
    for entity in entities:
        if not kept or entity["offset"] >= _end(kept[-1]):
            kept.append(entity)
    return kept


def _within_quotations(entities: list[Entity], quotations: list[Entity]) -> list[Entity]:
    """Drop entities that contain a quotation's beginning or end."""
    ends = [_end(quotation) for quotation in quotations]
    kept = []
    for entity in entities:
        at = bisect_right(ends, entity["offset"])
        begins = quotations[at]["offset"] if at < len(ends) else _end(entity)
        if begins >= _end(entity) or (begins <= entity["offset"] and ends[at] >= _end(entity)):
            kept.append(entity)
    return kept


def _cut_styles(styles: list[Entity], others: list[Entity]) -> list[Entity]:
    """Join styles of a kind that touch, then cut them where another joined one begins and at the others' ends."""
    joined = {style: _joined([each for each in styles if each["type"] == style]) for style in STYLES}
    cuts = {begin for pieces in joined.values() for begin, _ in pieces}
    cuts |= {place for other in others for place in (other["offset"], _end(other))}
    places = sorted(cuts)
    code = [other for other in others if other["type"] in CODE]
    begins = [each["offset"] for each in code]
    kept = []
    for style, pieces in joined.items():
        for begin, end in pieces:
            marks = [begin, *places[bisect_right(places, begin) : bisect_left(places, end)], end]
            for left, right in pairwise(marks):
                at = bisect_right(begins, left) - 1
                if at < 0 or _end(code[at]) <= left:
                    kept.append({"type": style, "offset": left, "length": right - left})
    return kept


def _joined(styles: list[Entity]) -> list[tuple[int, int]]:
    """Return where a style begins and ends, its touching pieces as one."""
    pieces: list[tuple[int, int]] = []
    for style in styles:
        begin, end = style["offset"], _end(style)
        if pieces and begin <= pieces[-1][1]:
            pieces[-1] = pieces[-1][0], max(pieces[-1][1], end)
        else:
            pieces.append((begin, end))
    return pieces


def _clean(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Turn control characters into spaces and remove what breaks lines or reverses them: clean_input_string."""
    plain = text.isascii() or max(text, default="") <= "\uffff"
    if not entities or (plain and not _UNCLEAN.search(text)):
        _check_ends(entities, len(text))
        cleaned = _UNCLEAN.sub(lambda found: " " if " " > found[0] != "\r" else "", text)
        return _DIRECTIONS.sub("\u200c", cleaned), entities
    # Where each UTF-16 unit of the old text is in the new one; nothing for the second of a pair.
    places: list[int | None] = []
    kept, size = [], 0
    for character in text:
        places.append(size)
        if character > "\uffff":
            places.append(None)
            size += 1
        elif _UNCLEAN.match(character):
            if character >= " " or character == "\r":
                continue
            character = " "  # noqa: PLW2901 -- the character as it is kept
        kept.append(character)
        size += 1
    places.append(size)
    _check_halves(text, entities, places)
    _check_ends(entities, len(places) - 1)
    moved = []
    for entity in entities:
        begin, end = places[entity["offset"]] or 0, places[_end(entity)] or 0
        if begin < end:
            moved.append({**entity, "offset": begin, "length": end - begin})
    return _DIRECTIONS.sub("\u200c", "".join(kept)), moved


def _check_ends(entities: list[Entity], size: int) -> None:
    """Refuse entities that extend beyond the text. Raises EntityError."""
    for entity in entities:
        if entity["offset"] > size:
            raise EntityError(f"Entity begins after the end of the text at UTF-16 offset {entity['offset']}")
    for entity in reversed(entities):
        if _end(entity) > size:
            where = f"ends after the end of the text at UTF-16 offset {_end(entity)}"
            raise EntityError(f"Entity beginning at UTF-16 offset {entity['offset']} {where}")


def _check_halves(text: str, entities: list[Entity], places: list[int | None]) -> None:
    """Refuse an entity that begins or ends between the two units of one character; the error names the first one."""
    wrong = []
    for entity in entities:
        for place, begins in ((entity["offset"], True), (_end(entity), False)):
            if place < len(places) and places[place] is None:
                wrong.append((place, begins, entity["offset"]))
    if not wrong:
        return
    place, begins, offset = min(wrong)
    at = len(text.encode("utf-16-le")[: 2 * place + 2].decode("utf-16-le").encode())
    told = "Entity begins" if begins else f"Entity beginning at UTF-16 offset {offset} ends"
    raise EntityError(f"{told} in a middle of a UTF-16 symbol at byte offset {at}")


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Cut spaces and line ends off both ends, except leading ones inside an entity."""
    text = text.rstrip(" \n")
    size = units(text)
    kept = [
        {**entity, "length": min(_end(entity), size) - entity["offset"]}
        for entity in entities
        if entity["offset"] < size
    ]
    kept.sort(key=order)
    shift = min(len(text) - len(text.lstrip(" \n")), kept[0]["offset"] if kept else size)
    return text[shift:], [{**entity, "offset": entity["offset"] - shift} for entity in kept]


def _first_hundred(entities: list[Entity]) -> list[Entity]:
    """Drop entities over the limit: links, code and quotations are kept first, then styles."""
    if len(entities) <= LIMIT:
        return entities
    whole, quotations, styles = _by_kind(entities)
    emoji = [entity for entity in whole if entity["type"] == "custom_emoji"]
    others = sorted([*(each for each in whole if each["type"] != "custom_emoji"), *quotations], key=order)[:LIMIT]
    styles = sorted(_cut_styles(styles, []), key=order)[: LIMIT - len(others)]
    return arrange([*emoji, *others, *styles])
