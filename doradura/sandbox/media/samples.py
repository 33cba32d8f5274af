"""Makes the sample media with ffmpeg, once, into a folder that every later start uses.

Owns that folder: it is made under a temporary name and renamed when complete, so that a killed start leaves no
half-made one and two simultaneous starts do not disturb each other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import trio

from doradura.sandbox.media.probe import run_tool
from doradura.startup import StartupError

VERSION = "samples-1"
"""The folder's name; change it together with its content."""

MAKING_SECONDS = 60.0
STALE_SECONDS = 600.0

TITLE = "Doradura sample"
ARTIST = "Sandbox"

_CUES = (
    (0, 3, "This is a sample."),
    (3, 6, "It moves and it hums."),
    (6, 10, "And it has subtitles."),
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Doradura sample page</title>
<meta name="description" content="A page with a video and its subtitles.">
</head>
<body>
<h1>Doradura sample page</h1>
<video controls width="640" height="360">
<source src="/media/sample.mp4" type="video/mp4">
<track kind="subtitles" src="/media/sample.vtt" srclang="en" label="English" default>
</video>
</body>
</html>
"""


class SamplesError(StartupError):
    """The sample media could not be made."""


def captions(*, web: bool) -> str:
    """Return the sample's subtitles as WebVTT or SRT."""
    mark = "." if web else ","
    cues = [
        f"{number}\n00:00:{start:02}{mark}000 --> 00:00:{end:02}{mark}000\n{text}\n"
        for number, (start, end, text) in enumerate(_CUES, 1)
    ]
    return ("WEBVTT\n\n" if web else "") + "\n".join(cues)


async def make_samples(ffmpeg: str, directory: Path) -> Path:
    """Return the folder with the samples, making it if it is missing. Raises SamplesError."""
    final = directory / VERSION
    if await trio.to_thread.run_sync(final.is_dir):
        return final
    try:
        making = await trio.to_thread.run_sync(_begin, directory)
    except OSError as error:
        raise SamplesError(f"the sample media cannot be put into {directory}: {error}") from error
    try:
        await _encode(ffmpeg, making)
        with contextlib.suppress(OSError):
            # Another start may have been faster; its folder is just as good.
            making.rename(final)
    except OSError as error:
        raise SamplesError(f"the sample media cannot be made with {ffmpeg}: {error}") from error
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lambda: shutil.rmtree(making, ignore_errors=True))
    if not await trio.to_thread.run_sync(final.is_dir):
        raise SamplesError(f"the sample media cannot be put into {directory}")
    return final


def samples_fault(directory: Path) -> str | None:
    """Return why the samples could not be made in a directory, None if they could. Writes nothing."""
    nearest = next(each for each in (directory, *directory.parents) if os.path.lexists(each))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return None
    return f"the sample media cannot be put into {directory}: {nearest} is not a directory that can be written to"


def _begin(directory: Path) -> Path:
    """Make a working folder, and remove those of starts that were killed a while ago."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(".making-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=directory))
    (making / "sample.srt").write_text(captions(web=False), encoding="utf-8")
    (making / "sample.vtt").write_text(captions(web=True), encoding="utf-8")
    (making / "page.html").write_text(_PAGE, encoding="utf-8")
    (making / "hls").mkdir()
    return making


async def _encode(ffmpeg: str, making: Path) -> None:
    """Make the video, then cut it into pieces for HLS without encoding it again."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=10"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=10"]
    video = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "400k", "-maxrate", "500k", "-bufsize", "500k"]
    video += ["-pix_fmt", "yuv420p", "-g", "50"]
    audio = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"]
    subtitles = ["-c:s", "mov_text", "-metadata:s:s:0", "language=eng"]
    tags = ["-metadata", f"title={TITLE}", "-metadata", f"artist={ARTIST}", "-movflags", "+faststart", "-t", "10"]
    inputs = [*picture, *tone, "-i", str(making / "sample.srt"), "-map", "0:v", "-map", "1:a", "-map", "2:s"]
    await _run(ffmpeg, [*inputs, *video, *audio, *subtitles, *tags, str(making / "sample.mp4")])
    cut = ["-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod"]
    names = ["-hls_segment_filename", str(making / "hls" / "part%d.ts"), str(making / "hls" / "index.m3u8")]
    await _run(ffmpeg, ["-i", str(making / "sample.mp4"), *cut, *names])


async def _run(ffmpeg: str, arguments: list[str]) -> None:
    quiet = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-protocol_whitelist", "file,pipe,crypto,data"]
    result = await run_tool([ffmpeg, *quiet, *arguments], seconds=MAKING_SECONDS)
    if result.returncode != 0:
        why = result.stderr.decode("utf-8", "replace").strip()[-500:]
        raise SamplesError(f"the sample media cannot be made: ffmpeg ended with {result.returncode}: {why}")
