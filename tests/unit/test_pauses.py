"""What counts as a pause of the process."""

from __future__ import annotations

import pytest

from doradura.pauses import Pauses


@pytest.mark.parametrize(
    ("elapsed", "worked", "paused"),
    [
        (0.1, 0.0, 0.0),
        (0.5, 0.0, 0.0),  # a busy machine
        (5.1, 0.0, 5.0),  # stopped
        (5.1, 0.2, 4.8),
        (5.1, 5.0, 0.0),  # a thread of ours that let no other run
        (5.1, 2.6, 0.0),
    ],
)
def test_a_late_witness_is_a_pause_unless_we_worked(elapsed: float, worked: float, paused: float) -> None:
    """The witness that is late by more than half a second saw a pause, less what the process worked meanwhile."""
    now = cpu = 100.0
    pauses = Pauses(clock=lambda: now, cpu=lambda: cpu)
    now, cpu = now + elapsed, cpu + worked
    assert pauses.seconds() == pytest.approx(paused)  # asked for before the witness has looked
    pauses.look()
    assert pauses.seconds() == pytest.approx(paused)
    now += 0.1
    pauses.look()
    assert pauses.seconds() == pytest.approx(paused)
