"""The table of what can be asked for: words, qualities, timers, and the facts by which each is chosen, made and sent.

Owns the facts alone. It must not import yt-dlp or run anything: the chat, the supervisor, the metrics and the forked
child all read it. A new format is a new row of a kind that there is; what a kind does with its rows is in
child/products. Nothing there names a row, and a test makes every row of every kind of source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["audio", "video", "subtitles", "picture"]
SentAs = Literal["audio", "video", "document"]


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
    """What the product is; the object of that kind (child/products) chooses, makes and weighs it."""
    sent_as: SentAs
    """How Telegram is given it: it plays mp3 and m4a as audio and mp4 as video, all else is a document. The metric
    label."""
    grades: tuple[Quality, ...]
    default_quality: str
    extension: str
    mime_type: str
    muxer: str
    """ffmpeg's name of the container."""
    muxer_options: tuple[str, ...] = ()
    """ffmpeg's output options of the container: which tags, and that its index stands first."""
    holds_cover: bool = False
    """Whether ffmpeg can put a picture into the container that players show with the sound."""
    copied_codecs: frozenset[str] = frozenset()
    """FFmpeg's names of the sounds that are copied instead of encoded; what `encode` makes is one of them."""
    sought_codec: str | None = None
    """yt-dlp's name of the sound that is taken first where a site has several."""
    sample_rates: frozenset[int] = frozenset()
    """What an encoded sound may have, in Hz; another is made 44,100. None named: the encoder takes what comes."""

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

    def timer_seconds(self, quality: str) -> int:
        """How long one job may take, from start to sent."""
        return self.grade(quality).timer_seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """A format and a quality that it has: both are words of the table, fit for a metric label."""

    format: str
    quality: str


class ChoiceError(Exception):
    """A word that names no format or no quality of the format asked for."""

    def __init__(self, kind: Literal["unknown_format", "unknown_quality"], word: str, *, format: str | None) -> None:  # noqa: A002 -- the field's own word
        super().__init__(f"{kind}: {word}")
        self.kind = kind
        self.word = word
        self.format = format
        """The format whose qualities were meant, where one was named."""


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
        sample_rates=frozenset({32_000, 44_100, 48_000}),  # at lower ones MPEG audio has no 320 kbit/s
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

DEFAULT_CHOICE = Choice("mp3", "320k")
"""What a user gets who never chose (design.md, Chat)."""


def offered(*, has_video: bool | None, has_audio: bool | None, lines: int | None) -> list[Choice]:
    """Return the choices that a link can be had in, in the table's order; what is not known (None) rules nothing out.

    `lines` is the shorter side of the largest picture in pixels. Qualities that would bring one and the same picture
    are one choice: up to the source's, and `best` where that is more than the last of them.
    """
    choices = []
    for row in _ROWS:
        if (row.kind == "video" and has_video is False) or (row.kind == "audio" and has_audio is False):
            continue
        grades = row.grades if lines is None or row.kind != "video" else _distinct(row.grades, lines)
        choices += [Choice(row.word, grade.word) for grade in grades]
    return choices


def _distinct(grades: Sequence[Quality], lines: int) -> list[Quality]:
    kept: list[Quality] = []
    for grade in grades:
        beyond = not kept or (kept[-1].height or lines) < lines
        if not kept or (beyond if grade.height is None else grade.height <= lines):
            kept.append(grade)
    return kept


def fitting(
    choice: Choice,
    sizes: Mapping[Choice, int],
    limit_bytes: int,
    *,
    lines: int | None = None,
    has_audio: bool | None = None,
) -> list[Choice]:
    """What to take instead of a choice that is over a limit, the best first.

    `sizes` (bytes) is what is known of the link's choices. Known to be over the limit is left out; what nobody knows
    is there where it makes a smaller file as a rule. A sound whose rate is the source's own comes last, if it is
    known to fit: it may be the larger one. `lines` and `has_audio` as for `smaller`.
    """
    lower = smaller(choice, lines=lines, has_audio=has_audio)
    copied = [Choice(row.word, row.default_quality) for row in _ROWS if row.kind == "audio" and row.has_sources_rate]
    lower += [each for each in copied if each in sizes and each not in (choice, *lower) and has_audio is not False]
    return [each for each in lower if sizes.get(each, 0) <= limit_bytes]


def smaller(choice: Choice, *, lines: int | None = None, has_audio: bool | None = None) -> list[Choice]:
    """What makes a smaller file than this choice, the best first: its lower qualities, for a film then its sound.

    Only what `offered` offers of a link with so many lines, and with a sound or without.
    """
    there = offered(has_video=None, has_audio=has_audio, lines=lines)
    return [each for each in _lower(choice) if each in there]


def _lower(choice: Choice) -> list[Choice]:
    row = FORMATS[choice.format]
    lower = row.qualities[: row.qualities.index(choice.quality)]
    fewer = [Choice(row.word, word) for word in reversed(lower)]
    if row.kind == "video":
        return [*fewer, Choice("m4a", "default"), Choice("mp3", "128k")]
    if row.grade(choice.quality).bits_per_second is None:
        fewer = [Choice("mp3", "128k")]
    return fewer


def parse_choice(words: Sequence[str], default: Choice = DEFAULT_CHOICE) -> Choice:
    """Read what a person typed after the link: a format, a quality, both in either order, or nothing.

    Case does not matter, and a quality may lack its unit ("mp4 720", "320", "320kbps"). A quality alone names the
    first format that has it. Nothing at all is `default`. Raises ChoiceError.
    """
    named, asked = _sort_out(words)
    if named is None and asked is None:
        return default
    if named is None:
        assert asked is not None
        named = next((row for row in _ROWS if _find_quality(row, asked) is not None), None)
        if named is None:
            raise ChoiceError("unknown_quality", asked, format=None)
    if asked is None:
        return Choice(named.word, default.quality if default.format == named.word else named.default_quality)
    found = _find_quality(named, asked)
    if found is None:
        raise ChoiceError("unknown_quality", asked, format=named.word)
    return Choice(named.word, found)


def _sort_out(words: Sequence[str]) -> tuple[Format | None, str | None]:
    """Tell the word for a format from the one for a quality; ChoiceError for a third."""
    named: Format | None = None
    asked: str | None = None
    for raw in words:
        word = raw.strip().strip(".,;:").lower()
        if not word:
            continue
        if named is None and word in FORMATS:
            named = FORMATS[word]
        elif asked is None and (named is not None or _looks_like_quality(word)):
            asked = word
        elif named is None:
            raise ChoiceError("unknown_format", raw, format=None)
        else:
            raise ChoiceError("unknown_quality", raw, format=named.word)
    return named, asked


def _looks_like_quality(word: str) -> bool:
    return word[0].isdigit() or word == "default" or any(word in row.qualities for row in _ROWS)


def _find_quality(row: Format, word: str) -> str | None:
    if word in row.qualities:
        return word
    figure = re.fullmatch(r"(\d{2,4})\s*(p|k|kbps|kbit|kbit/s|kb/s|kbits)?", word)
    if figure is None:
        return None
    number, unit = figure.groups()
    units = {"p": ("p",), None: ("p", "k")}.get(unit, ("k",))
    return next((number + unit for unit in units if number + unit in row.qualities), None)
