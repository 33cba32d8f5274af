"""Turns a text with parse_mode MarkdownV2 or Markdown into plain text and entities, with the server's errors.

Pure. It follows the rules of TDLib's parse_markdown_v2 and parse_markdown (td/telegram/MessageEntity.cpp): offsets of
errors count UTF-8 bytes, offsets of entities UTF-16 units. A NUL follows the text, as in the C++. Entities may still
overlap freely; entities.py makes them what Telegram keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from doradura.sandbox.text.entities import Entity, order, units
from doradura.sandbox.text.links import emoji_id_in, kept_link, time_in
from doradura.sandbox.text.markup import SPACES, MarkupError, time_entity

RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
_VERBATIM = frozenset({"code", "pre"})
_NAMES = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}
"""TDLib's names, as in its error texts."""
_ENDS = {
    "bold": "*",
    "code": "`",
    "pre": "```",
    "text_link": "]",
    "custom_emoji": "]",
    "underline": "__",
    "strikethrough": "~",
    "spoiler": "||",
}


@dataclass(slots=True)
class _Open:
    """An entity that waits for its end."""

    kind: str
    offset: int
    begin: int
    """The position of its mark, for errors."""
    at: int
    language: str = ""


@dataclass(slots=True)
class _Parser:
    """One pass over a text in MarkdownV2."""

    text: str
    size: int
    out: list[str] = field(default_factory=list)
    out_units: int = 0
    nested: list[_Open] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    at_line_start: bool = True
    """Whether a `>` here begins a quotation."""

    def parse(self) -> None:
        at = 0
        while at < self.size:
            at = self._step(at)
        self._end_quotation(self.size)
        if self.nested:
            raise self._unended()

    def _step(self, at: int) -> int:
        character = self.text[at]
        if character == "\\" and "\0" < self.text[at + 1] <= "~":
            self._put(self.text[at + 1])
            self.at_line_start = self.at_line_start or self.text[at + 1] == "\n"
            return at + 2
        inside = self.nested[-1].kind if self.nested else ""
        if character not in RESERVED or (inside in _VERBATIM and character != "`"):
            self._put(character)
            return at + 1
        if character == "\n":
            return self._line_end(at)
        if self._is_end(at, inside):
            return self._close(at)
        if character == ">" and self.at_line_start and self._quoted():
            return at + 1
        return self._open(at)

    def _put(self, character: str) -> None:
        self.out.append(character)
        self.out_units += 1 + (character > "\uffff")
        if character != "\r":
            self.at_line_start = False

    def _is_end(self, at: int, inside: str) -> bool:
        if inside == "italic":
            return self.text[at] == "_" and self.text[at + 1] != "_"
        return inside in _ENDS and self.text.startswith(_ENDS[inside], at)

    def _open(self, at: int) -> int:
        kind, size = self._kind(at)
        opened = _Open(kind, self.out_units, at, len(self.out))
        end = at + size
        if kind == "pre":
            opened.language, end = language(self.text, end, self.size)
        self.nested.append(opened)
        return end

    def _kind(self, at: int) -> tuple[str, int]:
        """Return what begins here and the length of its mark. Raises MarkupError."""
        for mark, kind in (("__", "underline"), ("||", "spoiler"), ("![", "custom_emoji"), ("```", "pre")):
            if self.text.startswith(mark, at):
                return kind, len(mark)
        character = self.text[at]
        simple = {"_": "italic", "*": "bold", "~": "strikethrough", "[": "text_link", "`": "code"}
        if character in simple:
            return simple[character], 1
        if character == ">" and self.at_line_start:
            return "blockquote", 1
        raise MarkupError(f"Character '{character}' is reserved and must be escaped with the preceding '\\'")

    def _close(self, at: int) -> int:
        opened = self.nested.pop()
        entity: Entity = {"type": opened.kind, "offset": opened.offset, "length": self.out_units - opened.offset}
        end = at + len(_ENDS.get(opened.kind, "_"))
        keep = entity["length"] > 0
        if opened.kind == "pre" and opened.language:
            entity["language"] = opened.language
        elif opened.kind == "text_link":
            linked = self.text[end] == "("
            url, end = self._link(end)
            entity["url"] = kept_link(url if linked else "".join(self.out[opened.at :]))
            keep = keep and bool(entity["url"])
        elif opened.kind == "custom_emoji":
            if self.text[end] != "(":
                raise MarkupError("The entity must contain a tg://emoji or tg://time URL")
            url, end = self._link(end)
            entity |= _emoji_or_time(url)
        if keep:
            self.entities.append(entity)
        return end

    def _link(self, at: int) -> tuple[str, int]:
        """Read `(url)`. Return the URL, empty if there is none, and where it ends."""
        if self.text[at] != "(":
            return "", at
        begin = at = at + 1
        url = []
        while at < self.size and self.text[at] != ")":
            if self.text[at] == "\\" and "\0" < self.text[at + 1] <= "~":
                at += 1
            url.append(self.text[at])
            at += 1
        if at >= self.size:
            raise MarkupError(f"Can't find end of a URL at byte offset {byte_offset(self.text, begin)}")
        return "".join(url), at + 1

    def _line_end(self, at: int) -> int:
        """Handle a line end. A quotation continues if the next line has its mark too.

        Otherwise the line end is its last part.
        """
        goes_on = self.text[at + 1] == ">"
        if goes_on or not self._quoted():
            self._put_line_end()
            return at + 2 if goes_on and self._quoted() else at + 1
        self._end_quotation(at)
        return at + 1

    def _put_line_end(self) -> None:
        self.out.append("\n")
        self.out_units += 1
        self.at_line_start = True

    def _quoted(self) -> bool:
        return any(each.kind == "blockquote" for each in self.nested)

    def _end_quotation(self, at: int) -> None:
        """End the open quotation, if any; `||` right before its end makes it expandable."""
        if not self._quoted():
            return
        kind = "blockquote"
        last = self.nested[-1]
        returned = at < self.size and self.text[at - 1] == "\r"
        if last.kind == "spoiler" and last.begin in {at - 2, at - 3 if returned else at - 2}:
            self.nested.pop()
            kind = "expandable_blockquote"
        if self.nested[-1].kind != "blockquote":
            raise self._unended()
        opened = self.nested.pop()
        if at < self.size:
            self._put_line_end()
        if self.out_units > opened.offset:
            self.entities.append({"type": kind, "offset": opened.offset, "length": self.out_units - opened.offset})

    def _unended(self) -> MarkupError:
        opened = self.nested[-1]
        name = "PreCode" if opened.language else _NAMES[opened.kind]
        return MarkupError(f"Can't find end of {name} entity at byte offset {byte_offset(self.text, opened.begin)}")


def parse_markdown_v2(text: str) -> tuple[str, list[Entity]]:
    """Return the plain text and its entities, in order. Raises MarkupError."""
    parser = _Parser(text + "\0\0\0", len(text))
    parser.parse()
    return "".join(parser.out), sorted(parser.entities, key=order)


def parse_markdown(text: str) -> tuple[str, list[Entity]]:
    """Return the same for the older Markdown, which has no nesting and no escapes within an entity.

    Raises MarkupError.
    """
    padded, size = text + "\0\0\0", len(text)
    out: list[str] = []
    out_units, at = 0, 0
    entities: list[Entity] = []
    while at < size:
        character = padded[at]
        if character == "\\" and padded[at + 1] in "_*`[":
            character, at = padded[at + 1], at + 1
        elif character in "_*`[":
            content, entity, at = _old_entity(padded, at, size)
            length = units(content)
            if length and entity:
                entities.append({**entity, "offset": out_units, "length": length})
            out.append(content)
            out_units += length
            continue
        out.append(character)
        out_units += 1 + (character > "\uffff")
        at += 1
    return "".join(out), entities


def _old_entity(text: str, begin: int, size: int) -> tuple[str, Entity, int]:
    """Read an entity of the older Markdown. Return its text, its kind (nothing for a bad link), and where it ends."""
    mark = text[begin]
    at, end_mark, named = begin + 1, "]" if mark == "[" else mark, ""
    if text.startswith("```", begin):
        named, at = language(text, begin + 3, size)
        end_mark = "```"
    start = at
    while at < size and not text.startswith(end_mark, at):
        at += 1
    if at >= size:
        raise MarkupError(f"Can't find end of the entity starting at byte offset {byte_offset(text, begin)}")
    content = text[start:at]
    at += len(end_mark)
    if mark == "[":
        url = content
        if text[at] == "(":
            end = text.find(")", at)
            url, at = (text[at + 1 : end], end + 1) if end >= 0 else (text[at + 1 : size], size)
        url = kept_link(url)
        return content, {"type": "text_link", "url": url} if url else {}, at
    if end_mark == "```":
        return content, {"type": "pre", **({"language": named} if named else {})}, at
    return content, {"type": {"_": "italic", "*": "bold", "`": "code"}[mark]}, at


def language(text: str, at: int, size: int) -> tuple[str, int]:
    """Read what follows three backticks: a language's name, if one ends in white space, and one line end."""
    end = at
    while end < size and text[end] not in SPACES and text[end] != "`":
        end += 1
    named = text[at:end] if at != end < size and text[end] != "`" else ""
    at = end if named else at
    if text[at] in "\r\n":
        at += 2 if text[at + 1] in "\r\n" and text[at + 1] != text[at] else 1
    return named, at


def _emoji_or_time(url: str) -> Entity:
    """Return the fields for a link after `![...]`. Raises MarkupError."""
    if emoji_id := emoji_id_in(url):
        return {"type": "custom_emoji", "custom_emoji_id": emoji_id}
    if found := time_in(url):
        return time_entity(*found)
    raise MarkupError("Invalid tg://emoji or tg://time URL specified")


def byte_offset(text: str, at: int) -> int:
    """Return a character's position in UTF-8 bytes."""
    return len(text[:at].encode())
