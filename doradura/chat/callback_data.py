"""The spelling of typed values in `callback_data`, which a callback query brings back when a button is pressed.

A spelling is a word and its arguments, separated by colons: `c:17`. It never changes and no word is reused, because
buttons stay in chats for years: after an update of the bot they still work, or answer that they are too old. A modified
client may send anything, so decoding rejects whatever is not a value. At most 64 bytes (Bot API, InlineKeyboardButton).
"""

from __future__ import annotations

_LONGEST = 19
_LARGEST = 2**63 - 1
"""The largest id that a database column holds."""


class TooOldError(Exception):
    """The callback data is not a value (any more): it is from an older version's button, or made up."""


def spelled(word: str, *facts: object) -> str:
    """Return the spelling of a word and its arguments."""
    return ":".join([word, *map(str, facts)])


def decode_id(text: str) -> int:
    """Return an id of ours from its text. Raises TooOldError if it can't be one."""
    number = parse_id(text)
    if number is None:
        raise TooOldError(text)
    return number


def parse_id(text: str) -> int | None:
    """Return an id of ours from its text; None if it can't be one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if number <= _LARGEST else None
