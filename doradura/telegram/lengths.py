"""Texts longer than Telegram takes, cut or split without breaking a tag, a character reference or a character.

Pure. Telegram counts UTF-16 units of what is left once markup is read: 4096 in a text, 1024 in a caption. A text that
is split loses nothing but white space where it is parted; every piece is markup of its own. One that is cut ends in an
ellipsis.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from doradura.telegram.units import units

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
RAW_BYTES = 32_000
"""Of a text with its markup Telegram reads a little more than this."""
SLACK = 4
"""A piece is parted at a line's or a word's end in its last quarter, else where it is full."""

_HTML = re.compile(r"<[^<>]*>|&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});|.", re.DOTALL)
_PLAIN = re.compile(r".", re.DOTALL)
_TAG_NAME = re.compile(r"</?\s*([A-Za-z0-9-]+)")


@dataclass(slots=True)
class _Piece:
    """A piece as it grows: what was open when it began, and its tokens."""

    opened: list[str]
    """The start tags that are open here, outermost first."""
    tokens: list[str] = field(default_factory=list)
    units: int = 0
    size: int = 0

    def text(self, end: str = "") -> str:
        """Give the piece with what is open at its end closed."""
        began = self.opened[:]
        for token in self.tokens:
            _follow(began, token)
        closing = "".join(f"</{_name(tag)}>" for tag in reversed(began))
        return "".join([*self.opened, *self.tokens]).rstrip() + end + closing

    def has_words(self, *, markup: bool) -> bool:
        """Whether anything is to be seen of it."""
        return any(not _is_tag(token, markup) and not token.isspace() for token in self.tokens)


def split_text(text: str, limit: int = TEXT_UNITS, *, markup: bool = True) -> list[str]:
    """Give the pieces of a text, one for a text that is short enough. `markup`: it is Telegram's HTML."""
    if units(text) <= limit and len(text.encode("utf-8", "surrogatepass")) <= RAW_BYTES:
        return [text]
    return [piece.text() if markup else "".join(piece.tokens).strip() for piece in _pieces(text, limit, markup=markup)]


def cut_text(text: str, limit: int = TEXT_UNITS, *, markup: bool = True) -> str:
    """Give a text that is short enough, with an ellipsis where something is lost."""
    pieces = split_text(text, limit, markup=markup)
    if len(pieces) == 1:
        return pieces[0]
    first = _pieces(text, limit - 1, markup=markup)[0]
    return first.text("…") if markup else "".join(first.tokens).rstrip() + "…"


def _pieces(text: str, limit: int, *, markup: bool) -> list[_Piece]:
    pieces = [_Piece([])]
    for token in (_HTML if markup else _PLAIN).findall(text):
        piece = pieces[-1]
        width = _width(token, markup=markup)
        if piece.units + width > limit or piece.size + len(token.encode("utf-8", "surrogatepass")) > RAW_BYTES:
            piece = _part(pieces, limit, markup=markup)
        _add(piece, token, width)
    found = [
        piece for piece in pieces if "".join(token for token in piece.tokens if not _is_tag(token, markup)).strip()
    ]
    return found or pieces[:1]


def _part(pieces: list[_Piece], limit: int, *, markup: bool) -> _Piece:
    """Part the last piece, and give the one that follows it."""
    full = pieces[-1]
    place = _place(full, limit, markup=markup)
    rest = full.tokens[place:]
    full.tokens = full.tokens[:place]
    opened = full.opened[:]
    if markup:
        for token in full.tokens:
            _follow(opened, token)
    following = _Piece(opened)
    for token in rest:
        _add(following, token, _width(token, markup=markup))
    pieces.append(following)
    return following


def _place(piece: _Piece, limit: int, *, markup: bool) -> int:
    """Give where to part a piece: after a line, else after a word, else at its end."""
    for ends in ("\n", " \t\n"):
        left = piece.units
        for index in range(len(piece.tokens) - 1, 0, -1):
            if left < limit - limit // SLACK:
                break
            if piece.tokens[index] in ends:
                return index + 1
            left -= _width(piece.tokens[index], markup=markup)
    return len(piece.tokens)


def _add(piece: _Piece, token: str, width: int) -> None:
    if piece.opened and not piece.tokens and token.startswith("</") and len(token) > 1:
        piece.opened.pop()  # it ended where the piece before this one did
        return
    piece.tokens.append(token)
    piece.units += width
    piece.size += len(token.encode("utf-8", "surrogatepass"))


def _width(token: str, *, markup: bool) -> int:
    if _is_tag(token, markup):
        return 0
    return units(html.unescape(token)) if markup and len(token) > 1 else units(token)


def _is_tag(token: str, markup: bool) -> bool:  # noqa: FBT001 - one of two readings
    return markup and len(token) > 1 and token.startswith("<")


def _follow(opened: list[str], token: str) -> None:
    """Note what a tag opens or closes."""
    if len(token) > 1 and token.startswith("</"):
        if opened:
            opened.pop()
    elif len(token) > 1 and token.startswith("<"):
        opened.append(token)


def _name(tag: str) -> str:
    found = _TAG_NAME.match(tag)
    return found[1] if found else ""
