"""What is wanted of a link: its key, the reading of what people type, and what a link can be had in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.media.formats import FORMATS
from doradura.media.has import Has
from doradura.media.variant import DEFAULT_VARIANT, Variant, VariantError, fitting, offered, parse_variant, smaller

TABLE = [Variant(row.word, grade.word) for row in FORMATS.values() for grade in row.grades]
"""Every variant there is."""


def test_keys_are_what_they_were() -> None:
    """They stand in people's chats and in the database: a key that is spelled otherwise is not found any more."""
    assert [variant.key for variant in TABLE] == [
        *("mp3:128k", "mp3:192k", "mp3:320k", "m4a:default"),
        *("mp4:360p", "mp4:480p", "mp4:720p", "mp4:1080p", "mp4:best"),
    ]


@pytest.mark.parametrize("variant", TABLE, ids=lambda variant: variant.key)
def test_each_row_comes_back_from_its_key_and_its_words(variant: Variant) -> None:
    """From a button, from the database, and typed as it is shown."""
    assert Variant.parse_key(variant.key) == Variant.from_stored(variant.key) == variant
    assert parse_variant(variant.words.split()) == variant
    assert (variant.row.word, variant.grade.word) == (variant.format, variant.quality)
    assert variant.labels == {"format": variant.format, "quality": variant.quality}


def test_every_row_of_the_table_can_be_had() -> None:
    """Of a link that has everything, all are offered, in the table's order."""
    assert offered(Has(film=True, sound=True, subtitles=True, picture=True), lines=None) == TABLE


@pytest.mark.parametrize(
    ("key", "kind", "word", "form"),
    [
        ("", "malformed", "", None),
        ("mp4", "malformed", "mp4", None),
        ("mp4 720p", "malformed", "mp4 720p", None),
        (":", "unknown_format", "", None),
        (":720p", "unknown_format", "", None),
        ("MP4:720p", "unknown_format", "MP4", None),
        (" mp4:720p", "unknown_format", " mp4", None),
        ("ogg:720p", "unknown_format", "ogg", None),
        ("mp4:", "unknown_quality", "", "mp4"),
        ("mp4:720", "unknown_quality", "720", "mp4"),
        ("mp4:720p ", "unknown_quality", "720p ", "mp4"),
        ("mp4:320k", "unknown_quality", "320k", "mp4"),
        ("m4a:320k", "unknown_quality", "320k", "m4a"),
        ("mp4:720p:", "unknown_quality", "720p:", "mp4"),
        ("mp4:720p:de", "newer", "de", "mp4"),
        ("mp4:720p:80-125:de", "newer", "80-125:de", "mp4"),
        ("mp4:720p::de", "newer", ":de", "mp4"),
        ("mp4:240p:de", "unknown_quality", "240p:de", "mp4"),
        ("ogg:720p:de", "unknown_format", "ogg", None),
        ("mp4:mp4:720p", "unknown_quality", "mp4:720p", "mp4"),
    ],
)
def test_a_key_is_taken_as_it_is_or_not_at_all(key: str, kind: str, word: str, form: str | None) -> None:
    """Nothing of it is forgiven: we made it, and what differs was made by somebody else or by a newer version."""
    with pytest.raises(VariantError) as refused:
        Variant.parse_key(key)
    assert (refused.value.kind, refused.value.word, refused.value.format) == (kind, word, form)


@given(
    st.one_of(st.text(max_size=20), st.from_regex(r"(mp3|m4a|mp4|ogg)?:?(320k|default|720p|best)?:?", fullmatch=True))
)
def test_any_text_is_a_key_of_the_table_or_refused(text: str) -> None:
    """What is read has that text as its key; nothing else is raised."""
    try:
        variant = Variant.parse_key(text)
    except VariantError:
        return
    assert variant in TABLE
    assert variant.key == text


@given(st.text(max_size=8), st.text(max_size=20))
def test_a_stored_key_is_kept_as_it_is(word: str, rest: str) -> None:
    """Also one that the table has no more, so that a row of an older or a newer version stays what it was."""
    key = f"{word.replace(':', '')}:{rest}"
    assert Variant.from_stored(key).key == key


def test_a_stored_row_that_the_table_has_no_more_fails_where_the_table_is_asked() -> None:
    """It is read and shown; only its row is not there."""
    for key in ("ogg:64k", "mp4:240p", "mp4", "mp4:720p:de", "mp4:720p:"):
        variant = Variant.from_stored(key)
        with pytest.raises(KeyError):
            _ = variant.grade


@given(st.sampled_from(TABLE), st.text(min_size=1, max_size=20))
def test_a_key_of_a_later_version_is_never_read_as_a_shorter_one(variant: Variant, further: str) -> None:
    """A cut or a language stands behind the quality: a button with one is refused as newer, a stored row is no row."""
    key = f"{variant.key}:{further}"
    with pytest.raises(VariantError) as refused:
        Variant.parse_key(key)
    assert (refused.value.kind, refused.value.word, refused.value.format) == ("newer", further, variant.format)
    stored = Variant.from_stored(key)
    assert (stored.key, stored.format) == (key, variant.format)
    with pytest.raises(KeyError):
        _ = stored.grade


@pytest.mark.parametrize(
    ("typed", "variant"),
    [
        ("", Variant("mp3", "320k")),
        ("mp3", Variant("mp3", "320k")),
        ("MP3 192K", Variant("mp3", "192k")),
        ("mp3 320kbps", Variant("mp3", "320k")),
        ("320", Variant("mp3", "320k")),
        ("128k", Variant("mp3", "128k")),
        ("m4a", Variant("m4a", "default")),
        ("m4a default", Variant("m4a", "default")),
        ("MP4 720", Variant("mp4", "720p")),
        ("720p", Variant("mp4", "720p")),
        ("360", Variant("mp4", "360p")),
        ("best", Variant("mp4", "best")),
        ("1080P mp4", Variant("mp4", "1080p")),
        ("mp4", Variant("mp4", "720p")),
        (" mp4,  480p. ", Variant("mp4", "480p")),
    ],
)
def test_what_people_type(typed: str, variant: Variant) -> None:
    """Case, order and units are forgiven; what is left out is the format's default."""
    assert parse_variant(typed.split()) == variant


def test_the_users_default_fills_in() -> None:
    """A user's own default holds for nothing typed and for their format, not for another."""
    mine = Variant("mp3", "128k")
    assert parse_variant([], mine) == mine
    assert parse_variant(["mp3"], mine) == mine
    assert parse_variant(["mp4"], mine) == Variant("mp4", "720p")


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
    with pytest.raises(VariantError) as refused:
        parse_variant(typed.split())
    assert (refused.value.kind, refused.value.word, refused.value.format) == (kind, word, form)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_words_give_a_variant_of_the_table_or_a_refusal(words: list[str]) -> None:
    """Whatever is typed, nothing but the table's words comes out."""
    try:
        variant = parse_variant(words)
    except VariantError:
        return
    assert variant.quality in FORMATS[variant.format].qualities


def test_the_default_variant_is_in_the_table() -> None:
    """Mp3 at 320 kbit/s, as the design says."""
    assert Variant("mp3", "320k") == DEFAULT_VARIANT


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
    """No more lines than the source's, one variant for what would be one picture, and no sound of a silent film."""
    best = Variant("mp4", "best")
    for found in (
        fitting(best, {}, 50, lines=lines, has_audio=heard),
        fitting(best, {Variant("m4a", "default"): 40}, 50, lines=lines, has_audio=heard),
        smaller(best, lines=lines, has_audio=heard),
    ):
        assert [f"{each.format} {each.quality}" for each in found] == instead


def test_what_fits_instead() -> None:
    """What is known to be over the limit is out; a sound copied as it is is in only if known to fit."""
    film = Variant("mp4", "1080p")
    words = [("mp4", "720p"), ("mp4", "480p"), ("mp4", "360p"), ("m4a", "default"), ("mp3", "128k")]
    lower = [Variant(*word) for word in words]
    assert fitting(film, {}, 50) == lower
    assert fitting(film, {lower[0]: 51, lower[1]: 50, lower[3]: 51}, 50) == [lower[1], lower[2], lower[4]]
    smallest = Variant("mp3", "128k")
    assert fitting(smallest, {}, 50) == []
    assert fitting(smallest, {lower[3]: 40, smallest: 60}, 50) == [lower[3]]
    assert fitting(smallest, {lower[3]: 51}, 50) == []
    assert fitting(Variant("m4a", "default"), {lower[3]: 60, smallest: 51}, 50) == []
