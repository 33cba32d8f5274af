"""Text that people wrote, fit to be shown: all they see stays, what would break a line or its order goes.

`str.isprintable` is no filter for it: the joiners inside an emoji or a Persian word, soft hyphens, and every character
newer than this Python's Unicode tables are not "printable".
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BREAKING: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators; halves of UTF-16 pairs, which no encoding takes."""
_TURNING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates: they would turn round what we write behind them. Marks (U+200E) may stay."""
_UNSEEN: Final = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp"})


def has_controls(text: str) -> bool:
    """Whether there is a character in the text that can't be shown or turns others round."""
    return _BREAKING.search(text) is not None or _TURNING.search(text) is not None


def on_one_line(text: str) -> str:
    """Return the text without such characters, white space as single spaces; empty where nothing is to be seen."""
    words = " ".join(_TURNING.sub("", _BREAKING.sub(" ", text)).split())
    return words if any(unicodedata.category(character) not in _UNSEEN for character in words) else ""
