"""Texts are cleaned and trimmed, and given entities sorted, joined and cut, as Telegram does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doradura.sandbox.text.detect import detect_entities
from doradura.sandbox.text.entities import CODE, LIMIT, QUOTATIONS, STYLES, EntityError, fix_text, order, units

Short = tuple[str, int, int]
"""An entity as kind, offset and length."""


def fixed(text: str, entities: list[Short]) -> tuple[str, list[Short]]:
    """Return what is kept of a text and entities."""
    made: list[dict[str, Any]] = [
        {"type": kind, "offset": offset, "length": length} for kind, offset, length in entities
    ]
    kept, found = fix_text(text, made, may_be_empty=False)
    return kept, [(entity["type"], entity["offset"], entity["length"]) for entity in found]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  a\n ", "a"),
        ("a\r\nb\tc\x00d\x0be\x1f", "a\nb c d e"),
        ("a\u2028b\u202ec\u202ad", "abcd"),
        ("a\u0333b\u033fc\u030ad", "abcd"),
        ("a\u200e\u200f\u200eb\u200f", "a\u200c\u200c\u200eb\u200f"),
        ("a\xa0\u3000\u200b\u2800", "a\xa0\u3000\u200b\u2800"),
        ("\x7fa", "\x7fa"),
        (" \r\t\n a", "a"),
    ],
)
def test_cleaning(text: str, kept: str) -> None:
    """Control characters become spaces; returns, line separators and turns of direction go; ends are cut."""
    assert fixed(text, []) == (kept, [])


@pytest.mark.parametrize(
    "text", ["", " \n", "\t\r", "\u200b", "\xa0", "\u2800\u3000", "\ufeff\u200d", "\u202e", "\U000e0041"]
)
def test_nothing_visible(text: str) -> None:
    """A text must have something to see; a caption need not, and is nothing if it is only spaces and line ends."""
    with pytest.raises(EntityError, match=r"^Text must be non-empty$"):
        fix_text(text, [], may_be_empty=False)
    assert fix_text(text, [], may_be_empty=True)[0] == text.translate({13: None, 9: " ", 0x202E: None}).strip(" \n")


@pytest.mark.parametrize(
    ("text", "entities", "kept", "found"),
    [
        # Offsets move with what is cut and cleaned.
        ("  ab ", [("bold", 2, 3)], "ab", [("bold", 0, 2)]),
        ("a\rb", [("bold", 1, 1), ("code", 2, 1)], "ab", [("code", 1, 1)]),
        ("\r😀\rb", [("bold", 1, 3), ("italic", 4, 1)], "😀b", [("bold", 0, 2), ("italic", 2, 1)]),
        ("a\u202eb", [("code", 0, 3)], "ab", [("code", 0, 2)]),
        ("a\rb", [("bold", 0, 1), ("bold", 2, 1)], "ab", [("bold", 0, 2)]),
        ("a ", [("italic", 0, 2), ("bold", 0, 1)], "a", [("bold", 0, 1), ("italic", 0, 1)]),
        # In front nothing is cut that an entity holds; behind all is.
        ("  ab  ", [("bold", 1, 5)], " ab", [("bold", 0, 3)]),
        ("  ab  ", [("code", 4, 2)], "ab", []),
        ("a b", [("bold", 1, 1)], "a b", [("bold", 1, 1)]),
        # Of one kind, what touches is one.
        ("abc", [("bold", 1, 1), ("bold", 0, 1)], "abc", [("bold", 0, 2)]),
        ("abc", [("bold", 0, 2), ("bold", 1, 2)], "abc", [("bold", 0, 3)]),
        ("abc", [("bold", 0, 1), ("bold", 2, 1)], "abc", [("bold", 0, 1), ("bold", 2, 1)]),
        # Of two kinds, the one that began is cut where the other begins.
        ("abc", [("italic", 0, 2), ("bold", 1, 2)], "abc", [("italic", 0, 1), ("bold", 1, 2), ("italic", 1, 1)]),
        ("abc", [("bold", 0, 3), ("italic", 1, 1)], "abc", [("bold", 0, 1), ("bold", 1, 2), ("italic", 1, 1)]),
        ("abc", [("bold", 0, 3), ("italic", 0, 1)], "abc", [("bold", 0, 3), ("italic", 0, 1)]),
        # At one place the longer is first, then by kind.
        (
            "a",
            [("spoiler", 0, 1), ("bold", 0, 1), ("italic", 0, 1)],
            "a",
            [("bold", 0, 1), ("italic", 0, 1), ("spoiler", 0, 1)],
        ),
        ("ab", [("bold", 0, 1), ("text_link", 0, 2)], "ab", [("text_link", 0, 2), ("bold", 0, 1)]),
        # Code holds no styles; they go on behind it.
        ("abc", [("bold", 0, 3), ("code", 1, 1)], "abc", [("bold", 0, 1), ("code", 1, 1), ("bold", 2, 1)]),
        ("abc", [("pre", 0, 3), ("bold", 1, 1)], "abc", [("pre", 0, 3)]),
        # Links, code, emoji and mentions exclude each other: the first stays, of two at one place the longer.
        ("abc", [("text_link", 1, 2), ("code", 0, 2)], "abc", [("code", 0, 2)]),
        ("abc", [("text_link", 0, 2), ("text_mention", 0, 3)], "abc", [("text_mention", 0, 3)]),
        ("abc", [("code", 0, 3), ("pre", 0, 3)], "abc", [("pre", 0, 3)]),
        # Quotations hold all but quotations; what crosses their ends or holds them goes.
        ("abc", [("blockquote", 0, 3), ("code", 1, 1)], "abc", [("blockquote", 0, 3), ("code", 1, 1)]),
        ("abc", [("code", 0, 3), ("blockquote", 1, 1)], "abc", [("blockquote", 1, 1)]),
        ("abc", [("text_link", 0, 2), ("blockquote", 1, 2)], "abc", [("blockquote", 1, 2)]),
        ("abc", [("blockquote", 0, 3), ("expandable_blockquote", 1, 1)], "abc", [("blockquote", 0, 3)]),
        ("abc", [("bold", 0, 2), ("blockquote", 1, 2)], "abc", [("bold", 0, 1), ("blockquote", 1, 2), ("bold", 1, 1)]),
        # Empty ones are nothing.
        ("abc", [("bold", 1, 0), ("code", 3, 0)], "abc", []),
    ],
)
def test_entities(text: str, entities: list[Short], kept: str, found: list[Short]) -> None:
    """They are moved with their text, joined, cut, put in order and left out by the rules above."""
    assert fixed(text, entities) == (kept, found)


@pytest.mark.parametrize(
    ("text", "entities", "why"),
    [
        ("abc", [("bold", -1, 1)], "Receive an entity with incorrect offset -1"),
        ("abc", [("bold", 1, -2)], "Receive an entity with incorrect length -2"),
        ("abc", [("bold", 0, 1_000_001)], "Receive an entity with incorrect length 1000001"),
        ("abc", [("bold", 4, 1)], "Entity begins after the end of the text at UTF-16 offset 4"),
        (
            "abc",
            [("bold", 3, 1)],
            "Entity beginning at UTF-16 offset 3 ends after the end of the text at UTF-16 offset 4",
        ),
        (
            "abc",
            [("code", 1, 3)],
            "Entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 4",
        ),
        (
            "abc",
            [("blockquote", 0, 5), ("code", 1, 3)],
            "Entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 4",
        ),
        ("a😀b", [("bold", 2, 2)], "Entity begins in a middle of a UTF-16 symbol at byte offset 5"),
        (
            "é😀b",
            [("bold", 0, 2)],
            "Entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 6",
        ),
        ("", [("bold", 0, 1)], "Entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 1"),
    ],
)
def test_refusals(text: str, entities: list[Short], why: str) -> None:
    """Entities outside of the text, or of half a character, are refused in TDLib's words."""
    with pytest.raises(EntityError) as refused:
        fixed(text, entities)
    assert str(refused.value) == why


def test_a_hundred_are_kept() -> None:
    """Over the limit links and quotations come first, then styles from the front; custom emoji do not count."""
    text = "ab" * 200
    bold = [("bold", 2 * at, 1) for at in range(150)]
    links = [("text_link", 2 * at + 1, 1) for at in range(30)]
    emoji = [("custom_emoji", 300 + 2 * at, 1) for at in range(20)]
    _, kept = fixed(text, [*bold, *links, *emoji])
    assert kept == sorted([*bold[: LIMIT - 30], *links, *emoji], key=lambda entity: entity[1])
    _, kept = fixed(text, [("code", 2 * at, 1) for at in range(150)])
    assert kept == [("code", 2 * at, 1) for at in range(LIMIT)]


KINDS = (*STYLES, *sorted(QUOTATIONS), *sorted(CODE), "text_link", "text_mention", "custom_emoji")


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Any text, and entities anywhere in it that begin and end between characters."""
    text = draw(st.text("ab@.:/ \n\r\t\u202e\u200f😀#", min_size=1, max_size=30))
    places = [0]
    for character in text:
        places.append(places[-1] + units(character))
    entities = []
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=12)):
        begin, end = sorted((draw(st.sampled_from(places)), draw(st.sampled_from(places))))
        entities.append({"type": kind, "offset": begin, "length": end - begin})
    return text, entities


def covered(text: str, entities: list[dict[str, Any]], kinds: frozenset[str] | tuple[str, ...]) -> list[set[str]]:
    """Return which kinds each of a text's units is of."""
    here: list[set[str]] = [set() for _ in range(units(text))]
    for entity in entities:
        if entity["type"] in kinds:
            for at in range(entity["offset"], entity["offset"] + entity["length"]):
                here[at].add(entity["type"])
    return here


@settings(max_examples=300)
@given(marked())
def test_whatever_is_given_nothing_crosses(given_: tuple[str, list[dict[str, Any]]]) -> None:
    """Entities come out in order and within the text, on whole characters; what nests may nest; again is the same."""
    text, entities = given_
    plain, kept = fix_text(text, entities, may_be_empty=True)
    found = detect_entities(plain, kept)
    encoded = plain.encode("utf-16-le")
    assert found == sorted(found, key=order)
    open_: list[dict[str, Any]] = []
    for entity in found:
        begin, end = entity["offset"], entity["offset"] + entity["length"]
        assert 0 <= begin < end <= units(plain)
        encoded[2 * begin : 2 * end].decode("utf-16-le")
        open_ = [outer for outer in open_ if outer["offset"] + outer["length"] > begin]
        for outer in open_:
            assert end <= outer["offset"] + outer["length"]
            assert outer["type"] != entity["type"]
            assert outer["type"] not in CODE
            assert outer["type"] in {*STYLES, *QUOTATIONS} or entity["type"] in STYLES
            assert outer["type"] not in STYLES or entity["type"] in {*STYLES, "custom_emoji"}
        open_.append(entity)
    assert fix_text(plain, kept, may_be_empty=True) == (plain, kept)


@given(marked())
def test_styles_stay_where_they_were(given_: tuple[str, list[dict[str, Any]]]) -> None:
    """Cut and joined as they may be, styles cover what they covered, but for code."""
    text, entities = given_
    text = "".join(character for character in text if character not in "\r\u202e") + "a"
    size = units(text)
    entities = [entity for entity in entities if entity["offset"] + entity["length"] <= size]
    try:
        plain, kept = fix_text("a" + text, entities, may_be_empty=False)
    except EntityError:
        return
    before, after = covered("a" + text, entities, STYLES), covered(plain, kept, STYLES)
    code = covered(plain, kept, CODE)
    assert after == [set() if in_code else styles for styles, in_code in zip(before, code, strict=True)]
