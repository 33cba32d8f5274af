from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.runbooks.markdown import Block, inline_html, parse_blocks, runs


def html(text: str) -> str:
    """The inline HTML of a text whose links all lead where they say, but #none."""
    return inline_html(text, lambda url: None if url == "#none" else url)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a **b** c", "a <b>b</b> c"),
        ("**Do**, *now*", "<b>Do</b>, <i>now</i>"),
        ("`a < b`", "<code>a &lt; b</code>"),
        ("`` a`b ``", "<code>a`b</code>"),
        ("`**a** [b](c)`", "<code>**a** [b](c)</code>"),
        ("[a](#b)", '<a href="#b">a</a>'),
        ("[**a** `b`](#c)", '<a href="#c"><b>a</b> <code>b</code></a>'),
        ("[a](#none) b", "a b"),
        ('[a](b"onclick=x)', '<a href="b&quot;onclick=x">a</a>'),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("2 * 3 * 4, a_b_c, 5*6*7", "2 * 3 * 4, a_b_c, 5*6*7"),
        (r"\*a\*, \`b\`, c\d", "*a*, `b`, c\\d"),
        ("**never closed", "**never closed"),
        ("`never closed", "`never closed"),
        ("[a] (b)", "[a] (b)"),
    ],
)
def test_marks_in_a_line(text: str, made: str) -> None:
    """Bold, italics, code and links become HTML; everything else is text, escaped."""
    assert html(text) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("# A\n\n## B ##", [Block("heading", "A", 1), Block("heading", "B", 2)]),
        ("a\nb\n\nc", [Block("paragraph", "a b"), Block("paragraph", "c")]),
        ("- a\n  b\n- c", [Block("bullet", "a b"), Block("bullet", "c")]),
        ("1. a\n2) b", [Block("numbered", "a", 1), Block("numbered", "b", 2)]),
        ("a\n- b\n\nc", [Block("paragraph", "a"), Block("bullet", "b"), Block("paragraph", "c")]),
        ("```sh\n# a\n\n- b\n```\nc", [Block("code", "# a\n\n- b", language="sh"), Block("paragraph", "c")]),
        ("~~~\n```\n~~~", [Block("code", "```")]),
        ("a\n```\nb", [Block("paragraph", "a"), Block("code", "b")]),
        ("#a\n-b\n1.c", [Block("paragraph", "#a -b 1.c")]),
        ("", []),
    ],
)
def test_blocks(text: str, made: Any) -> None:
    """A text is read into headings, paragraphs, items and fenced code, in their order."""
    assert list(parse_blocks(text)) == made


def test_the_items_of_a_list_stay_together() -> None:
    """A list is one run, another kind of list another."""
    found = list(runs(parse_blocks("a\n\n- b\n- c\n\n1. d\n2. e\n\nf\n\ng")))
    assert [[block.text for block in run] for run in found] == [["a"], ["b", "c"], ["d", "e"], ["f"], ["g"]]
    assert list(runs(())) == []


@given(st.text(alphabet="ab*`[]()#\\<>&\"'-1. \n~", max_size=80))
def test_no_text_becomes_markup_of_its_own(text: str) -> None:
    """Whatever is written, no tag but ours comes out, and reading ends."""
    for block in parse_blocks(text):
        made = html(block.text)
        for tag in ("<b>", "</b>", "<i>", "</i>", "<code>", "</code>", "</a>"):
            made = made.replace(tag, "")
        assert "<" not in made.replace('<a href="', "")
