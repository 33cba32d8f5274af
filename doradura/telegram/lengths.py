"""Cuts or splits texts that are too long for Telegram, without breaking a tag, a character reference or a character.

Pure. Telegram counts UTF-16 units of the text without markup: 4096 in a message, 1024 in a caption. Splitting loses
only white space between the pieces; every piece is valid markup by itself. A text that is cut ends in an ellipsis. A
character is what a reader sees as one (`graphemes`), even over tags; only one that is longer than a whole piece is
split, between code points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from doradura.telegram.entities import REFERENCE, read_reference
from doradura.telegram.graphemes import joined
from doradura.telegram.units import units

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
RAW_BYTES = 32_000
"""Telegram reads a little more than this of a text with its markup."""
SLACK = 4
"""A piece ends after a line or a word within its last quarter, otherwise where it is full."""

_HTML = re.compile(rf"<[^<>]*>|{REFERENCE}|&[A-Za-z]{{1,30}}|.", re.DOTALL)
"""A `&` with letters that name nothing stays together: split after `&lt`, it would name something."""
_TAG_NAME = re.compile(r"</?\s*([A-Za-z0-9-]+)")


class _Token(NamedTuple):
    """Something that is never split: a tag, a reference, a code point."""

    text: str
    shown: str
    """The visible part: nothing for a tag."""
    joins: bool
    """Whether it forms one character with the visible token before it."""

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return len(self.text.encode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class _Piece:
    """A piece in the making: the tags that were open when it began, and its tokens."""

    opened: list[str]
    """The start tags that are open here, outermost first."""
    tokens: list[_Token] = field(default_factory=list)
    units: int = 0
    size: int = 0

    def text(self, end: str = "") -> str:
        """Return the piece with the tags closed that are open at its end."""
        closing = "".join(f"</{_name(tag)}>" for tag in reversed(self.open_at_end()))
        return "".join([*self.opened, *(token.text for token in self.tokens)]).rstrip() + end + closing

    def open_at_end(self) -> list[str]:
        """Return the start tags that are open at its end."""
        opened = self.opened[:]
        for token in self.tokens:
            if token.shown:
                continue
            if not token.text.startswith("</"):
                opened.append(token.text)
            elif opened:
                opened.pop()
        return opened

    def add(self, token: _Token) -> None:
        """Add a token."""
        if self.opened and not self.tokens and not token.shown and token.text.startswith("</"):
            self.opened.pop()  # the piece before this one closed it already
            return
        self.tokens.append(token)
        self.units += units(token.shown)
        self.size += token.size


def split_text(text: str, limit: int = TEXT_UNITS, *, markup: bool = True) -> list[str]:
    """Return the pieces of a text; a short text is one piece. `markup` says that the text is Telegram's HTML."""
    if units(text) <= limit and len(text.encode("utf-8", "surrogatepass")) <= RAW_BYTES:
        return [text]
    return [piece.text().strip() if not markup else piece.text() for piece in _pieces(text, limit, markup=markup)]


def cut_text(text: str, limit: int = TEXT_UNITS, *, markup: bool = True) -> str:
    """Return a text that is short enough, with an ellipsis if something was cut."""
    pieces = split_text(text, limit, markup=markup)
    return pieces[0] if len(pieces) == 1 else _pieces(text, limit - 1, markup=markup)[0].text("…")


def _tokens(text: str, limit: int, *, markup: bool) -> list[_Token]:
    read: list[tuple[str, str]] = []
    for part in _HTML.findall(text) if markup else text:
        if len(part) > 1 and part.startswith("<"):
            read.append((part, ""))
        elif len(part) > 1 and (shown := read_reference(part)) is not None:
            read.append((part, shown))
        elif units(part) <= limit:
            read.append((part, part))
        else:
            read += [(point, point) for point in part]
    joins = joined("".join(shown for _, shown in read))
    found = []
    at = 0
    for part, shown in read:
        found.append(_Token(part, shown, joins=bool(shown) and joins[at]))
        at += len(shown)
    return found


def _pieces(text: str, limit: int, *, markup: bool) -> list[_Piece]:
    pieces = [_Piece([])]
    for token in _tokens(text, limit, markup=markup):
        while (piece := pieces[-1]).tokens and (
            piece.units + units(token.shown) > limit or piece.size + token.size > RAW_BYTES
        ):
            pieces.append(_part(piece, limit, following=token))
        piece.add(token)
    found = [piece for piece in pieces if "".join(token.shown for token in piece.tokens).strip()]
    return found or pieces[:1]


def _part(full: _Piece, limit: int, *, following: _Token) -> _Piece:
    """Split a piece, and return the one that follows it."""
    place = _place(full, limit, following=following)
    rest = full.tokens[place:]
    full.tokens = full.tokens[:place]
    after = _Piece(full.open_at_end())
    for token in rest:
        after.add(token)
    return after


def _place(piece: _Piece, limit: int, *, following: _Token) -> int:
    """Return where to split a piece: after a line, else after a word, else after a character, at worst at its end."""
    places = []
    """The places where no character is split, the last first, each with the units before it and the token it ends
    with."""
    joins = following.joins
    left = piece.units
    for index in range(len(piece.tokens), 0, -1):
        token = piece.tokens[index - 1]
        if not joins:
            places.append((index, left, token.shown))
        if token.shown:
            joins = token.joins
            left -= units(token.shown)
    for ends in ("\n", " \t\n"):
        for index, before, shown in places:
            if before < limit - limit // SLACK:
                break
            if shown and shown in ends and index < len(piece.tokens):
                return index
    return places[0][0] if places else len(piece.tokens)


def _name(tag: str) -> str:
    found = _TAG_NAME.match(tag)
    return found[1] if found else ""
