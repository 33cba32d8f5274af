"""The limit on work, by real alarms that come when the test says."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from doradura.child import timelimit
from doradura.child.timelimit import TimeIsUpError, at_most

LONG_SECONDS = 1000.0


@pytest.fixture(autouse=True)
def _alarms_are_left_as_they_were() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    left = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert left == ((0.0, 0.0), before)


def alarm() -> None:
    """Let the time be up now."""
    signal.raise_signal(signal.SIGALRM)


class Edge:
    """The module `signal`, with an alarm before or after each call that sets the timer."""

    def __init__(self, when: str) -> None:
        self._when = when

    def __getattr__(self, name: str) -> Any:
        return getattr(signal, name)

    def setitimer(self, *arguments: Any) -> tuple[float, float]:
        if self._when == "before":
            alarm()
        before = signal.setitimer(*arguments)
        if self._when == "after":
            alarm()
        return before


def test_work_is_ended_when_its_time_is_up() -> None:
    """By an error that is no Exception, so that no library takes it for a fault of the site."""
    assert not issubclass(TimeIsUpError, Exception)
    with pytest.raises(TimeIsUpError, match=r"longer than 0\.01 s"), at_most(0.01):
        signal.pause()


def test_what_swallows_it_meets_it_again() -> None:
    """A second alarm is no less than the first."""
    seen = []

    def swallow() -> None:
        try:
            alarm()
        except TimeIsUpError:
            seen.append(signal.getitimer(signal.ITIMER_REAL)[1])
        alarm()

    with pytest.raises(TimeIsUpError), at_most(LONG_SECONDS):
        swallow()
    assert seen == [1.0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_alarm_while_the_limit_is_set_up_or_taken_back_hits_nobody(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended in time ended in time, and what comes after it is under no limit."""
    monkeypatch.setattr(timelimit, "signal", Edge(when))
    with at_most(LONG_SECONDS):
        result = "in time"
    assert result == "in time"


def test_an_inner_limit_leaves_the_outer_one_in_force() -> None:
    """Its time runs on, its alarm is its own."""
    left = []

    def nest() -> None:
        with pytest.raises(TimeIsUpError, match="longer than 5 s"), at_most(5):
            alarm()
        left.append(signal.getitimer(signal.ITIMER_REAL))
        alarm()

    with pytest.raises(TimeIsUpError, match=f"longer than {LONG_SECONDS:g} s"), at_most(LONG_SECONDS):
        nest()
    ((left_seconds, again_seconds),) = left
    assert LONG_SECONDS - 60 < left_seconds <= LONG_SECONDS
    assert again_seconds == 1.0
