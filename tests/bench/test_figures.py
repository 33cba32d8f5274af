"""The arithmetic behind what `just bench` prints."""

from __future__ import annotations

import math

import pytest

from tests.bench.figures import Row, Series, bucket_bound, percentile, ratios, spread


def test_ratios_are_taken_turn_by_turn() -> None:
    """A machine that gets slower in the middle changes both sides of a turn and no ratio."""
    assert ratios([10, 40], [20, 80]) == [0.5, 0.5]


def test_a_side_with_fewer_turns_is_refused() -> None:
    """Turns without a partner are a fault of the measurement, not something to leave out."""
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])


def test_compare_prints_the_median_ratio_its_range_and_both_medians() -> None:
    """The line has the ratio first, then the range in brackets, then what was measured."""
    row = Row()
    row.compare("m4a", ours=Series("ours", [100, 200, 400], "ms"), theirs=Series("theirs", [1000, 1000, 1000], "ms"))
    assert row.lines == ["m4a                    x0.20 (0.10-0.40)   ours 200 ms, theirs 1,000 ms"]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentile_is_a_sample(share: float, expected: float) -> None:
    """A percentile is the smallest sample that so many are not above, whatever order they came in."""
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_percentile_of_few_samples_is_the_worst() -> None:
    """With less than a hundred samples p99 hides nothing."""
    assert percentile([1.0, 2.0, 30.0], 0.99) == 30.0


def test_spread_is_in_milliseconds() -> None:
    """Seconds go in, milliseconds come out."""
    assert spread([0.001, 0.002, 0.0105]) == "median 2.0, p99 10.5, max 10.5 ms (n=3)"


def test_bucket_bound_counts_only_what_came_between_two_scrapes() -> None:
    """What a histogram had counted before the measurement is taken off."""
    before = {0.001: 0.0, 0.01: 900.0, math.inf: 1000.0}
    after = {0.001: 99.0, 0.01: 1000.0, math.inf: 1100.0}
    assert bucket_bound(before, after, 0.99) == 0.001
    assert bucket_bound(before, after, 1.0) == 0.01


@pytest.mark.parametrize(
    ("aims", "expected"),
    [((), None), ((True,), True), ((False, True), False), ((True, False), False), ((True, True), True)],
)
def test_one_missed_aim_fails_a_row(aims: tuple[bool, ...], expected: bool | None) -> None:  # noqa: FBT001 - a table
    """A row with two aims passes only when both are met, in either order; one without an aim has no verdict."""
    row = Row()
    for met in aims:
        row.aim("fast", met=met)
    assert row.passed is expected
    assert [line.rpartition(": ")[2] for line in row.lines] == ["pass" if met else "FAIL" for met in aims]
