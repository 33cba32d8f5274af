"""How a film's picture gets into the product: copied, or encoded to what was asked for and can be sent.

Owns the plan and ffmpeg's options of pictures. A plan answers three questions: does the source play as it is, does what
was asked for fit the upload limit, and does the encode fit the format's timer.
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
"""From high dynamic range to what every screen shows (zimg's light-linear way), tagged as that."""

_PLAYABLE_PIXELS: Final = frozenset({"yuv420p", "yuvj420p"})
_LARGER: Final = 1.1
"""A picture counts as larger than asked for from here on: coders round sides up (1088 lines), sites call 368 "360p"."""
_BITS_PER_PIXEL: Final = 0.8
"""Bits a second for each pixel of a frame, under which a film is not worth looking at (184 kbit/s at 640x360)."""
SOUND_BITS: Final = 160_000
"""Of the film's sound, a second."""
_FILLED: Final = 0.95
"""Of the upload limit: the rest is for the container, and for what the encoder's rate control misses."""
_FREE_RATE: Final = 40_000_000
"""Bits per second that no encode here reaches: a cap above is left out."""
_SHORT_SECONDS: Final = 60.0
"""The encode of a shorter film fits every timer."""
ENCODE_SHARE: Final = 0.7
"""Of the format's timer: what an encode that is not necessary may take. The rest is for the upload."""


@dataclass(frozen=True, slots=True)
class EncodingPlan:
    """What becomes of a picture."""

    copied: bool
    rate: int | None = None
    """Bits per second that the encoded picture has at most; None is no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a film must fit in."""

    upload_bytes: int
    left_seconds: float
    """For the encode."""
    short_seconds: float = _SHORT_SECONDS
    """No sample of a film up to this length is encoded: the whole is taken to fit."""
    sample_seconds: float = 4.0
    """How much of a film is encoded to see how long the whole would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A fetched film."""

    path: Path
    picture: Stream
    seconds: float | None
    size_bytes: int
    """Its sound too, which may be in another file."""


def is_playable(picture: Stream) -> bool:
    """Whether Telegram's players show the stream as it is."""
    return picture.codec == "h264" and picture.pixels in _PLAYABLE_PIXELS


def shorter_side(picture: Stream) -> int:
    """Return what a picture's quality is called by ("720p"), in pixels; 0 where it is not known."""
    return min(picture.width or 0, picture.height or 0)


def is_larger(side: int, grade: Quality) -> bool:
    """Whether a picture of that shorter side is larger than what was asked for."""
    return grade.height is not None and side > grade.height * _LARGER


def rate_within(upload_bytes: int, film: Footage, grade: Quality) -> int | None:
    """Return the bits per second that a picture may have so that its film can be sent; None where that is too few.

    What the film gets by on in its own size, less will do for in a smaller one. The film's length is known.
    """
    assert film.seconds
    # The encoder may begin with what its buffer holds, a second's worth.
    rate = int((upload_bytes * 8 * _FILLED - film.seconds * SOUND_BITS) / (film.seconds + 1))
    share = 1.0
    if is_larger(side := shorter_side(film.picture), grade):
        share = ((grade.height or 0) / side) ** 2
    pixels = (film.picture.width or 0) * (film.picture.height or 0) * share
    least = min(pixels * _BITS_PER_PIXEL, film.size_bytes * 8 / film.seconds * share)
    return rate if rate > 0 and rate >= least else None


def is_kept(film: Footage, grade: Quality, upload_bytes: int) -> bool:
    """Whether a film is what was asked for, so that it is never encoded, however long it is."""
    fits = film.size_bytes <= upload_bytes and not is_larger(shorter_side(film.picture), grade)
    return is_playable(film.picture) and (grade.height is None or fits)


def plan(program: str, film: Footage, grade: Quality, bounds: Bounds) -> EncodingPlan:
    """Decide what becomes of a fetched film. Raise JobError (too_large) where nothing that can be sent would.

    What is larger than asked for is made smaller, and what is over the upload limit is made to fit it, each where the
    encode is going to end in time. What plays as it is is never encoded for `best`.
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
    """Return how long this machine would take to encode a film, by encoding some seconds of it.

    It ends as soon as it is clear that the whole would take longer than there is, and returns so much then. None where
    nothing could be encoded. The film's length is known. Raise ToolError.
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
        if taken < enough_seconds:  # another one's time
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
    even = "scale=trunc(iw/2)*2:trunc(ih/2)*2"  # H.264 in 4:2:0 wants even sides
    if grade.height is not None and shorter_side(picture) > grade.height:
        side = grade.height
        even = f"scale='if(lt(iw,ih),{side},-2)':'if(lt(iw,ih),-2,{side})'"
    tones = [_TONE_MAPPING] if picture.high_range else []
    told = ["setparams=" + ":".join(picture.assumed)] if picture.assumed else []
    options = [
        "-vf",
        ",".join([*told, *square, even, *tones, "format=yuv420p"]),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
    ]
    options += ["-crf", "23", "-threads", str(ffmpeg.THREADS), "-fps_mode", "vfr"]
    return options if rate is None else [*options, "-maxrate", str(rate), "-bufsize", str(rate)]
