"""Turns a text with parse_mode HTML into plain text and entities, with the Bot API server's errors.

Pure. It follows the rules of TDLib's parse_html (td/telegram/MessageEntity.cpp): offsets of errors count UTF-8 bytes,
offsets of entities UTF-16 units. Entities may still overlap freely; entities.py makes them what Telegram keeps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType

from doradura.sandbox.text.entities import Entity, order
from doradura.sandbox.text.links import custom_emoji_id, kept_link

SPACES = " \t\r\n\0\v"

_SIMPLE = MappingProxyType(
    {
        "b": "bold",
        "strong": "bold",
        "i": "italic",
        "em": "italic",
        "u": "underline",
        "ins": "underline",
        "s": "strikethrough",
        "strike": "strikethrough",
        "del": "strikethrough",
        "tg-spoiler": "spoiler",
        "span": "spoiler",
        "blockquote": "blockquote",
    }
)
_TAGS = frozenset({*_SIMPLE, "a", "pre", "code", "tg-emoji", "tg-time"})
_REFERENCE = re.compile(r"&(?:#(?:x([0-9a-fA-F]+)|([0-9]+))|([A-Za-z]+));?")
_LONGEST_REFERENCE = 9
"""Without its terminator. A longer one stays as it is."""
_LEADING_DIGITS = re.compile(r"[0-9]{1,10}", re.ASCII)
_LATEST = 1 << 31
_LAST_CODE = 0x10FFFF
_NAMED = MappingProxyType({"lt": "<", "gt": ">", "amp": "&", "quot": '"'})
_ATTRIBUTE_NAME = re.compile(r"""[^ \t\r\n\0\v=>/"']*""")
_NAME_TOKEN = re.compile(r"[A-Za-z0-9.-]*")


_HALF_CHARACTER = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units"
)


class MarkupError(ValueError):
    """The text's markup is wrong; the message is what follows "can't parse entities: "."""


@dataclass(slots=True)
class _Open:
    """A tag that waits for its end."""

    tag: str
    argument: str
    time: int
    offset: int
    at: int


@dataclass(slots=True)
class _Tag:
    """A start tag being read."""

    name: str
    begin: int
    argument: str = ""
    time: int = 0


@dataclass(slots=True)
class _Parser:
    """One pass over a text. Positions are in code points; a NUL ends the text, as in the C++ it follows."""

    text: str
    size: int
    out: list[str] = field(default_factory=list)
    out_units: int = 0
    nested: list[_Open] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)

    def parse(self) -> None:
        at = 0
        while at < self.size:
            character = self.text[at]
            if character == "<":
                end_tag = self.text[at + 1] == "/"
                at = self._end_tag(at) if end_tag else self._start_tag(at)
                continue
            reference = read_reference(self.text, at) if character == "&" else None
            character, at = reference or (character, at + 1)
            if "\ud800" <= character <= "\udfff":
                raise MarkupError(_HALF_CHARACTER)
            self.out.append(character)
            self.out_units += 1 + (character > "\uffff")
        if self.nested:
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{self.nested[-1].tag}"')

    def _byte(self, at: int) -> int:
        return len(self.text[:at].encode())

    def _skip_spaces(self, at: int) -> int:
        while at < self.size and self.text[at] in SPACES:
            at += 1
        return at

    def _word_end(self, at: int) -> int:
        while self.text[at] not in SPACES and self.text[at] != ">":
            at += 1
        return at

    def _start_tag(self, begin: int) -> int:
        at = self._word_end(begin + 1)
        if at >= self.size:
            raise MarkupError(f"Unclosed start tag at byte offset {self._byte(begin)}")
        tag = _Tag(self.text[begin + 1 : at].lower(), begin)
        if tag.name not in _TAGS:
            raise MarkupError(f'Unsupported start tag "{tag.name}" at byte offset {self._byte(begin)}')
        at = self._attributes(tag, at)
        if tag.name == "span" and tag.argument != "spoiler":
            raise MarkupError(f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte(begin)}')
        self.nested.append(_Open(tag.name, tag.argument, tag.time, self.out_units, len(self.out)))
        return at + 1

    def _attributes(self, tag: _Tag, at: int) -> int:
        """Read a start tag's attributes. Return the position of its `>`."""
        while True:
            at = self._skip_spaces(at)
            if self.text[at] == ">":
                return at
            found = _ATTRIBUTE_NAME.match(self.text, at)
            name = found.group() if found else ""
            if not name:
                where = self._byte(tag.begin)
                raise MarkupError(f'Empty attribute name in the tag "{tag.name}" at byte offset {where}')
            at = self._skip_spaces(at + len(name))
            if self.text[at] != "=":
                self._closed(tag, at)
                if tag.name == "blockquote":
                    self._attribute(tag, name, "")
                continue
            at = self._skip_spaces(at + 1)
            self._closed(tag, at)
            value, at = self._attribute_value(at)
            if at >= self.size:
                raise MarkupError(f"Unclosed start tag at byte offset {self._byte(tag.begin)}")
            self._attribute(tag, name, value)

    def _closed(self, tag: _Tag, at: int) -> None:
        if at >= self.size:
            raise MarkupError(f'Unclosed start tag "{tag.name}" at byte offset {self._byte(tag.begin)}')

    def _attribute_value(self, at: int) -> tuple[str, int]:
        quote = self.text[at]
        if quote not in "\"'":
            found = _NAME_TOKEN.match(self.text, at)
            token = found.group() if found else ""
            end = at + len(token)
            if self.text[end] not in SPACES and self.text[end] != ">":
                raise MarkupError(f"Unexpected end of name token at byte offset {self._byte(at)}")
            return token.lower(), end
        value = []
        at += 1
        while at < self.size and self.text[at] != quote:
            reference = read_reference(self.text, at) if self.text[at] == "&" else None
            character, at = reference or (self.text[at], at + 1)
            value.append(character)
        return "".join(value), at + 1 if at < self.size else at

    @staticmethod
    def _attribute(tag: _Tag, name: str, value: str) -> None:
        if tag.name == "a" and name == "href":
            tag.argument = value
        elif tag.name == "code" and name == "class" and value.startswith("language-"):
            tag.argument = value[9:]
        elif tag.name == "span" and name == "class" and value.startswith("tg-"):
            tag.argument = value[3:]
        elif tag.name == "tg-emoji" and name == "emoji-id":
            tag.argument = value
        elif tag.name == "blockquote" and name == "expandable":
            tag.argument = "1"
        elif tag.name == "tg-time" and name == "unix":
            found = _LEADING_DIGITS.match(value)
            tag.time = int(found[0]) if found else 0
        elif tag.name == "tg-time" and name == "format":
            tag.argument = value

    def _end_tag(self, begin: int) -> int:
        if not self.nested:
            raise MarkupError(f"Unexpected end tag at byte offset {self._byte(begin)}")
        at = self._word_end(begin + 2)
        name = self.text[begin + 2 : at].lower()
        at = self._skip_spaces(at)
        if at >= self.size or self.text[at] != ">":
            raise MarkupError(f"Unclosed end tag at byte offset {self._byte(begin)}")
        opened = self.nested[-1]
        if name and name != opened.tag:
            where = self._byte(begin)
            raise MarkupError(
                f'Unmatched end tag at byte offset {where}, expected "</{opened.tag}>", found "</{name}>"'
            )
        self.nested.pop()
        if self.out_units > opened.offset:
            self._entity(opened)
        return at + 1

    def _entity(self, opened: _Open) -> None:
        entity: Entity = {"type": "", "offset": opened.offset, "length": self.out_units - opened.offset}
        if opened.tag in {"pre", "code"}:
            self._code(opened, entity)
            return
        if opened.tag == "a":
            url = kept_link(opened.argument or "".join(self.out[opened.at :]))
            if not url:
                return
            entity |= {"type": "text_link", "url": url}
        elif opened.tag == "tg-emoji":
            entity |= {"type": "custom_emoji", "custom_emoji_id": custom_emoji_id(opened.argument)}
            if not entity["custom_emoji_id"]:
                raise MarkupError("Invalid custom emoji identifier specified")
        elif opened.tag == "tg-time":
            entity |= time_entity(opened.time, opened.argument)
            if not 0 < opened.time < _LATEST:
                return
        elif opened.tag == "blockquote" and opened.argument:
            entity["type"] = "expandable_blockquote"
        else:
            entity["type"] = _SIMPLE[opened.tag]
        self.entities.append(entity)

    def _code(self, opened: _Open, entity: Entity) -> None:
        """Make `<pre><code class="language-x">`, nested in either order, one entity with a language."""
        last = self.entities[-1] if self.entities else {}
        other = "code" if opened.tag == "pre" else "pre"
        same = all(last.get(key) == entity[key] for key in ("offset", "length")) and last.get("type") == other
        language = opened.argument or last.get("language", "")
        if same and language:
            self.entities[-1] = {**entity, "type": "pre", "language": language}
            return
        entity["type"] = opened.tag
        if opened.argument:
            entity["language"] = opened.argument
        self.entities.append(entity)


def parse_html(text: str) -> tuple[str, list[Entity]]:
    """Return the plain text and its entities, in order. Raises MarkupError."""
    if "\0" in text:
        raise MarkupError("Text must not contain null bytes")
    parser = _Parser(text + "\0", len(text))
    parser.parse()
    for entity in parser.entities:
        if entity["type"] == "code":
            entity.pop("language", None)
    return "".join(parser.out), sorted(parser.entities, key=order)


def read_reference(text: str, at: int) -> tuple[str, int] | None:
    """Read a character reference. Return the character and where it ends, or None for a plain ampersand."""
    found = _REFERENCE.match(text, at)
    if found is None:
        return None
    hexadecimal, decimal, name = found.groups()
    if name:
        return (_NAMED[name], found.end()) if name in _NAMED else None
    if len(found[0].removesuffix(";")) > _LONGEST_REFERENCE:
        return None
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    return (chr(code), found.end()) if 0 < code < _LAST_CODE else None


def time_entity(unix: int, form: str) -> Entity:
    """Return the fields of a formatted date, its format in the one order that Telegram writes. Raises MarkupError."""
    fields: Entity = {"type": "date_time", "unix_time": unix}
    if form in {"r", "R"}:
        return {**fields, "date_time_format": "r"}
    if set(form) - set("tTdDwW"):
        raise MarkupError("Invalid date format used")
    parts = ("w" if {"w", "W"} & set(form) else "", *(_first_of(pair, form) for pair in ("dD", "tT")))
    return {**fields, **({"date_time_format": "".join(parts)} if form else {})}


def _first_of(letters: str, form: str) -> str:
    return next((letter for letter in letters if letter in form), "")
