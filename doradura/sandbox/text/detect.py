"""Finds the entities Telegram adds by itself to a text: names, tags, commands, numbers of cards and phones, addresses.

Pure. It follows TDLib's find_entities (td/telegram/MessageEntity.cpp), but for phone numbers, which only the server
finds by rules nobody published: here they are a plus and 7 to 15 digits, in groups if need be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doradura.sandbox.text.addresses import CharSpan, addresses, own_links
from doradura.sandbox.text.entities import Entity, add_found, units, without_overlaps

_MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9_]{2,32})(?!\w)")
_SHORT_NAMES = frozenset({"gif", "nft", "pic", "ufc", "vid"})
"""Names that exist although they are shorter than names may be."""
_SHORTEST_NAME = 4
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32}|(?!@))(?![\w/<>])")
_CASHTAG = re.compile(r"\$(?:1INCH|[A-Z]+)(?:@[A-Za-z0-9_]{3,32}(?![A-Za-z0-9_]))?")
_LONGEST_CASHTAG = 8
_LONGEST_HASHTAG = 256
_TAG_OWNER = re.compile(r"@[A-Za-z0-9_]{3,32}")
_DIGITS = re.compile(r"[0-9][0-9 -]*")
_WHOLE_CARD = re.compile(r"[0-9]{16,19}(?= )")
# The pattern never backtracks: a long row of digits would be tried in every grouping.
_PHONE = re.compile(r"(?<![\w+])\+[1-9][0-9]*+(?:[ -]?(?:\([0-9]{1,4}\)|[0-9]++))*+(?!\w)")
_PHONE_DIGITS = range(7, 16)
_CARD_DIGITS = range(13, 20)


def detect_entities(text: str, given: list[Entity]) -> list[Entity]:
    """Return `given`, which are in order, together with what is found in the text beside them."""
    return add_found(given, find_entities(text))


def find_entities(text: str) -> list[Entity]:
    """Return what Telegram finds in a text, in order; of two that overlap, the one that begins first, or the longer."""
    found = [{"type": kind, "offset": begin, "length": end - begin} for (begin, end), kind in _everything(text)]
    # Offsets are counted from one match to the next: counting from the start each time would be quadratic in a long
    # text.
    counted = offset = 0
    kept = without_overlaps(found)
    for entity in kept:
        begin, end = entity["offset"], entity["offset"] + entity["length"]
        offset += units(text[counted:begin])
        entity["offset"], entity["length"] = offset, units(text[begin:end])
        counted = begin
    return kept


def _everything(text: str) -> Iterator[tuple[CharSpan, str]]:
    for found in _MENTION.finditer(text):
        if len(found[1]) >= _SHORTEST_NAME or found[1].lower() in _SHORT_NAMES:
            yield found.span(), "mention"
    yield from ((found.span(), "bot_command") for found in _COMMAND.finditer(text))
    yield from ((place, "hashtag") for place in _hashtags(text))
    yield from ((place, "cashtag") for place in _cashtags(text))
    yield from ((place, "phone_number") for place in _phones(text))
    yield from ((place, "bank_card_number") for place in _cards(text))
    yield from ((place, "url") for place in own_links(text))
    yield from addresses(text)


def _in_tag(character: str) -> bool:
    """Return whether a character may be in a tag: letters, digits, and all of the Sinhala script, marks included."""
    return (
        character.isalpha() or character.isdecimal() or character in "_\u200c\xb7" or "\u0d80" <= character <= "\u0dff"
    )


def _hashtags(text: str) -> Iterator[CharSpan]:
    end = 0
    while (begin := text.find("#", end)) >= 0:
        end = begin + 1
        if begin and _in_tag(text[begin - 1]):
            continue
        while end < len(text) and _in_tag(text[end]):
            end += 1
        kept = min(end, begin + 1 + _LONGEST_HASHTAG)
        if kept == end > begin + 1 and (owner := _TAG_OWNER.match(text, end)):
            kept = end = owner.end()
        name = text[begin + 1 : min(end, begin + 1 + _LONGEST_HASHTAG)].partition("@")[0]
        if text[end : end + 1] != "#" and any(character.isalpha() for character in name):
            yield begin, kept


def _cashtags(text: str) -> Iterator[CharSpan]:
    for found in _CASHTAG.finditer(text):
        begin, end = found.span()
        if any(each == "$" or _in_tag(each) for each in (*text[max(0, begin - 1) : begin], *text[end : end + 1])):
            continue
        if len(found[0].partition("@")[0]) <= 1 + _LONGEST_CASHTAG:
            yield begin, end


def _phones(text: str) -> Iterator[CharSpan]:
    for found in _PHONE.finditer(text):
        if sum(character.isdecimal() for character in found[0]) in _PHONE_DIGITS:
            yield found.span()


def _cards(text: str) -> Iterator[CharSpan]:
    at = 0
    while found := _DIGITS.search(text, at):
        begin, at = found.span()
        before = text[begin - 1 : begin] if begin else ""
        if before and (before.isalpha() or before in ".,+-_"):
            continue
        if whole := _WHOLE_CARD.match(text, begin):
            at = whole.end()
        number = text[begin:at].rstrip(" -")
        digits = re.sub("[ -]", "", number)
        after = text[begin + len(number) : begin + len(number) + 1]
        if len(digits) not in _CARD_DIGITS or len(number) > 2 * len(digits) - 1:
            continue
        if not (after and (after.isalpha() or after in "-_")) and _is_card(digits):
            yield begin, begin + len(number)


def _is_card(digits: str) -> bool:
    """Return whether the last digit checks the others (Luhn), and the length is valid for the card's network."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    if sum(each - 9 if each > 9 else each for each in doubled) % 10:
        return False
    two, four, size = int(digits[:2]), int(digits[:4]), len(digits)
    if digits[0] == "4":
        return size in {13, 16, 18, 19}
    if two in range(51, 56) or four in range(2221, 2721) or four in range(2200, 2205):
        return size == 16
    if two in {34, 37}:
        return size == 15
    return two not in {62, 81} or size >= 16
