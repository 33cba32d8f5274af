"""The subset of Markdown that the runbooks use, parsed into blocks, and its inline marks as HTML.

It reads headings, paragraphs, lists and fenced blocks, and within a line bold, italics, code and links. Everything else
is text. Everything is escaped: no HTML passes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

BlockKind = Literal["heading", "paragraph", "bullet", "numbered", "code"]

_FENCE = re.compile(r"(`{3,}|~{3,})\s*(\w*)")
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_ITEM = re.compile(r"\s*(?:(?P<bullet>[-*+])|(?P<number>\d{1,4})[.)])\s+(?P<text>.+)")
_INLINE = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)(?!`)"
    r"|\*\*(?P<bold>\S.*?)\*\*"
    r"|(?<![\w*])\*(?P<italic>[^\s*][^*]*)\*(?![\w*])"
    r"|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)"
    r"|\\(?P<plain>[!-/:-@\[-`{-~])",
    re.DOTALL,
)

Leads = Callable[[str], str | None]
"""A link's target as written -> its target for this reader; None if it leads nowhere."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its kind and its text, which has inline marks unless it is code."""

    kind: BlockKind
    text: str
    level: int = 0
    """A heading's level, or a numbered item's number."""
    language: str = ""


def parse_blocks(text: str) -> tuple[Block, ...]:
    """Parse a text's blocks. A fence that is never closed extends to the end."""
    return tuple(_blocks(iter(text.splitlines())))


def _blocks(lines: Iterator[str]) -> Iterator[Block]:
    kind: BlockKind = "paragraph"
    number, collected = 0, list[str]()

    def collected_block() -> Iterator[Block]:
        if collected:
            yield Block(kind, " ".join(collected), number)
            collected.clear()

    for line in lines:
        fence, heading, item = _FENCE.match(line.strip()), _HEADING.match(line), _ITEM.match(line)
        if fence:
            yield from collected_block()
            yield Block("code", _fenced(lines, fence[1]), language=fence[2])
        elif heading:
            yield from collected_block()
            yield Block("heading", heading[2], len(heading[1]))
        elif item:
            yield from collected_block()
            kind, number = "bullet" if item["bullet"] else "numbered", int(item["number"] or 0)
            collected.append(item["text"].strip())
        elif line.strip():
            if not collected:
                kind, number = "paragraph", 0
            collected.append(line.strip())
        else:
            yield from collected_block()
    yield from collected_block()


def _fenced(lines: Iterator[str], fence: str) -> str:
    inside = []
    for line in lines:
        if line.strip().startswith(fence):
            break
        inside.append(line)
    return "\n".join(inside)


def inline_html(text: str, leads: Leads) -> str:
    """Return a text's inline marks as the HTML that both a browser and Telegram accept: b, i, code, a."""
    made, end = [], 0
    for match in _INLINE.finditer(text):
        made.append(escape(text[end : match.start()]))
        end = match.end()
        if match["code"] is not None:
            made.append(f"<code>{escape(_code(match['code']))}</code>")
        elif match["bold"] is not None:
            made.append(f"<b>{inline_html(match['bold'], leads)}</b>")
        elif match["italic"] is not None:
            made.append(f"<i>{inline_html(match['italic'], leads)}</i>")
        elif match["plain"] is not None:
            made.append(escape(match["plain"]))
        else:
            inner, target = inline_html(match["text"], leads), leads(match["url"])
            made.append(inner if target is None else f'<a href="{escape(target)}">{inner}</a>')
    return "".join([*made, escape(text[end:])])


def _code(text: str) -> str:
    """Remove the one space that lets code begin and end with a tick."""
    return text[1:-1] if text.startswith(" ") and text.endswith(" ") and text.strip() else text


def is_item(block: Block) -> bool:
    """Return whether a block is one item of a list."""
    return block.kind in {"bullet", "numbered"}


def runs(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """Group the blocks: the items of one list together, all others by themselves."""
    start = 0
    for end in range(1, len(blocks) + 1):
        if end == len(blocks) or not is_item(blocks[end]) or blocks[end].kind != blocks[start].kind:
            yield blocks[start:end]
            start = end
