"""Figures in words."""

from __future__ import annotations

import pytest

from doradura.chat.figures import count_text, percent_text, ranking_text, span_text, sparkline
from doradura.chat.texts import Catalogues

T = Catalogues().for_language(None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.04, "0 s"),
        (0.25, "0.2 s"),
        (3, "3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (7384, "2 h 3 min"),
        (86_400, "1 d"),
        (100_000, "1 d 3 h"),
        (90 * 86_400, "90 d"),
    ],
)
def test_spans(seconds: float, shown: str) -> None:
    """The two largest units, and a tenth of a second where that matters."""
    assert span_text(T, seconds) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100"), (0.9999, "99.9"), (0.963, "96.3"), (0.75, "75"), (2 / 3, "66.6"), (0.0, "0")]
)
def test_percentages_are_rounded_down(share: float, shown: str) -> None:
    """A hundred per cent is said only where nothing failed."""
    assert percent_text(T, share) == shown


def test_thousands_stand_apart() -> None:
    """A million can be read."""
    assert [count_text(T, number) for number in (0, 999, 1204, 1_000_000.0)] == ["0", "999", "1,204", "1,000,000"]


def test_a_ranking_says_what_it_leaves_out() -> None:
    """The first ones by name, the rest as one number; words without underscores."""
    counts = {"too_large": 1200, "gone": 3, "live": 2, "geo": 1}
    assert ranking_text(T, counts, 2) == "too large 1,200, gone 3, and 3 more"
    assert ranking_text(T, counts, 4) == "too large 1,200, gone 3, live 2, geo 1"


def test_a_sparkline_shows_every_one() -> None:
    """The highest is full, nothing is lowest, and one of many is still more than nothing."""
    assert sparkline([0, 1, 1000, 500]) == "▁▂█▅"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
