"""What a reader sees as one character: an emoji of several code points, a flag, a letter with its marks, a syllable.

Pure. The rules are those of Unicode's text segmentation (https://www.unicode.org/reports/tr29/, extended grapheme
clusters), made with what Python's `unicodedata` knows. They stop at these: a mark that is newer than Python's tables is
not known as one (3.11 has Unicode 14); pictures are told by their blocks, not by Unicode's list of emoji; consonants
join over a virama in the eight most used scripts that do so, where Unicode 17 knows more. Where in doubt they join,
which costs a text that is cut a few units.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from types import MappingProxyType
from typing import Literal

Kind = Literal[
    "other",
    "control",
    "extend",
    "linker",
    "joiner",
    "non-joiner",
    "spacing",
    "prepend",
    "flag",
    "picture",
    "consonant",
    "L",
    "V",
    "T",
    "LV",
    "LVT",
]

_BY_CODE: tuple[tuple[int, int, Kind], ...] = (
    (0x00A9, 0x00A9, "picture"),
    (0x00AE, 0x00AE, "picture"),
    (0x0600, 0x0605, "prepend"),
    (0x06DD, 0x06DD, "prepend"),
    (0x070F, 0x070F, "prepend"),
    (0x0890, 0x0891, "prepend"),
    (0x08E2, 0x08E2, "prepend"),
    (0x0E33, 0x0E33, "spacing"),
    (0x0EB3, 0x0EB3, "spacing"),
    (0x1100, 0x115F, "L"),
    (0x1160, 0x11A7, "V"),
    (0x11A8, 0x11FF, "T"),
    (0x200C, 0x200C, "non-joiner"),
    (0x200D, 0x200D, "joiner"),
    (0x203C, 0x203C, "picture"),
    (0x2049, 0x2049, "picture"),
    (0x2122, 0x2122, "picture"),
    (0x2139, 0x2139, "picture"),
    (0x2190, 0x23FF, "picture"),
    (0x24C2, 0x24C2, "picture"),
    (0x25A0, 0x27BF, "picture"),
    (0x2934, 0x2935, "picture"),
    (0x2B00, 0x2BFF, "picture"),
    (0x3030, 0x3030, "picture"),
    (0x303D, 0x303D, "picture"),
    (0x3297, 0x3299, "picture"),
    (0xA960, 0xA97C, "L"),
    (0xD7B0, 0xD7C6, "V"),
    (0xD7CB, 0xD7FB, "T"),
    (0xFF9E, 0xFF9F, "extend"),
    (0x110BD, 0x110BD, "prepend"),
    (0x110CD, 0x110CD, "prepend"),
    (0x1F000, 0x1F1E5, "picture"),
    (0x1F1E6, 0x1F1FF, "flag"),
    (0x1F200, 0x1F3FA, "picture"),
    (0x1F3FB, 0x1F3FF, "extend"),
    (0x1F400, 0x1FAFF, "picture"),
    (0x1FC00, 0x1FFFD, "picture"),
    (0xE0020, 0xE007F, "extend"),
)
"""First and last code point, and what they are whatever their category says."""
_FIRST = tuple(first for first, _, _ in _BY_CODE)
_LINKERS = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u1039\u17d2")
_CONSONANT_BLOCKS = (
    *((0x0900, 0x09FF), (0x0A80, 0x0B7F), (0x0C00, 0x0C7F), (0x0D00, 0x0D7F)),
    *((0x1000, 0x109F), (0x1780, 0x17FF)),
)
"""Devanagari, Bengali, Gujarati, Oriya, Telugu, Malayalam; Myanmar, Khmer: the scripts of the linkers."""
_BY_CATEGORY: MappingProxyType[str, Kind] = MappingProxyType(
    {
        **dict.fromkeys(("Mn", "Me"), "extend"),
        "Mc": "spacing",
        **dict.fromkeys(("Cc", "Cf", "Zl", "Zp", "Cs"), "control"),
    }
)
_ALWAYS_JOIN = frozenset({"extend", "linker", "joiner", "non-joiner", "spacing"})
_HANGUL = frozenset(
    {
        *(("L", kind) for kind in ("L", "V", "LV", "LVT")),
        *((kind, follower) for kind in ("LV", "V") for follower in ("V", "T")),
        *((kind, "T") for kind in ("LVT", "T")),
    }
)


def joined(text: str) -> list[bool]:
    """Return for each code point whether it is one character with the one before it."""
    if text.isascii():
        return [here == "\n" and index > 0 and text[index - 1] == "\r" for index, here in enumerate(text)]
    found = []
    state = _State()
    for index, point in enumerate(text):
        kind = _kind(point)
        found.append(index > 0 and (state.joins(kind) or text[index - 1 : index + 1] == "\r\n"))
        state.follow(kind)
    return found


class _State:
    """What the code points before say of the next one."""

    def __init__(self) -> None:
        self._last: Kind = "control"
        self._flags = 0
        self._picture = False
        """A picture stands before, and nothing but what extends it since."""
        self._linked = False

    def joins(self, kind: Kind) -> bool:
        """Whether a code point of this kind is one character with those before."""
        if "control" in {self._last, kind}:
            return False
        return (
            kind in _ALWAYS_JOIN
            or self._last == "prepend"
            or (self._last, kind) in _HANGUL
            or (kind == "consonant" and self._linked)
            or (kind == "picture" and self._picture and self._last == "joiner")
            or (kind == "flag" and self._flags % 2 == 1)
        )

    def follow(self, kind: Kind) -> None:
        """Take a code point in."""
        extends = kind in {"extend", "linker", "joiner"}
        self._picture = kind == "picture" or (extends and self._picture)
        self._linked = kind == "linker" or (extends and self._linked)
        self._flags = self._flags + 1 if kind == "flag" else 0
        self._last = kind


def _kind(point: str) -> Kind:
    code = ord(point)
    if 0xAC00 <= code <= 0xD7A3:
        return "LVT" if (code - 0xAC00) % 28 else "LV"
    index = bisect_right(_FIRST, code) - 1
    if index >= 0 and code <= _BY_CODE[index][1]:
        return _BY_CODE[index][2]
    if point in _LINKERS:
        return "linker"
    category = unicodedata.category(point)
    if category == "Lo" and any(first <= code <= last for first, last in _CONSONANT_BLOCKS):
        return "consonant"
    return _BY_CATEGORY.get(category, "other")
