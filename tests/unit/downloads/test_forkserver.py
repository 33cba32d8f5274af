"""When a job's memory is looked at."""

from __future__ import annotations

import pytest

from doradura.downloads.forkserver import FASTEST_GROWTH, LOOK_SECONDS, SOONEST_LOOK_SECONDS, look_after


@pytest.mark.parametrize(
    ("left_bytes", "seconds"),
    [
        (FASTEST_GROWTH, LOOK_SECONDS),
        (FASTEST_GROWTH // 10, 0.1),
        (1, SOONEST_LOOK_SECONDS),
        (0, SOONEST_LOOK_SECONDS),
        (-1, SOONEST_LOOK_SECONDS),
    ],
)
def test_looks_come_sooner_near_the_limit(left_bytes: int, seconds: float) -> None:
    """A job is looked at before it can have grown past its limit, at most four and at most a hundred times a second."""
    assert look_after(left_bytes) == pytest.approx(seconds)
