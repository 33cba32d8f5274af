"""What a media file is: its container, length and streams, read with PyAV (FFmpeg's libraries).

Owns the choice of the stream that a player would show or play. It runs in children only: a fetched file is hostile, and
whatever a broken file does to a library must end a job, never the bot. Nothing here follows a file's references: only
containers that hold media and nothing else are opened, with protocols that reach nothing but the file itself.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from doradura.child.describing import clean
from doradura.child.ffmpeg import CONTAINERS, MAX_PIXELS, PROTOCOLS

_DECODED_PACKETS: Final = 60
"""How many packets are tried to get the first picture, which alone says how a film is rotated."""
_HLG, _PQ = 18, 16
"""Transfer characteristics of high dynamic range (ITU-T H.273, table 3)."""
_UNTOLD: Final = frozenset({0, 2, 3})
"""Primaries and matrices that mean "unknown" (reserved, unspecified; H.273, tables 2 and 4)."""
_UNUSUAL: Final = frozenset({10, 13})
"""Matrices of constant luminance, which FFmpeg's filters cannot convert."""
_WRITTEN: Final = frozenset({"ass", "mov_text", "subrip", "text", "webvtt"})
"""Subtitles that are text (FFmpeg's names)."""
_ODD_PIXELS = (Fraction(1, 20), Fraction(20))
"""Values outside this range are not a pixel's shape but a broken header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of a file. Absent values are None."""

    kind: str
    """video, audio or subtitle."""
    number: int
    """Its number among its kind: ffmpeg's N in 0:v:N, 0:a:N and 0:s:N."""
    codec: str
    pixels: str | None = None
    width: int | None = None
    """As shown, in square pixels, upright."""
    height: int | None = None
    square: bool = True
    """Whether its pixels are square as they are coded."""
    turned: bool = False
    """Whether a player rotates the coded picture."""
    picture: bool = False
    """Whether it is a still cover, not a film."""
    default: bool = False
    aside: bool = False
    """Whether it is a commentary, or a description for people who can't see: nobody's first choice."""
    high_range: bool = False
    """High dynamic range (HLG or PQ): without tone mapping it looks washed out on a usual screen."""
    assumed: tuple[str, ...] = ()
    """For high dynamic range: what has to be assumed of its colours, as options of FFmpeg's setparams."""
    sample_rate: int | None = None
    channels: int | None = None
    bits_per_second: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a file is. Absent values are None."""

    container: str
    """FFmpeg's names for it, separated by commas."""
    duration_seconds: float | None
    bits_per_second: int | None
    streams: tuple[Stream, ...]
    title: str | None
    artist: str | None

    @property
    def pictures(self) -> tuple[Stream, ...]:
        """All films and covers, in the file's order."""
        return tuple(s for s in self.streams if s.kind == "video")

    @property
    def sounds(self) -> tuple[Stream, ...]:
        """All sounds, in the file's order."""
        return tuple(s for s in self.streams if s.kind == "audio")

    @property
    def subtitles(self) -> Stream | None:
        """The subtitles that a player shows: the default ones, else the first.

        Subtitles that are pictures do not count.
        """
        written = [s for s in self.streams if s.kind == "subtitle" and s.codec in _WRITTEN]
        return max(written, key=lambda s: (s.default, -s.number), default=None)

    @property
    def video(self) -> Stream | None:
        """The film that a player shows: the default one, else the largest, else the first."""
        films = [s for s in self.pictures if not s.picture]
        return max(films, key=lambda s: (s.default, (s.width or 0) * (s.height or 0), -s.number), default=None)

    @property
    def audio(self) -> Stream | None:
        """The sound that a player plays: the default one, else the first; a commentary only as the last resort."""
        return max(self.sounds, key=lambda s: (not s.aside, s.default, -s.number), default=None)

    @property
    def is_still(self) -> bool:
        """Whether the whole file is one picture. FFmpeg reports that as a film of one frame."""
        return self.container.endswith("_pipe") or self.container == "image2"

    @property
    def cover(self) -> Stream | None:
        """The first embedded still."""
        return next((s for s in self.pictures if s.picture), None)


def inspect(path: Path) -> Facts | None:
    """Return what the file is; None if it contains no media or its container is not on the list.

    Blocks for some milliseconds. Raises MemoryError if memory is short; a file that FFmpeg's libraries can't read is
    not an error: it contains no media.
    """
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": CONTAINERS}
    try:
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            return _facts(container)
    except (av.FFmpegError, ValueError):
        return None


def _facts(container: InputContainer) -> Facts | None:
    turns = _turns(container)
    counted = {"video": 0, "audio": 0, "subtitle": 0}
    streams = []
    for stream in container.streams:
        if isinstance(stream, av.VideoStream):
            streams.append(_video(stream, counted["video"], turns.get(stream.index, 0)))
        elif isinstance(stream, av.AudioStream):
            streams.append(_audio(stream, counted["audio"]))
        elif isinstance(stream, SubtitleStream):
            streams.append(_subtitle(stream, counted["subtitle"]))
        else:
            continue
        counted[stream.type] += 1
    if not streams:
        return None
    tags = {key.lower(): value for key, value in reversed(container.metadata.items())}
    if container.format.name == "ogg":  # it keeps the file's tags with its stream
        for found in container.streams:
            tags = {**{key.lower(): value for key, value in found.metadata.items()}, **tags}
    return Facts(
        container=container.format.name,
        duration_seconds=container.duration / 1_000_000 if container.duration and container.duration > 0 else None,
        bits_per_second=container.bit_rate or None,
        streams=tuple(streams),
        title=clean(tags.get("title")),
        artist=clean(tags.get("artist")),
    )


def _turns(container: InputContainer) -> dict[int, int]:
    """Return by how many degrees each film is rotated, as its first picture tells."""
    turns: dict[int, int] = {}
    films = [
        stream
        for stream in container.streams.video
        if (context := _film_context(stream)) is not None
        and context.width * context.height <= MAX_PIXELS
        and not _is_picture(stream)
    ]
    if not films:
        return turns
    for film in films:
        film.codec_context.thread_count = 1  # one picture is wanted, and each thread would cost another's memory
    with suppress(av.FFmpegError, ValueError, StopIteration):
        for packet in islice(container.demux(films), _DECODED_PACKETS):
            if packet.stream.index in turns:
                continue
            with suppress(av.FFmpegError, ValueError):
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame):
                        turns[packet.stream.index] = frame.rotation
            if len(turns) == len(films):
                break
    return turns


def _film_context(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """Return a film's decoder. PyAV's types say that there always is one, but an unknown codec has none."""
    return stream.codec_context


def _sound_context(stream: av.AudioStream) -> av.AudioCodecContext | None:
    return stream.codec_context


def _words_context(stream: SubtitleStream) -> av.CodecContext | None:
    return stream.codec_context


def _is_picture(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _video(stream: av.VideoStream, number: int, turn: int) -> Stream:
    context = _film_context(stream)
    if context is None:
        return Stream(kind="video", number=number, codec="unknown", picture=_is_picture(stream))
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    if not _ODD_PIXELS[0] < aspect < _ODD_PIXELS[1]:
        aspect = Fraction(1)
    width, height = context.width or None, context.height or None
    shown = (round(width * aspect) if width else None, height)
    turned = turn % 180 != 0
    return Stream(
        kind="video",
        number=number,
        codec=context.codec.canonical_name,
        pixels=context.pix_fmt,
        width=shown[1] if turned else shown[0],
        height=shown[0] if turned else shown[1],
        square=aspect == 1,
        turned=turn % 360 != 0,
        picture=_is_picture(stream),
        default=Disposition.default in stream.disposition,
        high_range=context.color_trc in {_HLG, _PQ},
        assumed=_assumed(context) if context.color_trc in {_HLG, _PQ} else (),
        bits_per_second=context.bit_rate or None,
    )


def _assumed(context: av.VideoCodecContext) -> tuple[str, ...]:
    """Assume BT.2020 (ITU-R BT.2100) for every film of high dynamic range that does not state its colours."""
    assumed = []
    if context.color_primaries in _UNTOLD:
        assumed.append("color_primaries=bt2020")
    if context.colorspace in _UNTOLD | _UNUSUAL:
        assumed.append("colorspace=bt2020nc")
    return tuple(assumed)


def _audio(stream: av.AudioStream, number: int) -> Stream:
    aside = Disposition.comment | Disposition.visual_impaired | Disposition.descriptions
    context = _sound_context(stream)
    if context is None:
        return Stream(kind="audio", number=number, codec="unknown")
    return Stream(
        kind="audio",
        number=number,
        codec=context.codec.canonical_name,
        default=Disposition.default in stream.disposition,
        aside=bool(stream.disposition & aside),
        sample_rate=context.sample_rate or None,
        channels=context.layout.nb_channels or None,
        bits_per_second=context.bit_rate or None,
    )


def _subtitle(stream: SubtitleStream, number: int) -> Stream:
    context = _words_context(stream)
    return Stream(
        kind="subtitle",
        number=number,
        codec="unknown" if context is None else context.codec.canonical_name,
        default=Disposition.default in stream.disposition,
    )
