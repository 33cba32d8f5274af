"""Every row of the table, and rows that it does not have yet, made of every kind of source by the locked ffmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import pytest

from doradura.child.facts import Facts, inspect
from doradura.child.failures import JobError
from doradura.child.products.boxes import is_streamable
from doradura.child.products.product import Looked, Made, Product, Recipe, SourceFile, Tags, had_by
from doradura.child.stills import Stills
from doradura.media.formats import FORMATS
from doradura.media.has import Lacks
from tests.integration.child.studio import FASTSTART, H264, change, make
from tests.tried_formats import PRODUCTS

LIMIT = 50_000_000
WORDS = "1\n00:00:00,000 --> 00:00:00,900\nnothing but words\n"
FILMS = ("film", "film of other codecs", "film with subtitles")
SOUNDS = ("sound", "sound of one channel", "sound of six channels", "sound with cover")
MADE_OF = {
    "audio": {*FILMS, *SOUNDS},
    "video": {*FILMS, "film without sound"},
    "subtitles": {"film with subtitles", "subtitles"},
    "picture": {*FILMS, "film without sound", "sound with cover", "still"},
}
"""Which sources have what each kind of product is made of."""
SOURCES = (*FILMS, *SOUNDS, "film without sound", "still", "subtitles")
DEFAULTS = [product for product in PRODUCTS if product.grade.word == product.row.default_quality]
DEMUXERS = {"ipod": "m4a", "mjpeg": "jpeg_pipe"}
"""FFmpeg's name of a container as it reads it, where it is another than the one by which it writes it."""


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each kind, under names without an ending, as fetched ones have."""
    place = tmp_path_factory.mktemp("sources")
    film = make(place / "film.mp4", *H264, *FASTSTART, "-ac", "2", size="320x180", seconds=1.0)
    words = place / "words.srt"
    words.write_text(WORDS)
    still = change(place / "still.png", "-i", str(film), "-frames:v", "1")
    opus = ["-map", "1:a", "-c:a", "libopus", "-ac", "2"]
    other = ["-c:v", "libvpx", "-c:a", "libvorbis", "-ac", "2"]
    covered = ["-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic", "-c:a", "aac", "-c:v", "copy"]
    wide = ["-map", "1:a", "-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", "-c:a", "aac"]
    both = ["-i", str(film), "-i", str(words), "-c", "copy", "-c:s", "srt"]
    sound = make(place / "sound.ogg", *opus, seconds=1.0)
    found = {
        "film": film,
        "film of other codecs": make(place / "other.webm", *other, size="320x180", seconds=1.0),
        "film with subtitles": change(place / "told.mkv", *both),
        "film without sound": change(place / "silent.mp4", "-i", str(film), "-an", "-c", "copy"),
        "sound": sound,
        "sound of one channel": make(place / "low.wav", "-map", "1:a", "-ar", "22050", seconds=1.0),
        "sound of six channels": make(place / "wide.m4a", *wide, seconds=1.0),
        "sound with cover": change(place / "song.m4a", "-i", str(sound), "-i", str(still), *covered),
        "still": still,
        "subtitles": change(place / "words.mp4", "-i", str(words), "-c:s", "mov_text"),
    }
    return {kind: path.rename(path.with_suffix("")) for kind, path in found.items()}


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Where a site without a picture of its own has its product made."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return Recipe(
        program=program,
        path=tmp_path / "product",
        tags=Tags("A title", "Somebody"),
        stills=Stills(program, tmp_path),
        site_picture=lambda _: None,
        upload_bytes=LIMIT,
        seconds=1.0,
        encode_seconds=lambda _: 600.0,
    )


def source_of(path: Path, place: Path) -> SourceFile:
    """A fetched file: a film may be taken away as it is, so it is a copy."""
    copy = place / "source0"
    copy.write_bytes(path.read_bytes())
    facts = inspect(copy)
    assert facts is not None
    return SourceFile(copy, facts)


def named(product: Product) -> str:
    """What a test is called by."""
    return f"{product.row.word}-{product.grade.word}"


def every_case() -> Iterator[tuple[Product, str]]:
    """Every row from every source, and its other qualities from a film."""
    for product in PRODUCTS:
        for kind in SOURCES if product in DEFAULTS else ("film",):
            if kind in MADE_OF[product.row.kind]:
                yield product, kind


@pytest.mark.parametrize(
    ("product", "kind"), [pytest.param(*case, id=f"{named(case[0])}-{case[1]}") for case in every_case()]
)
def test_a_product_is_what_its_row_says(product: Product, kind: str, sources: dict[str, Path], recipe: Recipe) -> None:
    """Container, streams, codecs, bit rate, cover, tags, length and weight are the row's, whatever the source."""
    source = source_of(sources[kind], recipe.path.parent)
    looked = Looked(
        path=sources[kind],
        facts=source.facts,
        seconds=source.facts.duration_seconds,
        size_bytes=sources[kind].stat().st_size,
        program=recipe.program,
        upload_bytes=LIMIT,
    )
    weight = product.weigh_file(looked)
    made = product.make(recipe, [source])
    assert made.path == recipe.path
    {"audio": check_audio, "video": check_film, "subtitles": check_subtitles, "picture": check_picture}[
        product.row.kind
    ](product, source.facts, made)
    if weight is not None:
        # A cover, and a container's own few kilobytes, are nobody's to know.
        picture = 0 if made.cover is None or not product.row.holds_cover else made.cover.stat().st_size
        assert made.path.stat().st_size - picture == pytest.approx(weight.size_bytes, rel=0.1, abs=4096)


def check_audio(product: Product, source: Facts, made: Made) -> None:
    """One sound at the row's rate, in two channels at most, with a cover where there is one and it can be held."""
    row, grade, facts = product.row, product.grade, made.facts
    assert facts is not None
    assert is_in_container(product, facts)
    (sound,) = facts.sounds
    assert source.audio is not None
    assert facts.video is None
    assert sound.codec in row.copied_codecs
    assert (sound.channels or 0) <= 2
    copied = source.audio.codec == sound.codec and source.audio.channels == sound.channels
    if grade.bits_per_second is not None and not copied:
        assert (sound.bits_per_second or facts.bits_per_second) == grade.bits_per_second
    if grade.encoded_bits_per_second is not None and not copied:
        picture = made.cover.stat().st_size if made.cover is not None and row.holds_cover else 0
        most = grade.encoded_bits_per_second / 8 * (facts.duration_seconds or 0) + 4096  # for the container
        assert made.path.stat().st_size - picture <= most
    if row.sample_rates:
        assert sound.sample_rate in row.sample_rates
    has_picture = bool(source.pictures)
    assert (made.cover is not None) == has_picture
    assert (facts.cover is not None) == (has_picture and row.holds_cover)
    assert (facts.title, facts.artist) == ("A title", "Somebody")
    assert facts.duration_seconds == pytest.approx(source.duration_seconds, abs=0.15)


def check_film(product: Product, source: Facts, made: Made) -> None:
    """One picture that players show, the sound if there is one, the index first, and a frame for a thumbnail."""
    facts = made.facts
    assert facts is not None
    assert is_in_container(product, facts)
    (picture,) = facts.pictures
    assert (picture.codec, picture.pixels, picture.picture) == ("h264", "yuv420p", False)
    assert (picture.width, picture.height) == (320, 180)
    assert len(facts.sounds) == (0 if source.audio is None else 1)
    assert all(sound.codec in product.row.copied_codecs for sound in facts.sounds)
    assert facts.subtitles is None
    assert is_streamable(made.path)
    assert made.cover is not None
    assert facts.duration_seconds == pytest.approx(source.duration_seconds, abs=0.15)


def check_subtitles(_product: Product, _source: Facts, made: Made) -> None:
    """The words with their times."""
    assert made.path.read_text().strip() == WORDS.strip()
    assert (made.facts, made.cover) == (None, None)


def check_picture(product: Product, _source: Facts, made: Made) -> None:
    """One still, in the size of its source."""
    facts = made.facts
    assert facts is not None
    assert facts.is_still
    assert is_in_container(product, facts)
    (picture,) = facts.streams
    assert (picture.width, picture.height) == (320, 180)


def is_in_container(product: Product, facts: Facts) -> bool:
    """Whether a file has the container that its row names."""
    return DEMUXERS.get(product.row.muxer, product.row.muxer) in facts.container.split(",")


LACKS: dict[tuple[str, str], Lacks] = {
    ("audio", "film without sound"): "audio",
    **{("video", kind): "video" for kind in SOUNDS},
    **{("subtitles", kind): "subtitles" for kind in SOURCES if kind not in {"still", *MADE_OF["subtitles"]}},
    **{("picture", kind): "picture" for kind in SOUNDS if kind != "sound with cover"},
}
"""What is told to be missing where there is something else to take instead."""


@pytest.mark.parametrize("product", DEFAULTS, ids=named)
@pytest.mark.parametrize("kind", SOURCES)
def test_what_it_can_not_be_made_of_is_told(
    product: Product, kind: str, sources: dict[str, Path], recipe: Recipe
) -> None:
    """A source without what is asked for is unsupported, and says what it lacks; ffmpeg is not even started."""
    source = source_of(sources[kind], recipe.path.parent)
    if kind in MADE_OF[product.row.kind]:
        assert product.is_in(source.facts)
        assert had_by([source.facts]).lacks(product.row.kind) == ""
        return
    assert not product.is_in(source.facts)
    with pytest.raises(JobError) as refused:
        product.make(replace(recipe, program="/nowhere/ffmpeg"), [source])
    assert refused.value.reason == "unsupported"
    assert had_by([source.facts]).lacks(product.row.kind) == LACKS.get((product.row.kind, kind), "")


@pytest.mark.parametrize("product", DEFAULTS, ids=named)
def test_a_product_over_the_limit_is_refused(product: Product, sources: dict[str, Path], recipe: Recipe) -> None:
    """Nothing is handed over that can't be sent, whether its size was known before or not."""
    source = source_of(sources["film with subtitles"], recipe.path.parent)
    with pytest.raises(JobError) as refused:
        product.make(replace(recipe, upload_bytes=10), [source])
    assert refused.value.reason == "too_large"


def test_every_row_of_the_table_is_tried() -> None:
    """A row whose kind has no sources here would be tried of nothing."""
    assert {product.row.word for product, _ in every_case()} >= set(FORMATS)
