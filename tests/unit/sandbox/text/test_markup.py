from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import MarkupError, parse_html


def test_tags_become_entities_with_utf16_offsets() -> None:
    """Nested tags give entities counted in UTF-16 units, the outer before the inner."""
    text, entities = parse_html('😀<b>bold <i>both</i></b> <a href="https://x.org/?a=1&amp;b=2">link</a>')
    assert text == "😀bold both link"
    assert entities == [
        {"type": "bold", "offset": 2, "length": 9},
        {"type": "italic", "offset": 7, "length": 4},
        {"type": "text_link", "offset": 12, "length": 4, "url": "https://x.org/?a=1&b=2"},
    ]


def test_character_references() -> None:
    """The four names and both kinds of number are decoded; any other ampersand stays."""
    assert parse_html("&lt;&gt;&amp;&quot; &#65;&#x1F600; a & b &nbsp; R&D")[0] == '<>&" A😀 a & b &nbsp; R&D'


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("strong", "bold"),
        ("em", "italic"),
        ("u", "underline"),
        ("ins", "underline"),
        ("s", "strikethrough"),
        ("strike", "strikethrough"),
        ("del", "strikethrough"),
        ("code", "code"),
        ("pre", "pre"),
        ("tg-spoiler", "spoiler"),
        ("blockquote", "blockquote"),
    ],
)
def test_each_tag(tag: str, kind: str) -> None:
    """Every simple tag has its entity, whatever its case."""
    assert parse_html(f"<{tag.upper()}>x</{tag}>") == ("x", [{"type": kind, "offset": 0, "length": 1}])


@pytest.mark.parametrize(
    ("markup", "text", "entities"),
    [
        ("<i>a</>b<b  >c</b  >", "abc", [("italic", 0, 1), ("bold", 2, 1)]),
        ("<b class = x id='&lt;' q=\"'\" flag>a</b>", "a", [("bold", 0, 1)]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ("<blockquote cite='' expandable=no>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ("<code class=language-c><pre>a</pre></code>", "a", [("pre", 0, 1)]),
        ("<pre><code class=language-c>a</code> </pre>", "a ", [("pre", 0, 2), ("code", 0, 1)]),
        ("<pre><code>a</code></pre>", "a", [("pre", 0, 1), ("code", 0, 1)]),
        ("<a>x.org</a> <a>x</a> <a href=nodot>y</a>", "x.org x y", [("text_link", 0, 5)]),
        ("<b></b><i> </i>", " ", [("italic", 0, 1)]),
        ("<tg-emoji emoji-id=5>😀</tg-emoji>", "😀", [("custom_emoji", 0, 2)]),
        ("<tg-time unix=5>a</tg-time><tg-time unix=x>b</tg-time>", "ab", [("date_time", 0, 1)]),
        ("&#0; &#00000065; &#0000065; &#x110000; &lt &#65", "&#0; &#00000065; A &#x110000; < A", []),
    ],
)
def test_what_tags_mean(markup: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    """Tags and attributes are read as TDLib does, however they are written."""
    plain, found = parse_html(markup)
    assert (plain, [(each["type"], each["offset"], each["length"]) for each in found]) == (text, entities)


def test_formatted_dates() -> None:
    """A time in seconds, and a format whose letters come in Telegram's order."""
    assert parse_html('<tg-time unix="5s" format="tdW">a</tg-time>')[1] == [
        {"type": "date_time", "offset": 0, "length": 1, "unix_time": 5, "date_time_format": "wdt"}
    ]


def test_spoiler_span_and_code_language() -> None:
    """A span must be a spoiler; pre around code of a language is one entity."""
    assert parse_html('<span class="tg-spoiler">x</span>')[1][0]["type"] == "spoiler"
    code = parse_html('<pre><code class="language-python">x</code></pre>')
    assert code == ("x", [{"type": "pre", "offset": 0, "length": 1, "language": "python"}])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("é<x>", 'Unsupported start tag "x" at byte offset 2'),
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("a <b", "Unclosed start tag at byte offset 2"),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<b x=y*>", "Unexpected end of name token at byte offset 5"),
        ("é<b =x>", 'Empty attribute name in the tag "b" at byte offset 2'),
        ("<B>a</EM >", 'Unmatched end tag at byte offset 4, expected "</b>", found "</em>"'),
        ("<tg-emoji emoji-id=x>a</tg-emoji>", "Invalid custom emoji identifier specified"),
        ("<tg-time unix=1 format=rt>a</tg-time>", "Invalid date format used"),
        (
            "&#xD83D;",
            (
                "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched "
                "surrogate code units"
            ),
        ),
        ("a\0", "Text must not contain null bytes"),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
    ],
)
def test_errors_are_the_servers(text: str, error: str) -> None:
    """What is wrong is told in the Bot API server's words, with offsets in bytes."""
    with pytest.raises(MarkupError) as raised:
        parse_html(text)
    assert str(raised.value) == error


@given(st.text(alphabet="ab<>/&;#= \"'😀\n\0", max_size=40))
def test_any_text_gives_entities_inside_it_or_an_error(text: str) -> None:
    """No text crashes the parser, and no entity points outside of its text."""
    try:
        plain, entities = parse_html(text)
    except MarkupError:
        return
    for entity in entities:
        assert 0 <= entity["offset"] < entity["offset"] + entity["length"] <= units(plain)
