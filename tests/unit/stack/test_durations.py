"""Durations divided by a factor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.durations import DurationError, divided, promql, seconds_of, text_of


@pytest.mark.parametrize(
    ("text", "speed", "expected"),
    [
        ("15s", 30, "500ms"),
        ("5m", 30, "10s"),
        ("1h30m", 30, "180s"),
        ("0s", 30, "0s"),
        ("0", 30, "0s"),
        ("1ms", 30, "1ms"),
        ("1d", 1, "86400s"),
        ("10s", 3, "3333ms"),
    ],
)
def test_a_duration_is_divided(text: str, speed: float, expected: str) -> None:
    """A duration is divided to the millisecond, and becomes 0 only when it is."""
    assert divided(text, speed) == expected


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "1.5h", "-5m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A text Prometheus would not take is an error, not a guess."""
    with pytest.raises(DurationError):
        divided(text, 1)


@given(st.integers(0, 10**12))
def test_durations_are_read_as_they_are_written(milliseconds: int) -> None:
    """What is written is read back."""
    assert round(seconds_of(text_of(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(a[5m])", "rate(a[10s])"),
        ("increase(a[1d]) > 3", "increase(a[2880s]) > 3"),
        ("rate(a[1m] offset 1h)", "rate(a[2s] offset 120s)"),
        ("a offset -5m", "a offset -10s"),
        ("max_over_time(rate(a[5m])[1h:15s])", "max_over_time(rate(a[10s])[120s:500ms])"),
        ("max_over_time(a[1h:])", "max_over_time(a[120s:])"),
        ("max_over_time(a[1h:5s])", "max_over_time(a[120s:500ms])"),
        ("rate(a[30s])", "rate(a[2s])"),
        ('a{b="[5m]"} > 60', 'a{b="[5m]"} > 60'),
        ('a{le="60.0"}  # over rate(b[5m])', 'a{le="60.0"}  # over rate(b[5m])'),
    ],
)
def test_promql_is_divided(expression: str, expected: str) -> None:
    """Ranges, steps and offsets are divided, no range under four scrapes; labels, thresholds and comments stay."""
    assert promql(expression, 30, 0.5) == expected


def test_a_marked_number_is_divided() -> None:
    """A number is divided on a line that ends in `# duration`, and only there."""
    before = "time() - max(poll:age5m)\n  > 120  # duration\nand p95 > 60"
    assert promql(before, 30, 0.5) == "time() - max(poll:age5m)\n  > 4  # duration\nand p95 > 60"


def test_a_prediction_is_divided() -> None:
    """How far a prediction looks ahead is a marked number on a line of its own."""
    before = "predict_linear(\n  free[1h],\n  14400  # duration\n) < 0"
    assert promql(before, 30, 0.5) == "predict_linear(\n  free[120s],\n  480  # duration\n) < 0"


@pytest.mark.parametrize("line", ["4 * 3600  # duration", "rate(a[5m])  # duration"])
def test_a_mark_wants_one_number(line: str) -> None:
    """Where two numbers or none could be meant, nothing is guessed."""
    with pytest.raises(DurationError):
        promql(line, 30, 0.5)
