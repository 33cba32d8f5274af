"""MarkdownV2 and the older Markdown become text and entities, or are refused in the server's words."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.types import MessageEntity
from aiogram.utils.text_decorations import html_decoration, markdown_decoration
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.entities import fix_text, units
from doradura.sandbox.markdown import RESERVED, parse_markdown, parse_markdown_v2
from doradura.sandbox.markup import MarkupError, parse_html
from doradura.sandbox.texts import formatted as read_text


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
        ("[x](tg://user?id=7)", "x", {"type": "text_link", "offset": 0, "length": 1, "url": "tg://user?id=7"}),
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
    ("link", "kept"),
    [
        ("X.org", "http://x.org/"),
        ("https://X.org?Q=1", "https://x.org/?Q=1"),
        ("https://x.org/Path", "https://x.org/Path"),
        ("tg://resolve?domain=x", "tg://resolve?domain=x"),
    ],
)
def test_a_link_is_kept_as_the_server_writes_it(link: str, kept: str) -> None:
    """With a scheme, a host in small letters and a slash behind it; Telegram's own links as they are."""
    _, (entity,) = read_text(f'<a href="{link}">a</a>', "HTML", None)
    assert entity["url"] == kept


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
