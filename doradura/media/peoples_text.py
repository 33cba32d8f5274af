"""Makes people's text fit to be shown: everything visible stays; what would break a line or its direction is removed.

`str.isprintable` is no filter for it: the joiners inside an emoji or a Persian word, soft hyphens, and every character
newer than this Python's Unicode tables are not "printable".
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BREAKING: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and halves of UTF-16 pairs, which no encoding accepts."""
_TURNING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates, which would reverse the text that we write after them. Marks (U+200E) may
stay."""
_UNSEEN: Final = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp"})


def has_controls(text: str) -> bool:
    """Return whether the text has a character that can't be shown or changes the direction of others."""
    return _BREAKING.search(text) is not None or _TURNING.search(text) is not None


def on_one_line(text: str) -> str:
    """Return the text without such characters, white space as single spaces; empty if nothing visible is left."""
    words = " ".join(_TURNING.sub("", _BREAKING.sub(" ", text)).split())
    return words if any(unicodedata.category(character) not in _UNSEEN for character in words) else ""
