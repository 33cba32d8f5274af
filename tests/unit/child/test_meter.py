"""How far a conversion is."""

from __future__ import annotations

from doradura.child.ffmpeg import ProgressLines
from doradura.child.meter import Meter
from doradura.media.protocol import Progress

BEGUN = Progress(stage="converting", fetched_bytes=9, total_bytes=9)


def test_the_share_and_the_time_left_are_told() -> None:
    """Twice a second at most; the time left once it can be guessed; never more than the whole."""
    told: list[Progress] = []
    now = [100.0]
    meter = Meter(told.append, BEGUN, 80.0, lambda: now[0])
    for at, done in ((100.1, 1.0), (101.0, 20.0), (101.2, 22.0), (104.0, 40.0), (108.0, 81.0)):
        now[0] = at
        meter(done)
    assert [(each.share, each.seconds_left) for each in told] == [(0.25, None), (0.5, 4.0), (1.0, 0.0)]
    assert {(each.stage, each.fetched_bytes) for each in told} == {("converting", 9)}


def test_an_unknown_length_or_no_progress_tells_nothing() -> None:
    """Nothing unknown becomes a figure."""
    told: list[Progress] = []
    now = [0.0]
    for length, done in ((None, 5.0), (0.0, 5.0), (10.0, 0.0), (10.0, -1.0)):
        meter = Meter(told.append, BEGUN, length, lambda: now[0])
        now[0] += 60
        meter(done)
    assert told == []


def test_progress_is_taken_out_of_what_ffmpeg_says() -> None:
    """However its lines are cut into pieces; what is no progress is kept as it stands, an unfinished end too."""
    said = (
        b"[mp3] odd\nframe=1\nout_time_us=1500000\nout_time_ms=1500000\nprogress=continue\nout_time_us=N/A\nError: x=y"
    )
    for size in (1, 7, len(said)):
        times: list[float] = []
        lines = ProgressLines(times.append)
        kept = b"".join(lines.take(said[at : at + size]) for at in range(0, len(said), size)) + lines.rest()
        assert kept == b"[mp3] odd\nError: x=y"
        assert times == [1.5]


def test_a_line_without_end_is_not_kept_back() -> None:
    """A flood without a line break passes on; memory stays bounded."""
    lines = ProgressLines(lambda _seconds: None)
    assert len(lines.take(b"x" * 100_000)) == 100_000
