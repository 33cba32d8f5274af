from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.entities import units
from doradura.sandbox.markup import MarkupError, parse_html


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
