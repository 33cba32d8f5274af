"""The floor of speed, with a clock that the reads move."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from doradura.child.floor import FLOOR_BYTES_PER_SECOND, Floor, TransferTooSlowError
from doradura.media.protocol import FLOOR_SECONDS, READ_SECONDS
from doradura.media.reasons import Reason


@dataclass
class Site:
    """A clock, and reads that take time."""

    now: float = 1000.0
    floor: Floor = field(init=False)

    def __post_init__(self) -> None:
        self.floor = Floor(clock=lambda: self.now)

    def answer(self, seconds: float, size: int) -> Callable[[], int]:
        """A read that gives that many bytes after so many seconds."""

        def read() -> int:
            self.now += seconds
            return size

        return read

    def read(self, seconds: float, size: int) -> None:
        """Read once."""
        self.floor.read(self.answer(seconds, size))

    def ends_after(self, reads: Iterable[tuple[float, int]]) -> float | None:
        """When the reads are ended, in seconds from now; None when they all pass."""
        began = self.now
        for seconds, size in reads:
            try:
                self.read(seconds, size)
            except TransferTooSlowError:
                return self.now - began
        return None


@pytest.mark.parametrize(
    ("seconds", "size"),
    [(1.0, 2_000), (1.0, 3_999), (5.0, 1), (0.01, 1), (0.5, 1_990), (14.0, 40_000), (2.0, 0)],
)
def test_a_slow_transfer_ends_after_the_minute(seconds: float, size: int) -> None:
    """Whatever the pieces a slow site sends, the job ends when the minute is over, and not before."""
    end = Site().ends_after([(seconds, size)] * 10_000)
    assert end is not None
    assert FLOOR_SECONDS - 0.001 <= end <= FLOOR_SECONDS + seconds


@pytest.mark.parametrize(("seconds", "size"), [(1.0, 4_000), (0.1, 2_500), (1.0, 25_000), (10.0, 250_000), (0.0, 8192)])
def test_what_is_not_under_the_floor_goes_on(seconds: float, size: int) -> None:
    """4 kB a second is enough, for hours; 25 kB are slow and fine."""
    assert Site().ends_after([(seconds, size)] * 10_000) is None


def test_the_minute_slides() -> None:
    """A transfer that was fast and became slow ends a minute after that, give or take a piece of the window."""
    site = Site()
    assert site.ends_after([(0.01, 100_000)] * 1000) is None
    end = site.ends_after([(1.0, 1_000)] * 1000)
    assert end is not None
    assert FLOOR_SECONDS <= end <= FLOOR_SECONDS * 1.1


def test_a_short_drought_is_no_end() -> None:
    """A site that stops for fifty seconds and goes on is left alone."""
    site = Site()
    for _ in range(20):
        assert site.ends_after([(10.0, 0)] * 5) is None
        assert site.ends_after([(0.1, 100_000)] * 10) is None


def test_a_small_file_that_ended_is_fine() -> None:
    """What is over before the minute is never too slow, however slow it was."""
    assert Site().ends_after([(10.0, 100)] * 5) is None


def test_only_reading_counts() -> None:
    """Hours between two reads (a conversion, a site's own pauses) are no waiting for a site."""
    site = Site()
    for _ in range(40):
        site.read(1.0, 10)
        site.now += 3600
    assert site.ends_after([(1.0, 10)] * 100) == 20.0


def test_many_small_answers_count_as_one() -> None:
    """Segments of half a minute each, 2 kB/s, never fill a minute alone; together they do."""
    assert Site().ends_after([(0.5, 1_000)] * 40 + [(0.0, 0)] + [(0.5, 1_000)] * 80) == pytest.approx(60, abs=0.6)


def test_a_sleeping_process_is_not_a_slow_site() -> None:
    """A read over an hour's SIGSTOP counts as one timeout at most."""
    site = Site()
    for _ in range(3):
        assert site.ends_after([(3600.0, 8192)]) is None
        assert site.ends_after([(0.1, 50_000)] * 20) is None
    assert READ_SECONDS * 3 < FLOOR_SECONDS


def test_connections_at_once_are_measured_together() -> None:
    """While one connection waits for a slow answer others bring enough: their time is not counted twice."""
    site = Site()

    def outer() -> int:
        for _ in range(100):
            site.read(1.0, 5_000)
        return 1

    assert site.floor.read(outer) == 1


def test_a_timeout_in_the_minute_becomes_the_sites_slowness() -> None:
    """A read that fails counts as waiting; it fails as itself until the minute is full."""
    site = Site()

    def stalled() -> int:
        site.now += READ_SECONDS
        raise TimeoutError("timed out")

    for _ in range(3):
        with pytest.raises(TimeoutError):
            site.floor.read(stalled)
    with pytest.raises(TransferTooSlowError, match=r"^0 bytes in the last 60 s of waiting for the site$") as raised:
        site.floor.read(stalled)
    assert isinstance(raised.value.__cause__, TimeoutError)


def beginning(site: Site, silence: float, size: int = 100) -> Callable[[], int]:
    """The first read of an answer that comes after so many seconds, by a socket that times out in between."""
    left = silence

    def read() -> int:
        nonlocal left
        site.now += min(left, READ_SECONDS)
        left -= READ_SECONDS
        if left > 0:
            raise TimeoutError("timed out")
        return size

    return read


def test_a_site_may_take_a_minute_to_begin() -> None:
    """A first byte after 60 s comes, of the page and of the file; what follows is judged by itself, as at any site."""
    site = Site()
    for _ in range(2):
        assert site.floor.read_first(beginning(site, 60.0)) == 100
    assert site.ends_after([(1.0, 1_000)] * 1000) == FLOOR_SECONDS


def test_a_site_that_never_begins_is_ended() -> None:
    """A stalled server holds its place for a window and a quarter, and is not asked again as the network's fault is."""
    site = Site()
    began = site.now
    with pytest.raises(TransferTooSlowError, match=r"^no answer in 75 s of waiting for the site$"):
        site.floor.read_first(beginning(site, 3600.0))
    assert site.now - began == 75.0


def test_many_answers_that_begin_late_are_as_slow_as_one() -> None:
    """Three windows of such waiting are free, then they count like any other: a job ends after four."""
    site = Site()
    began = site.now
    answers = (site.floor.read_first(beginning(site, 5.0)) for _ in range(1000))
    with pytest.raises(TransferTooSlowError, match="bytes in the last 60 s"):
        sum(1 for _ in answers)
    assert 4 * FLOOR_SECONDS - 0.001 <= site.now - began <= 4 * FLOOR_SECONDS + 5.0


def test_answers_that_are_waited_for_at_once_count_once() -> None:
    """Four segments that begin late together take as much of the job's patience as one."""
    site = Site()

    def beside(others: int) -> Callable[[], int]:
        """A read that begins a second after the next one, which waits meanwhile, and so on."""

        def read() -> int:
            if others:
                site.floor.read_first(beside(others - 1))
            site.now += 2.5
            return 100

        return read

    began = site.now
    answers = (site.floor.read_first(beside(3)) for _ in range(1000))
    with pytest.raises(TransferTooSlowError, match="bytes in the last 60 s"):
        sum(1 for _ in answers)
    assert 4 * FLOOR_SECONDS - 0.001 <= site.now - began <= 4 * FLOOR_SECONDS + 10.0


def test_a_broken_connection_is_no_late_answer() -> None:
    """What a first read raises but a timeout comes out at once."""
    site = Site()

    def torn() -> int:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        site.floor.read_first(torn)


def test_it_stays_ended() -> None:
    """A library that swallows the end gets it again with the next slow read."""
    site = Site()
    assert site.ends_after([(5.0, 1)] * 12) is not None
    assert site.ends_after([(5.0, 1)]) == 5.0


def test_the_reason() -> None:
    """Too slow is the site's, and not tried again; libraries' nets for faults of a connection don't catch it."""
    assert Reason.TOO_SLOW.final
    assert not Reason.TOO_SLOW.ours
    assert not Reason.TOO_SLOW.retried
    assert not issubclass(TransferTooSlowError, Exception)
    assert (FLOOR_BYTES_PER_SECOND, FLOOR_SECONDS) == (4_000, 60)
