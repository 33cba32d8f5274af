"""MarkdownV2 and the older Markdown become text and entities, or are refused in the server's words."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.types import MessageEntity
from aiogram.utils.text_decorations import html_decoration, markdown_decoration
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.text.entities import fix_text, units
from doradura.sandbox.text.markdown import RESERVED, parse_markdown, parse_markdown_v2
from doradura.sandbox.text.markup import MarkupError, parse_html


def test_every_kind_of_entity() -> None:
    """Offsets count UTF-16 units; the outer entity stands before the inner."""
    text, entities = parse_markdown_v2(
        "😀 *bold _it_* __u__ ~s~ ||sp|| [l](https://x.org/a\\)b) `a.b` ![😀](tg://emoji?id=5) x\\.y"
    )
    assert text == "😀 bold it u s sp l a.b 😀 x.y"
    assert entities == [
        {"type": "bold", "offset": 3, "length": 7},
        {"type": "italic", "offset": 8, "length": 2},
        {"type": "underline", "offset": 11, "length": 1},
        {"type": "strikethrough", "offset": 13, "length": 1},
        {"type": "spoiler", "offset": 15, "length": 2},
        {"type": "text_link", "offset": 18, "length": 1, "url": "https://x.org/a)b"},
        {"type": "code", "offset": 20, "length": 3},
        {"type": "custom_emoji", "offset": 24, "length": 2, "custom_emoji_id": "5"},
    ]


@pytest.mark.parametrize(
    ("markup", "text", "entity"),
    [
        ("```py\nprint(1)\n```", "print(1)\n", {"type": "pre", "offset": 0, "length": 9, "language": "py"}),
        ("```\na_b```", "a_b", {"type": "pre", "offset": 0, "length": 3}),
        ("```a_b```", "a_b", {"type": "pre", "offset": 0, "length": 3}),
        (">a\n>b\nc", "a\nb\nc", {"type": "blockquote", "offset": 0, "length": 4}),
        (">a\n>b||", "a\nb", {"type": "expandable_blockquote", "offset": 0, "length": 3}),
        ("**>a", "a", {"type": "blockquote", "offset": 0, "length": 1}),
        ("[x](tg:user?id=7)", "x", {"type": "text_link", "offset": 0, "length": 1, "url": "tg://user?id=7"}),
        ("[x](TG://user/?a=1&id=7#z)", "x", {"type": "text_link", "offset": 0, "length": 1, "url": "tg://user?id=7"}),
        ("[x\\.org]", "x.org", {"type": "text_link", "offset": 0, "length": 5, "url": "http://x.org/"}),
    ],
)
def test_blocks_and_links(markup: str, text: str, entity: dict[str, Any]) -> None:
    """Code with a language, quotations over lines, links with and without an address."""
    assert parse_markdown_v2(markup) == (text, [entity])


def test_links_to_nowhere() -> None:
    """An empty address makes no link, whatever its text; a custom emoji's link may be written in several ways."""
    assert parse_markdown_v2("[x\\.org]()") == ("x.org", [])
    emoji = {"type": "custom_emoji", "offset": 0, "length": 1, "custom_emoji_id": "25"}
    assert parse_markdown_v2("![e](TG:EMoji/?a=1&id=25#id=3)") == ("e", [emoji])


@pytest.mark.parametrize(
    ("markup", "text", "entities"),
    [
        # The end of a quotation's last line is its own; a return before it does not matter.
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">a\n\n>b", "a\n\nb", [("blockquote", 0, 2), ("blockquote", 3, 1)]),
        (">\na", "\na", [("blockquote", 0, 1)]),
        (">", "", []),
        ("a\n\r>b\r\nc", "a\n\rb\r\nc", [("blockquote", 3, 3)]),
        (">a\n**>b", "a\nb", [("blockquote", 0, 2), ("blockquote", 2, 1)]),
        (">>a", "a", [("blockquote", 0, 1)]),
        ("a\\\n>b", "a\nb", [("blockquote", 2, 1)]),
        # Two bars right before its end make it expandable, others are a spoiler's.
        (">a||\nb", "a\nb", [("expandable_blockquote", 0, 2)]),
        (">a||\r\nb", "a\r\nb", [("expandable_blockquote", 0, 3)]),
        ("**>a\n>||b||||", "a\nb", [("expandable_blockquote", 0, 3), ("spoiler", 2, 1)]),
        (">||a||\nb", "a\nb", [("blockquote", 0, 2), ("spoiler", 0, 1)]),
        # Code in a quotation keeps its lines, whatever they begin with; styles may go over its lines.
        (">`a\nb`\nc", "a\nb\nc", [("blockquote", 0, 4), ("code", 0, 3)]),
        (">*a\n>b*\nc", "a\nb\nc", [("blockquote", 0, 4), ("bold", 0, 3)]),
        ("*a\n>b\nc*", "a\nb\nc", [("bold", 0, 5), ("blockquote", 2, 2)]),
        # Of three underscores the first two are read as one mark, unless something stands between.
        ("_a __b___", "a b", [("italic", 0, 3), ("underline", 2, 1)]),
        ("__a _b_\r__", "a b\r", [("underline", 0, 4), ("italic", 2, 1)]),
        ("__a _b_ __", "a b ", [("underline", 0, 4), ("italic", 2, 1)]),
        # Empty marks are nothing; a backslash before a letter of another alphabet is one.
        ("a**____~~||||``[](x\\.org)", "a", []),
        ("\\a\\_\\ж\\\\", "a_\\ж\\", []),
        ("```a\r\nb```", "b", [("pre", 0, 1)]),
        ("```\n\nb```", "\nb", [("pre", 0, 2)]),
        ("`a_b\\`c`", "a_b`c", [("code", 0, 5)]),
    ],
)
def test_what_marks_mean(markup: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    """Where marks could be read in several ways, they are read as TDLib does."""
    plain, found = parse_markdown_v2(markup)
    assert (plain, [(each["type"], each["offset"], each["length"]) for each in found]) == (text, entities)


def test_formatted_dates() -> None:
    """A link to a time makes a date of what it is about; the format's letters come in Telegram's order."""
    fields = {"type": "date_time", "offset": 0, "length": 1, "unix_time": 5}
    assert parse_markdown_v2("![x](tg://time?unix=5)") == ("x", [fields])
    assert parse_markdown_v2("![x](TG:time?format=tDW&unix=5)") == ("x", [{**fields, "date_time_format": "wDt"}])
    assert parse_markdown_v2("![x](tg://time?unix=5&format=R)") == ("x", [{**fields, "date_time_format": "r"}])


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        *(
            (f"é{mark}", f"Character '{mark}' is reserved and must be escaped with the preceding '\\'")
            for mark in sorted(RESERVED - set("_*[~`\n"))
        ),
        ("é *b", "Can't find end of Bold entity at byte offset 3"),
        ("_a __b_", "Can't find end of Italic entity at byte offset 6"),
        ("```py\nx", "Can't find end of PreCode entity at byte offset 0"),
        ("[l](http://x", "Can't find end of a URL at byte offset 4"),
        ("é![e]", "The entity must contain a tg://emoji or tg://time URL"),
        ("é![e](tg://emoji?id=1", "Can't find end of a URL at byte offset 7"),
        *(
            (f"![e]({link})", "Invalid tg://emoji or tg://time URL specified")
            for link in (
                "http://x.org",
                "tg://emojis?id=1",
                "tg://emoji?a=1#id=2",
                "tg://emoji?id=012",
                "tg://time?unix=0",
                "tg://time?format=t",
            )
        ),
        ("![e](tg://time?unix=1&format=rt)", "Invalid date format used"),
        (">a *b\nc*", "Can't find end of Bold entity at byte offset 3"),
        (">a ||b\nc", "Can't find end of Spoiler entity at byte offset 3"),
        (">a *b||\nc", "Can't find end of Bold entity at byte offset 3"),
        ("é__a _b___", "Can't find end of Italic entity at byte offset 10"),
        ("é`a", "Can't find end of Code entity at byte offset 2"),
        ("é```a", "Can't find end of Pre entity at byte offset 2"),
        ("é~a", "Can't find end of Strikethrough entity at byte offset 2"),
        ("é||a", "Can't find end of Spoiler entity at byte offset 2"),
        ("é[a", "Can't find end of TextUrl entity at byte offset 2"),
        ("é![a", "Can't find end of CustomEmoji entity at byte offset 2"),
    ],
)
def test_refusals(markup: str, why: str) -> None:
    """In TDLib's words, with offsets in bytes."""
    with pytest.raises(MarkupError) as refused:
        parse_markdown_v2(markup)
    assert str(refused.value) == why


def test_the_older_markdown() -> None:
    """It knows five kinds, no nesting, and four escapes."""
    text, entities = parse_markdown("*b* _i_ `c_d` [l](http://x.org) ```py\nx``` a\\_b 😀.")
    assert text == "b i c_d l x a_b 😀."
    assert entities == [
        {"type": "bold", "offset": 0, "length": 1},
        {"type": "italic", "offset": 2, "length": 1},
        {"type": "code", "offset": 4, "length": 3},
        {"type": "text_link", "offset": 8, "length": 1, "url": "http://x.org/"},
        {"type": "pre", "offset": 10, "length": 1, "language": "py"},
    ]
    with pytest.raises(MarkupError, match="Can't find end of the entity starting at byte offset 1"):
        parse_markdown("a_b")


KINDS = ("bold", "italic", "underline", "strikethrough", "spoiler", "code", "pre", "text_link")


@st.composite
def formatted(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Words, each plain or of one kind."""
    words = draw(
        st.lists(st.tuples(st.text("ab_*[]()~`>#+-=|{}.!\\&<>é😀", min_size=1), st.sampled_from(("", *KINDS))))
    )
    text, entities = "", []
    for word, kind in words:
        if kind:
            entity: dict[str, Any] = {"type": kind, "offset": units(text), "length": units(word)}
            entities.append(entity | ({"url": "https://x.org/"} if kind == "text_link" else {}))
        text += word + "x"
    return text, entities


@given(formatted())
def test_what_another_client_writes_is_read_back(given_: tuple[str, list[dict[str, Any]]]) -> None:
    """Aiogram turns text and entities into HTML and MarkdownV2; both give the same text and entities again."""
    text, entities = given_
    made = [MessageEntity(**entity) for entity in entities]
    assert parse_html(html_decoration.unparse(text, made)) == (text, entities)
    # In code aiogram leaves backslashes as they are, and to a block it adds a line's end.
    if "\\" not in text and all(entity["type"] != "pre" for entity in entities):
        written = parse_markdown_v2(markdown_decoration.unparse(text, made))
        assert fix_text(*written, may_be_empty=True) == (text, entities)


@given(st.text("ab_*[]()~`>#+-=|{}.!\\\n\r😀"))
def test_no_text_breaks_it(markup: str) -> None:
    """Whatever is written is read or refused, and entities lie within the text."""
    for parse in (parse_markdown_v2, parse_markdown):
        try:
            text, entities = parse(markup)
        except MarkupError:
            continue
        for entity in entities:
            assert 0 <= entity["offset"] < entity["offset"] + entity["length"] <= units(text)
