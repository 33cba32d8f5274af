"""Removes Telegram's HTML again, for when Telegram cannot read the markup and the text still has to arrive."""

from __future__ import annotations

import re
from types import MappingProxyType

_TAG = re.compile(
    r"</?(?:b|strong|i|em|u|ins|s|strike|del|span|tg-spoiler|tg-emoji|tg-time|a|code|pre|blockquote)(?:\s[^<>]*)?>",
    re.IGNORECASE,
)
REFERENCE = r"&(?:(?:lt|gt|amp|quot)(?![A-Za-z])|#x[0-9A-Fa-f]+|#[0-9]+);?"
"""The only references that stand for a character: these four names, and numbers
(https://core.telegram.org/bots/api#html-style). Any other name, even `&nbsp;`, is plain text."""
_REFERENCE = re.compile(REFERENCE)
_NAMED = MappingProxyType({"lt": "<", "gt": ">", "amp": "&", "quot": '"'})
_LONGEST_NUMBER = 9
"""The longest numeric reference, from `&` to the last digit. A longer one stays text, as does a number that is not a
character."""


def read_reference(reference: str) -> str | None:
    """Return the character that a reference stands for, or None if Telegram does not read it."""
    name = reference[1:].rstrip(";")
    if not name.startswith("#"):
        return _NAMED.get(name)
    if len(name) + 1 > _LONGEST_NUMBER:
        return None
    digits = name[1:]
    code = int(digits[1:], 16) if digits[0] == "x" else int(digits)
    return chr(code) if 0 < code < 0xD800 or 0xE000 <= code < 0x10FFFF else None


def plain_text(markup: str) -> str:
    """Return the text without Telegram's own tags; any other `<` belongs to the text and stays.

    See https://core.telegram.org/bots/api#html-style.
    """
    return _REFERENCE.sub(lambda found: read_reference(found[0]) or found[0], _TAG.sub("", markup))
