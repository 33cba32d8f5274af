"""Texts that are too long are cut or split, and stay markup that Telegram reads."""

from __future__ import annotations

import html
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.text.markup import parse_html
from doradura.telegram.entities import plain_text
from doradura.telegram.graphemes import joined
from doradura.telegram.lengths import cut_text, split_text
from doradura.telegram.units import shorten, units
from tests.unit.telegram.test_graphemes import CHARACTERS

_WORDS = st.lists(
    st.tuples(st.sampled_from(("", "b", "i", "code", "a", "blockquote")), st.text("ab <&>é😀\n", min_size=1)),
    max_size=30,
)


def markup(words: list[tuple[str, str]]) -> str:
    """Words, each within a tag or none, and each tag within another."""
    starts = {"a": '<a href="http://x.org/?a=1&amp;b">'}
    text = "".join(
        f"{starts.get(tag, f'<{tag}>')}<u>{html.escape(word, quote=False)}</u></{tag}>" if tag else html.escape(word)
        for tag, word in words
    )
    return f"<s>{text}</s>"


def letters(text: str) -> str:
    """A text without the white space a split may lose."""
    return "".join(text.split())


@given(_WORDS, st.integers(8, 40))
def test_nothing_is_lost_and_every_piece_is_read(words: list[tuple[str, str]], limit: int) -> None:
    """The pieces have the same letters in the same order, each within the limit, each with its tags closed."""
    whole = markup(words)
    pieces = split_text(whole, limit)
    read = [parse_html(piece) for piece in pieces]
    assert letters("".join(text for text, _ in read)) == letters(parse_html(whole)[0])
    assert all(units(text) <= limit for text, _ in read)
    text, entities = parse_html(cut_text(whole, limit))
    assert units(text) <= limit
    assert len(entities) <= len(parse_html(whole)[1])


def test_it_is_parted_at_lines_and_words() -> None:
    """At a line's end in the last quarter, else at a word's, else where it is full."""
    assert split_text("aaaa bbbb\ncc dd", 12) == ["aaaa bbbb", "cc dd"]
    assert split_text("aaaa bbbb cccc", 12) == ["aaaa bbbb", "cccc"]
    assert split_text("x" * 25, 12) == ["x" * 12, "x" * 12, "x"]


def test_tags_are_closed_and_opened_again() -> None:
    """A link goes on in the next piece with its address."""
    link = '<b><a href="http://x.org">' + "word " * 4 + "</a></b>tail"
    assert split_text(link, 12) == [
        '<b><a href="http://x.org">word word</a></b>',
        '<b><a href="http://x.org">word word</a></b>',
        "tail",
    ]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("short", "short"),
        ("<b>" + "x" * 12 + "</b>", "<b>" + "x" * 9 + "…</b>"),
        ("&amp;" * 12, "&amp;" * 9 + "…"),
        ("😀" * 6, "😀" * 4 + "…"),
        ("one two three", "one two…"),
        ("x" * 10 + " " * 20, "x" * 10),
    ],
)
def test_what_is_cut_ends_in_an_ellipsis(text: str, cut: str) -> None:
    """Within the tag that is open, between characters, and no reference is broken."""
    assert cut_text(text, 10) == cut


def test_plain_texts_have_no_tags() -> None:
    """What looks like markup is counted and parted as it stands."""
    assert split_text("<b>&amp;" * 3, 8, markup=False) == ["<b>&amp;"] * 3
    assert cut_text("<b>x</b> and more", 8, markup=False) == "<b>x</b…"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("&nbsp;" * 3, ["&nbsp;"] * 3),
        ("&ltx" * 3, ["&ltx"] * 3),
        ("&lt1" * 4, ["&lt1" * 3 + "&lt", "1"]),
        ("&#0;&#x110000;", ["&#0;&#x", "110000;"]),
        ("&#8364;&#x20AC" * 4, ["&#8364;&#x20AC" * 3 + "&#8364;", "&#x20AC"]),
    ],
)
def test_only_telegrams_references_are_characters(text: str, pieces: list[str]) -> None:
    """Four names and numbers count as one; `&nbsp;` and what is no number are the letters they are."""
    assert split_text(text, 7) == pieces
    assert [parse_html(piece)[0] for piece in pieces] == [plain_text(piece) for piece in pieces]
    assert all(units(plain_text(piece)) <= 7 for piece in pieces)


@given(CHARACTERS, st.integers(1, 40), st.data())
def test_no_character_is_parted(text: str, limit: int, data: st.DataObject) -> None:
    """Nor by tags within it; one that is longer than a piece is parted between code points."""
    bounds = {index for index, joins in enumerate([*joined(text), False]) if not joins}
    tags = data.draw(st.lists(st.sampled_from(("", "", "", "b", "i")), min_size=len(text), max_size=len(text)))
    marked = "".join(f"<{tag}>{point}</{tag}>" if tag else point for tag, point in zip(tags, text, strict=True))
    for pieces in (
        split_text(text, limit, markup=False),
        [parse_html(piece)[0] for piece in split_text(marked, max(limit, 2))],
    ):
        assert "".join(pieces) == text
        ends = set(itertools.accumulate(len(piece) for piece in pieces))
        assert all(units(piece) <= max(limit, 2) for piece in pieces)
        longest = max(units(text[begin:end]) for begin, end in itertools.pairwise(sorted({0, *bounds})))
        assert ends <= bounds or longest > limit


@given(CHARACTERS, st.integers(2, 40))
def test_shortening_parts_no_character(text: str, limit: int) -> None:
    """As many whole characters as there is room for beside the ellipsis; code points only where none has room."""
    short = shorten(text, limit)
    assert units(short) <= limit
    if short == text:
        return
    kept = short.removesuffix("…")
    bounds = [index for index, joins in enumerate([*joined(text), False]) if not joins]
    fitting = [index for index in bounds if index and units(text[:index]) < limit]
    assert text.startswith(kept)
    assert len(kept) == max(fitting) if fitting else len(kept) < bounds[1]
