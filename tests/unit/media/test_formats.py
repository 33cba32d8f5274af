"""The table of formats, and the reading of what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.media.formats import (
    DEFAULT_CHOICE,
    FORMATS,
    Choice,
    ChoiceError,
    fitting,
    parse_choice,
    smaller,
)


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
        assert all(row.timer_seconds(quality) >= 60 for quality in row.qualities)


def test_timers_grow_with_the_picture() -> None:
    """A larger picture has more time."""
    timers = [FORMATS["mp4"].timer_seconds(quality) for quality in FORMATS["mp4"].qualities]
    assert timers == [900, 1200, 1800, 2700, 3600]
    assert FORMATS["mp3"].timer_seconds("320k") == 900
    assert FORMATS["m4a"].timer_seconds("default") == 600


def test_an_unknown_quality_has_no_timer() -> None:
    """A quality that a format does not have is a KeyError."""
    with pytest.raises(KeyError):
        FORMATS["m4a"].timer_seconds("320k")


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        ("", Choice("mp3", "320k")),
        ("mp3", Choice("mp3", "320k")),
        ("MP3 192K", Choice("mp3", "192k")),
        ("mp3 320kbps", Choice("mp3", "320k")),
        ("320", Choice("mp3", "320k")),
        ("128k", Choice("mp3", "128k")),
        ("m4a", Choice("m4a", "default")),
        ("m4a default", Choice("m4a", "default")),
        ("MP4 720", Choice("mp4", "720p")),
        ("720p", Choice("mp4", "720p")),
        ("360", Choice("mp4", "360p")),
        ("best", Choice("mp4", "best")),
        ("1080P mp4", Choice("mp4", "1080p")),
        ("mp4", Choice("mp4", "720p")),
        (" mp4,  480p. ", Choice("mp4", "480p")),
    ],
)
def test_what_people_type(typed: str, choice: Choice) -> None:
    """Case, order and units are forgiven; what is left out is the format's default."""
    assert parse_choice(typed.split()) == choice


def test_the_users_default_fills_in() -> None:
    """A user's own default holds for nothing typed and for their format, not for another."""
    mine = Choice("mp3", "128k")
    assert parse_choice([], mine) == mine
    assert parse_choice(["mp3"], mine) == mine
    assert parse_choice(["mp4"], mine) == Choice("mp4", "720p")


@pytest.mark.parametrize(
    ("typed", "kind", "word", "form"),
    [
        ("ogg", "unknown_format", "ogg", None),
        ("hello mp3", "unknown_format", "hello", None),
        ("mp3 720p", "unknown_quality", "720p", "mp3"),
        ("mp4 320k", "unknown_quality", "320k", "mp4"),
        ("m4a 320", "unknown_quality", "320", "m4a"),
        ("mp3 mp4", "unknown_quality", "mp4", "mp3"),
        ("mp3 320k loud", "unknown_quality", "loud", "mp3"),
        ("999p", "unknown_quality", "999p", None),
        ("720k", "unknown_quality", "720k", None),
    ],
)
def test_what_is_refused(typed: str, kind: str, word: str, form: str | None) -> None:
    """A refusal tells which word was not understood, and the format whose qualities were meant."""
    with pytest.raises(ChoiceError) as refused:
        parse_choice(typed.split())
    assert (refused.value.kind, refused.value.word, refused.value.format) == (kind, word, form)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_words_give_a_choice_of_the_table_or_a_refusal(words: list[str]) -> None:
    """Whatever is typed, nothing but the table's words comes out."""
    try:
        choice = parse_choice(words)
    except ChoiceError:
        return
    assert choice.quality in FORMATS[choice.format].qualities


def test_the_default_choice_is_in_the_table() -> None:
    """Mp3 at 320 kbit/s, as the design says."""
    assert Choice("mp3", "320k") == DEFAULT_CHOICE


@pytest.mark.parametrize(
    ("lines", "heard", "instead"),
    [
        (360, True, ["mp4 360p", "m4a default", "mp3 128k"]),
        (240, True, ["mp4 360p", "m4a default", "mp3 128k"]),
        (400, False, ["mp4 360p"]),
        (720, None, ["mp4 720p", "mp4 480p", "mp4 360p", "m4a default", "mp3 128k"]),
    ],
)
def test_nothing_is_offered_instead_that_the_link_does_not_have(
    lines: int, *, heard: bool | None, instead: list[str]
) -> None:
    """No more lines than the source's, one choice for what would be one picture, and no sound of a silent film."""
    best = Choice("mp4", "best")
    for found in (fitting(best, {}, 50, lines=lines, has_audio=heard), smaller(best, lines=lines, has_audio=heard)):
        assert [f"{each.format} {each.quality}" for each in found] == instead


def test_what_fits_instead() -> None:
    """What is known to be over the limit is out; a sound copied as it is is in only if known to fit."""
    film = Choice("mp4", "1080p")
    words = [("mp4", "720p"), ("mp4", "480p"), ("mp4", "360p"), ("m4a", "default"), ("mp3", "128k")]
    lower = [Choice(*word) for word in words]
    assert fitting(film, {}, 50) == lower
    assert fitting(film, {lower[0]: 51, lower[1]: 50, lower[3]: 51}, 50) == [lower[1], lower[2], lower[4]]
    smallest = Choice("mp3", "128k")
    assert fitting(smallest, {}, 50) == []
    assert fitting(smallest, {lower[3]: 40, smallest: 60}, 50) == [lower[3]]
    assert fitting(smallest, {lower[3]: 51}, 50) == []
    assert fitting(Choice("m4a", "default"), {lower[3]: 60, smallest: 51}, 50) == []
