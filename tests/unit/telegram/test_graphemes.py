"""What is one character to a reader."""

from __future__ import annotations

import time

import pytest
from hypothesis import strategies as st

from doradura.telegram.graphemes import joined

WHOLE = (
    *("a", "é", "é", "ệ", "\U0001f600", "❤️", "1️⃣", "©️"),
    *("\U0001f44d\U0001f3fd", "\U0001f9d1\U0001f3fb‍\U0001f91d‍\U0001f9d1\U0001f3ff"),
    *("\U0001f1e9\U0001f1ea", "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466", "\U0001f3f3️‍\U0001f308"),
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    *("क्षि", "क्‍ष", "நி", "ক্ষ", "กำ", "ขั้", "ខ្មែ", "မ္မ"),
    *("a\U0001e08f", "a\U00010efd"),
    *("한", "각", "각", "각", "ば", "ﾊﾞ", "ש́"),
)
"""Characters of several code points, and a few of one."""

CHARACTERS = st.lists(st.sampled_from((*WHOLE, "x", "\u0301", "\u200d", "\U0001f1eb")), min_size=1, max_size=25).map(
    "".join
)
"""Texts of them, with parts that may join what stands beside them."""


@pytest.mark.parametrize("character", WHOLE, ids=lambda text: "-".join(f"{ord(point):x}" for point in text))
def test_a_character_is_whole(character: str) -> None:
    """Flags, families, skin tones, keycaps, marks, syllables: all code points but the first join."""
    assert joined(character) == [False] + [True] * (len(character) - 1)
    assert joined(f"x{character}x") == [False, *joined(character), False]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("abc", 3),
        ("a\r\nb\n\rc", 6),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7\U0001f1ee", 3),
        ("\U0001f600\U0001f600", 2),
        ("a‍\U0001f600", 2),
        ("한글", 2),
        ("각가", 2),
        ("कष", 2),
        ("क्‌ष", 2),
        ("á\ń", 3),
        ("a\u00adb", 3),
        ("日本", 2),
    ],
)
def test_characters_are_told_apart(text: str, count: int) -> None:
    """Pairs of flags, a joiner behind a letter, syllables beside each other, controls."""
    assert joined(text).count(False) == count


def test_a_long_row_of_flags_takes_no_long_time() -> None:
    """Time grows with the text, not with its square: a hundred thousand halves of flags take no half minute."""
    began = time.process_time()
    assert joined("x" + "\U0001f1e9" * 100_001).count(False) == 1 + 50_001
    assert time.process_time() - began < 5
