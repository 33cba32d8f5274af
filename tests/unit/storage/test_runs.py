"""What the database says of the program's runs."""

from __future__ import annotations

from doradura.storage import Connection, runs, statistics
from doradura.storage.runs import Run, Uncleanness

NOW = 1_800_000_000_000
HOUR = 3_600_000


def counted(db: Connection) -> float:
    """What /metrics shows."""
    return statistics.FAMILIES["doradura_unclean_starts_total"](db, NOW)[()]


def test_a_start_after_an_end_in_order_counts_nothing(db: Connection) -> None:
    """Nor does the first start of all, or a look before it."""
    assert runs.known(db) is None
    assert counted(db) == 0
    assert runs.begin(db, NOW) is None
    runs.end(db, NOW + 5)
    assert runs.begin(db, NOW + 10) is None
    assert runs.known(db) == Run(started_ms=NOW + 10, unclean_starts=0, unclean_ms=None)
    assert counted(db) == 0


def test_an_end_without_a_run_says_nothing(db: Connection) -> None:
    """A database that no run began on has no row to close, and its first start is in order."""
    runs.end(db, NOW)
    assert runs.known(db) is None
    assert runs.begin(db, NOW) is None


def test_a_start_after_no_end_is_counted(db: Connection) -> None:
    """With the last sign of life of the run before: its beginning, or its last beat."""
    runs.begin(db, NOW)
    assert runs.begin(db, NOW + HOUR) == Uncleanness(alive_ms=NOW, should_notify=True)
    runs.beat(db, NOW + 3 * HOUR)
    assert runs.begin(db, NOW + 4 * HOUR) == Uncleanness(alive_ms=NOW + 3 * HOUR, should_notify=True)
    assert runs.known(db) == Run(started_ms=NOW + 4 * HOUR, unclean_starts=2, unclean_ms=NOW + 4 * HOUR)
    assert counted(db) == 2
    runs.end(db, NOW + 5 * HOUR)
    runs.begin(db, NOW + 6 * HOUR)
    assert counted(db) == 2, "it never falls"


def test_a_crash_loop_is_told_once_an_hour(db: Connection) -> None:
    """Each start is counted; the hour is counted from the last telling, and a clock that went back ends it."""
    runs.begin(db, NOW)
    told = [runs.begin(db, NOW + minutes * 60_000) for minutes in (1, 2, 60, 61, 62)]
    assert [found is not None and found.should_notify for found in told] == [True, False, False, True, False]
    assert counted(db) == 5
    back = runs.begin(db, NOW - HOUR)
    assert back is not None
    assert back.should_notify
