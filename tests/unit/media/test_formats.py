"""The table of formats."""

from __future__ import annotations

import pytest

from doradura.media.formats import FORMATS


def test_the_table() -> None:
    """The words, qualities and defaults are those of the design."""
    assert {word: (row.qualities, row.default_quality) for word, row in FORMATS.items()} == {
        "mp3": (("128k", "192k", "320k"), "320k"),
        "m4a": (("default",), "default"),
        "mp4": (("360p", "480p", "720p", "1080p", "best"), "720p"),
    }
    assert {word: row.sent_as for word, row in FORMATS.items()} == {"mp3": "audio", "m4a": "audio", "mp4": "video"}


def test_every_row_is_whole() -> None:
    """Each default is one of the qualities, and each quality has a timer of at least a minute."""
    for word, row in FORMATS.items():
        assert row.word == word
        assert row.default_quality in row.qualities
        assert all(grade.timer_seconds >= 60 for grade in row.grades)


def test_timers_grow_with_the_picture() -> None:
    """A larger picture has more time."""
    timers = [grade.timer_seconds for grade in FORMATS["mp4"].grades]
    assert timers == [900, 1200, 1800, 2700, 3600]
    assert FORMATS["mp3"].grade("320k").timer_seconds == 900
    assert FORMATS["m4a"].grade("default").timer_seconds == 600


def test_an_unknown_quality_has_no_row() -> None:
    """A quality that a format does not have is a KeyError."""
    with pytest.raises(KeyError):
        FORMATS["m4a"].grade("320k")
