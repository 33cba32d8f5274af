"""How a film's picture gets into the product: copied, or encoded to fit what was asked for and what can be sent.

Owns the encoding plan and ffmpeg's options for pictures. A plan answers three questions: does the source play as it is,
does the result fit the upload limit, and does the encode fit the format's timer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doradura.child import ffmpeg
from doradura.child.facts import Stream, inspect
from doradura.child.failures import JobError
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.formats import Quality
from doradura.media.reasons import Reason

_TONE_MAPPING = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
)
"""Converts high dynamic range to what every screen shows (zimg's linear-light way), and tags it so."""

_PLAYABLE_PIXELS: Final = frozenset({"yuv420p", "yuvj420p"})
_LARGER: Final = 1.1
"""A picture counts as larger than asked for only from this factor on: encoders round sides up (1088 lines), and sites
call 368 lines "360p"."""
_BITS_PER_PIXEL: Final = 0.8
"""Bits per second for each pixel of a frame, below which a film is not worth watching (184 kbit/s at 640x360)."""
SOUND_BITS: Final = 160_000
"""Bits per second reserved for the film's sound."""
_FILLED: Final = 0.95
"""The share of the upload limit that may be used; the rest is for the container and the encoder's inaccuracy."""
_FREE_RATE: Final = 40_000_000
"""Bits per second that no encode here reaches: a higher cap is left out."""
_SHORT_SECONDS: Final = 60.0
"""The encode of a film shorter than this fits every timer."""
ENCODE_SHARE: Final = 0.7
"""The share of the format's timer that an optional encode may take. The rest is for the upload."""


@dataclass(frozen=True, slots=True)
class EncodingPlan:
    """What is done with a picture."""

    copied: bool
    rate: int | None = None
    """The highest bit rate of the encoded picture, in bits per second; None means no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits that a film must fit in."""

    upload_bytes: int
    left_seconds: float
    """Seconds left for the encode."""
    short_seconds: float = _SHORT_SECONDS
    """No sample of a film up to this length is encoded: it is assumed to fit."""
    sample_seconds: float = 4.0
    """How many seconds of a film are encoded to estimate how long the whole would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A fetched film."""

    path: Path
    picture: Stream
    seconds: float | None
    size_bytes: int
    """Bytes including its sound, which may be in another file."""


def is_playable(picture: Stream) -> bool:
    """Return whether Telegram's players show the stream as it is."""
    return picture.codec == "h264" and picture.pixels in _PLAYABLE_PIXELS


def shorter_side(picture: Stream) -> int:
    """Return the number that names a picture's quality ("720p"), in pixels; 0 if it is unknown."""
    return min(picture.width or 0, picture.height or 0)


def is_larger(side: int, grade: Quality) -> bool:
    """Return whether a picture with that shorter side is larger than what was asked for."""
    return grade.height is not None and side > grade.height * _LARGER


def rate_within(upload_bytes: int, film: Footage, grade: Quality) -> int | None:
    """Return the bits per second that a picture may have so that its film can be sent; None if that would be too few.

    A smaller picture needs no more than the source's own rate. The film's length must be known.
    """
    assert film.seconds
    # The encoder may start with a full buffer, worth one second.
    rate = int((upload_bytes * 8 * _FILLED - film.seconds * SOUND_BITS) / (film.seconds + 1))
    share = 1.0
    if is_larger(side := shorter_side(film.picture), grade):
        share = ((grade.height or 0) / side) ** 2
    pixels = (film.picture.width or 0) * (film.picture.height or 0) * share
    least = min(pixels * _BITS_PER_PIXEL, film.size_bytes * 8 / film.seconds * share)
    return rate if rate > 0 and rate >= least else None


def is_kept(film: Footage, grade: Quality, upload_bytes: int) -> bool:
    """Return whether a film is what was asked for, so that it is never encoded, however long it is."""
    fits = film.size_bytes <= upload_bytes and not is_larger(shorter_side(film.picture), grade)
    return is_playable(film.picture) and (grade.height is None or fits)


def plan(program: str, film: Footage, grade: Quality, bounds: Bounds) -> EncodingPlan:
    """Decide what is done with a fetched film. Raises JobError (too_large) if no result could be sent.

    A film larger than asked for is made smaller, and one over the upload limit is made to fit it, each if the encode
    would end in time. A film that plays as it is is never encoded for `best`.
    """
    if is_kept(film, grade, bounds.upload_bytes):
        return EncodingPlan(copied=True)
    playable, fits = is_playable(film.picture), film.size_bytes <= bounds.upload_bytes
    if not film.seconds:
        return EncodingPlan(copied=playable)
    rate = rate_within(bounds.upload_bytes, film, grade)
    if rate is None:
        if playable and fits:
            return EncodingPlan(copied=True)
        raise JobError(Reason.TOO_LARGE, f"{film.seconds:.0f} s of film in {grade.word} are more than can be sent")
    encoded = EncodingPlan(copied=False, rate=rate if rate < _FREE_RATE else None)
    if not playable:
        return encoded
    needed = None if film.seconds <= bounds.short_seconds else encode_seconds(program, film, grade, bounds)
    if needed is None or needed <= bounds.left_seconds:
        return encoded
    if fits:
        return EncodingPlan(copied=True)
    raise JobError(Reason.TOO_LARGE, f"to make it smaller would take {needed:.0f} s")


def encode_seconds(program: str, film: Footage, grade: Quality, bounds: Bounds) -> float | None:
    """Return how many seconds this machine would take to encode a film, by encoding some seconds of it.

    It stops as soon as the whole would clearly take longer than there is, and returns that estimate. None if nothing
    could be encoded. The film's length must be known. Raises ToolError.
    """
    assert film.seconds
    enough_seconds = max(0.0, bounds.left_seconds) * bounds.sample_seconds / film.seconds
    sample = film.path.with_name("sample")
    options = ["-map", f"0:v:{film.picture.number}", "-t", str(bounds.sample_seconds)]
    options += [*picture_options(film.picture, grade, None), "-f", "mp4", f"file:{sample}"]
    began = time.monotonic()
    try:
        with at_most(enough_seconds):
            ffmpeg.run(program, [film.path], options)
        taken = time.monotonic() - began
        made = inspect(sample)
    except TimeIsUpError:
        taken = time.monotonic() - began
        if taken < enough_seconds:  # another limit's time is up
            raise
        return taken * film.seconds / bounds.sample_seconds
    except ffmpeg.FfmpegError:
        return None
    finally:
        sample.unlink(missing_ok=True)
    if made is None or not made.duration_seconds:
        return None
    return taken * film.seconds / made.duration_seconds


def picture_options(picture: Stream, grade: Quality, rate: int | None) -> list[str]:
    """Return ffmpeg's options to encode a picture: H.264 in square pixels, no larger than what was asked for."""
    square = [] if picture.square else ["scale=iw*sar:ih", "setsar=1"]
    even = "scale=trunc(iw/2)*2:trunc(ih/2)*2"  # H.264 in 4:2:0 needs even sides
    if grade.height is not None and shorter_side(picture) > grade.height:
        side = grade.height
        even = f"scale='if(lt(iw,ih),{side},-2)':'if(lt(iw,ih),-2,{side})'"
    tones = [_TONE_MAPPING] if picture.high_range else []
    told = ["setparams=" + ":".join(picture.assumed)] if picture.assumed else []
    options = [
        "-vf",
        # FFmpeg's scaling makes up for each side that it rounds with pixels that are not quite square.
        ",".join([*told, *square, even, "setsar=1", *tones, "format=yuv420p"]),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
    ]
    options += ["-crf", "23", "-threads", str(ffmpeg.THREADS), "-fps_mode", "vfr"]
    return options if rate is None else [*options, "-maxrate", str(rate), "-bufsize", str(rate)]
