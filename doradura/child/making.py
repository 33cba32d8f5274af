"""From fetched files to the product: taken as they are, or which streams, copied or encoded, with which tags.

Owns ffmpeg's output options. It knows nothing of sites.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from doradura.child import ffmpeg
from doradura.child.boxes import is_streamable
from doradura.child.encoding import SOUND_BITS, Plan, is_playable, picture_options
from doradura.child.facts import Facts, Stream
from doradura.child.failures import JobError
from doradura.media.formats import Format, Quality
from doradura.media.reasons import Reason

_MP3_RATES = frozenset({32_000, 44_100, 48_000})
"""Under these MPEG audio has no 320 kbit/s, and the bit rate asked for would not be met."""

LEAST_SONG_BITS = 64_000
"""A second of music, in AAC, under which it is not worth hearing."""
_FILLED = 0.95
"""Of the upload limit: the rest is for the container and the cover."""


@dataclass(frozen=True, slots=True)
class Source:
    """A fetched file and what it is."""

    path: Path
    facts: Facts


@dataclass(frozen=True, slots=True)
class Tags:
    """What is written into the product."""

    title: str
    artist: str | None

    def options(self) -> list[str]:
        """Our tags instead of the source's: those hold encoders' names, links and worse."""
        options = ["-map_metadata", "-1", "-map_chapters", "-1", "-metadata", f"title={self.title}"]
        return options + (["-metadata", f"artist={self.artist}"] if self.artist else [])


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be made, and where."""

    program: str
    row: Format
    grade: Quality
    tags: Tags
    cover: Path | None
    """JPEG to embed in audio."""
    product: Path
    plan: Plan = field(default_factory=lambda: Plan(copied=True))
    """What becomes of a film's picture."""
    song_rate: int | None = None
    """Bits per second of an encoded song, where these are fewer than its quality's."""
    told: Callable[[float], None] | None = None
    """Is told how many seconds of the product are there."""


def make(recipe: Recipe, sources: list[Source]) -> None:
    """Write the product. A source that is one already is moved, not copied.

    Raises JobError for a source without what is asked for, FfmpegError.
    """
    if recipe.plan.copied and len(sources) == 1 and is_finished(recipe.row, sources[0]):
        sources[0].path.rename(recipe.product)
    elif recipe.row.kind == "audio":
        _make_audio(recipe, sources)
    else:
        _make_video(recipe, sources)


def is_finished(row: Format, source: Source) -> bool:
    """Whether a fetched film is what Telegram plays while it loads, so that nothing is to be made of it.

    Then it is as large as its site said, and costs no second file on the disk. Whether it is to be made smaller, its
    plan says. A cover or a second sound is left out by making.
    """
    facts = source.facts
    sounds = [sound.codec for sound in facts.sounds]
    return (
        row.kind == "video"
        and row.muxer in facts.container.split(",")
        and len(facts.pictures) == 1
        and facts.video is not None
        and is_playable(facts.video)
        and len(sounds) <= 1
        and row.copied_codecs.issuperset(sounds)
        and is_streamable(source.path)
    )


def _make_audio(recipe: Recipe, sources: list[Source]) -> None:
    source = next((s for s in sources if s.facts.audio is not None), None)
    if source is None:
        raise JobError(Reason.UNSUPPORTED, "the source has no sound")
    inputs = [source.path]
    assert source.facts.audio is not None
    options = ["-map", f"0:a:{source.facts.audio.number}", *_sound(source.facts.audio, recipe)]
    if recipe.cover is not None:
        inputs.append(recipe.cover)
        options += ["-map", "1:v:0", "-c:v", "copy", "-disposition:v:0", "attached_pic"]
        options += ["-metadata:s:v", "title=Cover", "-metadata:s:v", "comment=Cover (front)"]
    options += ["-id3v2_version", "3"] if recipe.row.muxer == "mp3" else ["-movflags", "+faststart"]
    _write(recipe, inputs, options)


def _sound(sound: Stream, recipe: Recipe) -> list[str]:
    """Copy the sound, or encode it in two channels at most: the bit rates of the table are for those.

    A film's surround sound is copied where it can be; a song's is not, as players of songs have two speakers.
    """
    heavy = recipe.plan.rate is not None and (sound.bits_per_second or 0) > SOUND_BITS
    if is_copied(sound, recipe.row, recipe.grade) and not heavy:
        return ["-c:a", "copy"]
    surround = (sound.channels or 2) > 2
    rate = ["-ar", "44100"] if recipe.row.muxer == "mp3" and sound.sample_rate not in _MP3_RATES else []
    lower = [] if recipe.song_rate is None else ["-b:a", str(recipe.song_rate)]
    return [*recipe.grade.encode, *lower, *(["-ac", "2"] if surround else []), *rate]


def song_rate_within(upload_bytes: int, seconds: float | None, grade: Quality) -> int | None:
    """Return the bits per second of a song's encode that are fewer than its quality's, so that it can be sent.

    None where those do, or where the product has a bit rate of its own. Raise JobError (too_large) before the encode
    where too few would be left.
    """
    if grade.encoded_bits_per_second is None or not seconds:
        return None
    rate = int(upload_bytes * 8 * _FILLED / seconds)
    if rate < LEAST_SONG_BITS:
        raise JobError(Reason.TOO_LARGE, f"{seconds:.0f} s of song are more than can be sent")
    return rate if rate < grade.encoded_bits_per_second else None


def is_copied(sound: Stream, row: Format, grade: Quality) -> bool:
    """Whether a sound goes into the product as it is.

    Where the product has a bit rate of its own, only what has that rate or less: encoded again it would be larger and
    worse.
    """
    if sound.codec not in row.copied_codecs or (row.kind == "audio" and (sound.channels or 2) > 2):
        return False
    return grade.bits_per_second is None or (
        sound.bits_per_second is not None and sound.bits_per_second <= grade.bits_per_second
    )


def _make_video(recipe: Recipe, sources: list[Source]) -> None:
    film = next((number for number, s in enumerate(sources) if s.facts.video is not None), None)
    if film is None:
        raise JobError(Reason.UNSUPPORTED, "the source has no moving picture")
    facts = sources[film].facts
    picture = facts.video
    assert picture is not None
    options = ["-map", f"{film}:v:{picture.number}", *_picture(picture, recipe)]
    heard = next(((number, s.facts.audio) for number, s in enumerate(sources) if s.facts.audio is not None), None)
    if heard is not None:
        number, sound = heard
        options += ["-map", f"{number}:a:{sound.number}", *_sound(sound, recipe)]
    _write(recipe, [s.path for s in sources], [*options, "-sn", "-dn", "-movflags", "+faststart"])


def _write(recipe: Recipe, inputs: list[Path], options: list[str]) -> None:
    output = [*options, *recipe.tags.options(), "-f", recipe.row.muxer, f"file:{recipe.product}"]
    ffmpeg.run(recipe.program, inputs, output, told=recipe.told)


def _picture(picture: Stream, recipe: Recipe) -> list[str]:
    if recipe.plan.copied and is_playable(picture):
        return ["-c:v", "copy"]
    return picture_options(picture, recipe.grade, recipe.plan.rate)
