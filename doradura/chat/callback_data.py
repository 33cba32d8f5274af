"""What buttons carry: typed values, and their spelling in `callback_data`, which comes back in a callback query.

A spelling is a word and what it is about, with colons between: `c:17`. It never changes and no word is used anew:
buttons stay in chats for years, and after an update they still work, or say that they are too old. A changed client may
send anything, so that decoding refuses what is not a value. At most 64 bytes (Bot API, InlineKeyboardButton).
"""

from __future__ import annotations

_LONGEST = 19
_LARGEST = 2**63 - 1
"""What a column of ids takes."""


class TooOldError(Exception):
    """Data that is no value, or none any more: of an older version's button, or made up."""


def spelled(word: str, *facts: object) -> str:
    """Return the spelling of a word and what it is about."""
    return ":".join([word, *map(str, facts)])


def decode_id(text: str) -> int:
    """Return an id of ours. Raises TooOldError."""
    number = parse_id(text)
    if number is None:
        raise TooOldError(text)
    return number


def parse_id(text: str) -> int | None:
    """Read an id of ours; None for what can't be one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if number <= _LARGEST else None
