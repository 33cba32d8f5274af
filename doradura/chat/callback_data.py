"""What buttons carry: typed values, and their spelling in `callback_data`, which comes back in a callback query.

A spelling is a word and what it is about, with colons between: `c:17`. It never changes and no word is used anew:
buttons stay in chats for years, and after an update they still work, or say that they are too old. A changed client may
send anything, so that decoding refuses what is not a value. At most 64 bytes (Bot API, InlineKeyboardButton).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from doradura.chat.turn import Turn

_LONGEST = 19
_LARGEST = 2**63 - 1
"""What a column of ids takes."""

D = TypeVar("D")


class TooOldError(Exception):
    """Data that is no value, or none any more: of an older version's button, or made up."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons whose data begins with one word."""

    word: str
    answer: Callable[[Turn, str], Awaitable[None]]
    """Given the data of a callback query, answers it. Raises TooOldError, with nothing done."""
    too_old: str
    """The key of the text that answers what is too old."""


def buttons(
    word: str,
    decode: Callable[[str], D],
    handle: Callable[[Turn, D], Awaitable[None]],
    *,
    too_old: str = "press.unknown",
) -> Buttons:
    """Make the buttons of one word: `decode`, given the whole data, raises TooOldError; `handle` is given the value."""

    async def answer(turn: Turn, data: str) -> None:
        await handle(turn, decode(data))

    return Buttons(word, answer, too_old)


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
