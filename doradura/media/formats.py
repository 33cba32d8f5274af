"""The table of formats: words, qualities, timers, and the facts by which each is chosen, made and sent.

Owns only the facts. It must not import yt-dlp or run anything: the chat, the supervisor, the metrics and the forked
child all read it. A new format is a new row of an existing kind; child/products defines what a kind does with its rows.
Nothing there names a row, and a test makes every row from every kind of source. `variant` has the value that names a
row and one of its qualities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ProductKind = Literal["audio", "video", "subtitles", "picture"]
SentAs = Literal["audio", "video", "document"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One quality of a format: its word, how long it may take, what it is made of."""

    word: str
    timer_seconds: int
    """From when a worker takes the job until the file is sent."""
    height: int | None = None
    """The picture's shorter side in pixels at most; None means no bound."""
    bits_per_second: int | None = None
    """The product's bit rate if it is constant, so that its size follows from the length."""
    encoded_bits_per_second: int | None = None
    """The bit rate of an encode if the product otherwise has its source's; less, if that would be too large to send."""
    encode: tuple[str, ...] = ()
    """ffmpeg's output options if the source's stream cannot be copied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One word of `/download`, with all its qualities."""

    word: str
    kind: ProductKind
    """What the product is; the object of that kind (child/products) chooses, makes and weighs it."""
    sent_as: SentAs
    """How it is sent to Telegram, which plays mp3 and m4a as audio and mp4 as video; everything else is a document. The
    metric label."""
    grades: tuple[Quality, ...]
    default_quality: str
    extension: str
    mime_type: str
    muxer: str
    """ffmpeg's name of the container."""
    muxer_options: tuple[str, ...] = ()
    """ffmpeg's output options for the container: which tags, and that its index comes first."""
    holds_cover: bool = False
    """Whether ffmpeg can put a picture into the container that players show with the sound."""
    copied_codecs: frozenset[str] = frozenset()
    """FFmpeg's names of the codecs that are copied instead of encoded; what `encode` makes is one of them."""
    sought_codec: str | None = None
    """yt-dlp's name of the codec that is preferred if a site has several."""
    sample_rates: frozenset[int] = frozenset()
    """The allowed sample rates of an encode, in Hz; any other becomes 44,100. None named: the encoder takes any."""

    @property
    def qualities(self) -> tuple[str, ...]:
        """The words of the qualities, smallest first."""
        return tuple(grade.word for grade in self.grades)

    @property
    def has_sources_rate(self) -> bool:
        """Whether its size follows from the source's bit rate, as it has none of its own."""
        return all(grade.bits_per_second is None for grade in self.grades)

    def grade(self, quality: str) -> Quality:
        """Return the row of a quality. Raises KeyError for a word that is not in `qualities`."""
        for grade in self.grades:
            if grade.word == quality:
                return grade
        raise KeyError(quality)


def _mp3(kilobits: int) -> Quality:
    rate = f"{kilobits}k"
    encode = ("-c:a", "libmp3lame", "-b:a", rate, "-compression_level", "2")
    return Quality(word=rate, timer_seconds=900, bits_per_second=kilobits * 1000, encode=encode)


def _mp4(word: str, height: int | None, timer_seconds: int) -> Quality:
    return Quality(word=word, timer_seconds=timer_seconds, height=height, encode=("-c:a", "aac", "-b:a", "160k"))


_INDEX_FIRST = ("-movflags", "+faststart")

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
        muxer_options=("-id3v2_version", "3"),
        holds_cover=True,
        copied_codecs=frozenset({"mp3"}),
        sample_rates=frozenset({32_000, 44_100, 48_000}),  # MPEG audio has no 320 kbit/s at lower ones
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
        muxer_options=_INDEX_FIRST,
        holds_cover=True,
        copied_codecs=frozenset({"aac"}),
        sought_codec="aac",
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
        muxer_options=_INDEX_FIRST,
        copied_codecs=frozenset({"aac", "mp3"}),
        sought_codec="aac",
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType({row.word: row for row in _ROWS})
"""Every format by its word."""
