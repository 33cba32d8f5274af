"""The table of what can be asked for: words, qualities, timers, and how each is chosen, made and sent.

Owns the facts alone. It must not import yt-dlp or run anything: the chat, the supervisor, the metrics and the forked
child all read it. A new format is a new row; `variant` has the value that names one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["audio", "video", "document"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One quality of a format: what it is called, how long it may take, what it is made of."""

    word: str
    timer_seconds: int
    """From a worker taking the job to the file sent."""
    height: int | None = None
    """The picture's shorter side in pixels at most; None is no bound."""
    bits_per_second: int | None = None
    """The bit rate of the product where it is constant, so that its size follows from the length."""
    encoded_bits_per_second: int | None = None
    """What an encode has where the product else has its source's rate; less, where that would be too large to send."""
    encode: tuple[str, ...] = ()
    """ffmpeg's output options where the source's stream cannot be copied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One word of `/download`, with all its qualities."""

    word: str
    kind: Kind
    """What the product is; the metric label."""
    sent_as: Kind
    """How Telegram is given it: it plays mp3 and m4a as audio and mp4 as video, all else is a document."""
    grades: tuple[Quality, ...]
    default_quality: str
    extension: str
    mime_type: str
    muxer: str
    """ffmpeg's name of the container."""
    copied_codecs: frozenset[str] = frozenset()
    """Audio codecs that are copied instead of encoded."""

    @property
    def qualities(self) -> tuple[str, ...]:
        """The words of the qualities, smallest first."""
        return tuple(grade.word for grade in self.grades)

    @property
    def has_sources_rate(self) -> bool:
        """Whether its size follows from the source's bit rate, as it has none of its own."""
        return all(grade.bits_per_second is None for grade in self.grades)

    def grade(self, quality: str) -> Quality:
        """The row of a quality; KeyError for a word that is none of `qualities`."""
        for grade in self.grades:
            if grade.word == quality:
                return grade
        raise KeyError(quality)


@dataclass(frozen=True, slots=True)
class Selection:
    """What yt-dlp is told to take: a format expression, and the order of preference within it."""

    expression: str
    order: tuple[str, ...]


def _mp3(kilobits: int) -> Quality:
    rate = f"{kilobits}k"
    encode = ("-c:a", "libmp3lame", "-b:a", rate, "-compression_level", "2")
    return Quality(word=rate, timer_seconds=900, bits_per_second=kilobits * 1000, encode=encode)


def _mp4(word: str, height: int | None, timer_seconds: int) -> Quality:
    return Quality(word=word, timer_seconds=timer_seconds, height=height, encode=("-c:a", "aac", "-b:a", "160k"))


_ROWS = (
    Format(
        word="mp3",
        kind="audio",
        sent_as="audio",
        grades=(_mp3(128), _mp3(192), _mp3(320)),
        default_quality="320k",
        extension="mp3",
        mime_type="audio/mpeg",
        muxer="mp3",
        copied_codecs=frozenset({"mp3"}),
    ),
    Format(
        word="m4a",
        kind="audio",
        sent_as="audio",
        grades=(
            Quality(
                word="default",
                timer_seconds=600,
                encoded_bits_per_second=192_000,
                encode=("-c:a", "aac", "-b:a", "192k"),
            ),
        ),
        default_quality="default",
        extension="m4a",
        mime_type="audio/mp4",
        muxer="ipod",
        copied_codecs=frozenset({"aac"}),
    ),
    Format(
        word="mp4",
        kind="video",
        sent_as="video",
        grades=(
            _mp4("360p", 360, 900),
            _mp4("480p", 480, 1200),
            _mp4("720p", 720, 1800),
            _mp4("1080p", 1080, 2700),
            _mp4("best", None, 3600),
        ),
        default_quality="720p",
        extension="mp4",
        mime_type="video/mp4",
        muxer="mp4",
        copied_codecs=frozenset({"aac", "mp3"}),
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType({row.word: row for row in _ROWS})
"""Every format by its word."""

_NATIVE = "[protocol~='^(https?|m3u8(_native)?|http_dash_segments(_generator)?)$']"
"""What yt-dlp fetches by its own Python code; all else would start a program that the egress guard cannot see."""


def select(row: Format, grade: Quality) -> Selection:
    """What yt-dlp is to fetch for a quality: the best at or under the asked height, else the smallest there is.

    Within a height H.264 and AAC come first, because they need no encoding to play in Telegram. `best` takes H.264 of
    720 lines or more before a larger picture in another codec, whose encoding costs minutes for each of the film's.
    """
    if row.kind == "audio":
        codec = ("acodec:aac",) if "aac" in row.copied_codecs else ()
        return Selection(f"ba{_NATIVE}/b{_NATIVE}/ba*{_NATIVE}", ("hasaud", *codec, "abr", "res:480"))
    wide = f"bv*{_NATIVE}+ba{_NATIVE}/b{_NATIVE}/bv*{_NATIVE}"
    if grade.height is not None:
        return Selection(wide, (f"res:{grade.height}", "vcodec:h264", "acodec:aac"))
    playable = (
        f"bv*{_NATIVE}[vcodec~='^(avc|h264)'][height>=720]+ba{_NATIVE}/b{_NATIVE}[vcodec~='^(avc|h264)'][height>=720]"
    )
    return Selection(f"{playable}/{wide}", ("res", "vcodec:h264", "acodec:aac"))
