"""What becomes of a film: copied, encoded to fit, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doradura.child import encoding
from doradura.child.encoding import Bounds, EncodingPlan, Footage, plan
from doradura.child.facts import Stream
from doradura.child.failures import JobError
from doradura.media.formats import FORMATS

MB = 1_000_000
H264 = Stream(kind="video", number=0, codec="h264", pixels="yuv420p", width=1920, height=1080)
HEVC = Stream(kind="video", number=0, codec="hevc", pixels="yuv420p", width=1920, height=1080)


def planned(
    monkeypatch: pytest.MonkeyPatch, picture: Stream, quality: str, size: int, *, seconds: float, takes: float
) -> EncodingPlan:
    """Plan a film whose encode takes so long, with 600 s left and 50 MB at most."""

    def encode_seconds(*_: Any) -> float:
        return takes

    monkeypatch.setattr(encoding, "encode_seconds", encode_seconds)
    film = Footage(path=Path("source0"), picture=picture, seconds=seconds, size_bytes=size)
    bounds = Bounds(upload_bytes=50 * MB, left_seconds=600)
    return plan("ffmpeg", film, FORMATS["mp4"].grade(quality), bounds)


@pytest.mark.parametrize(
    ("quality", "size", "takes", "copied"),
    [
        ("360p", 40 * MB, 599, False),
        ("360p", 40 * MB, 601, True),
        ("1080p", 40 * MB, 1, True),
        ("best", 60 * MB, 1, True),
        ("360p", 60 * MB, 599, False),
        ("720p", 60 * MB, 599, False),
    ],
)
def test_what_plays_is_made_smaller_where_there_is_time(
    monkeypatch: pytest.MonkeyPatch, quality: str, size: int, takes: float, *, copied: bool
) -> None:
    """What is larger than asked for, or than can be sent, is encoded if that ends in time; `best` never."""
    assert planned(monkeypatch, H264, quality, size, seconds=300, takes=takes).copied is copied


def test_an_encode_has_a_rate_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Length times rate stays under the limit, the sound counted in."""
    found = planned(monkeypatch, HEVC, "720p", 60 * MB, seconds=300, takes=1)
    assert found.rate is not None
    assert 40 * MB < (found.rate + encoding.SOUND_BITS) * 300 / 8 < 49 * MB


@pytest.mark.parametrize(("seconds", "takes"), [(7200, 1), (300, 601)])
def test_what_cannot_be_made_to_fit_is_refused(monkeypatch: pytest.MonkeyPatch, seconds: float, takes: float) -> None:
    """Too long for the limit, or for the timer while it is too large as it is."""
    with pytest.raises(JobError) as refused:
        planned(monkeypatch, H264, "720p", 600 * MB, seconds=seconds, takes=takes)
    assert refused.value.reason == "too_large"


def test_a_film_that_fits_is_sent_where_a_smaller_one_can_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours in 40 MB leave no bits to encode with, and are sent as they are."""
    assert planned(monkeypatch, H264, "360p", 49 * MB, seconds=7200, takes=1).copied


def test_few_bits_are_enough_where_the_source_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film of slides in HEVC that is small already is not refused for what other films would need."""
    assert not planned(monkeypatch, HEVC, "720p", 10 * MB, seconds=1200, takes=1).copied
