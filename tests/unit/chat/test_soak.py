"""A day of polling in virtual time: faults in random order, kills, failing storage, a wall clock that jumps.

Nothing is lost and nothing done twice, by the books of the Telegram it talks to. A seed gives the same day each time.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.long import many
from tests.unit.chat.day import Day
from tests.unit.chat.repeated import run_repeatably
from tests.unit.chat.storms import FAULTS
from tests.wiring import World

DAY_SECONDS = 24 * 3600.0
POLLS_A_MINUTE = 200
RECOVERY_SECONDS = 120.0
SEEDS = (1,)


def play(world: World, seed: int, *, seconds: float) -> Day:
    """Live through a day."""
    day = Day(world, seed, seconds=seconds)
    run_repeatably(day.run)
    return day


def judge(day: Day) -> None:
    """Check what must be so of a whole day."""
    books = day.telegram
    written = {str(token) for token in range(1, day.written + 1)}
    poisoned = {str(token) for token in day.poisoned}
    effects = day.effects()
    failed = day.failed()
    # By Telegram's books.
    assert books.lost == [], "nothing was confirmed before it was stored"
    assert books.queue == {}, "all was confirmed"
    assert written - books.queries <= failed, "each was answered, or is known to have failed"
    assert max(books.sent.values()) == 1, "nothing that may not come twice did"
    assert set(books.sent) <= books.queries
    # By the bot's own.
    assert max(effects.values()) == 1, "nothing was done twice"
    assert {*effects} | failed == written
    assert not {*effects} & failed
    assert poisoned <= failed
    assert len(failed - poisoned) < len(written) * 0.001, "one that fails once is done in the end"
    assert set(books.sent) <= {*effects}
    assert len(books.sent) > len(written) * 0.6
    assert day.waiting() == 0
    assert not {*FAULTS, "401"} - {*day.storms.met}, "each kind of fault came up"
    assert day.sieges == []
    assert max(Counter(int(at // 60) for at in day.storms.polls).values()) <= POLLS_A_MINUTE, "it does not spin"
    assert min(at for at in books.answered if at > day.seconds) - day.seconds <= RECOVERY_SECONDS


def soak(world: World, seed: int) -> None:
    """Live through one day, judge it and print its figures."""
    began = time.perf_counter()
    day = play(world, seed, seconds=DAY_SECONDS)
    judge(day)
    print(f"seed {seed}: {day.figures()}, {time.perf_counter() - began:.1f} s")  # noqa: T201 - figures, for `pytest -s`


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_faults(world: World, seed: int) -> None:
    """Whatever happens in whatever order: every update has its effect once."""
    soak(world, seed)


def test_a_seed_gives_the_same_day(tmp_path: Path, world: World) -> None:
    """Request by request, with its time and its fault; another seed gives another."""
    first, same, other = (
        play(World(tmp_path / str(place)), seed, seconds=1800).storms.journal for place, seed in enumerate((7, 7, 8))
    )
    assert len(first) > 100
    assert first == same
    assert first != other


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 100 + many(30, in_ci=6)))
def test_a_month_of_such_days(world: World, seed: int) -> None:
    """The same with other seeds."""
    soak(world, seed)
