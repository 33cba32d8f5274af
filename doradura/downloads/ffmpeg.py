"""The one way this program runs ffmpeg, and what it reads out of a file with it.

Owns the command line. A fetched file is hostile: one that is a playlist or a concat script would make ffmpeg open
other files or addresses. So every input is preceded by a list of protocols that reach nothing but the file itself,
and a list of containers that cannot refer to others. Nothing else in the package starts ffmpeg; a test looks at every
command line.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from doradura.downloads.egress import ProgramRefusedError

_PROTOCOLS = "file,pipe,crypto,data"
_CONTAINERS = (
    "mov,matroska,webm,mpegts,mpeg,mpegvideo,flv,live_flv,avi,asf,ogg,mp3,aac,ac3,eac3,flac,wav,w64,aiff,au,amr,caf,"
    "dts,tta,wv,ape,mpc,mpc8,rm,h264,hevc,m4v,gif,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,gif_pipe"
)
"""Containers that hold media and nothing else. hls, dash, concat, image2, sdp, lavfi and imf name other files.
A still must be given under a name without an ending, else ffmpeg takes it for an image2 pattern and refuses it."""

_MAX_PIXELS = 40_000_000
"""Of one frame; a film of 8K has 35 million. A picture of some kilobytes can claim 268 million: a gigabyte."""

_ANSWER_SECONDS = 10.0
"""For `-version`, which takes a tenth of a second."""
_LOOK_SECONDS = 60.0
"""For a look at a file, which takes less than a second; a busy machine and a slow disk make more of it."""
_REFUSAL = "Error opening input"
"""What ffmpeg says of every file that it finds no media in."""

_STDERR_BYTES = 256 * 1024


class FfmpegError(Exception):
    """ffmpeg ended with another code than 0; negative is the signal that ended it."""

    def __init__(self, returncode: int, said: str) -> None:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        super().__init__(f"ffmpeg ended with {returncode}: {' | '.join(lines[-3:])[-400:]}")
        self.returncode = returncode
        self.said = said


class ToolError(RuntimeError):
    """ffmpeg cannot be used as it is installed: it does not start, does not answer, or is something else.

    The message is a sentence's end: "ffmpeg (/usr/bin/ffmpeg) is not there".
    """

    def __init__(self, program: str, what: str) -> None:
        super().__init__(f"ffmpeg ({program}) {what}")

    @classmethod
    def of(cls, program: str, error: OSError) -> ToolError:
        """Say why a program did not start."""
        return cls(program, _NO_START.get(error.errno or 0) or f"does not start: {error.strerror or error}")


_NO_START = {
    errno.ENOENT: "is not there, or the loader it asks for is not",
    errno.EACCES: "may not be executed by this user",
    errno.ENOEXEC: "is no program for this machine's processor",
    errno.ENOTDIR: "is not there",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a file, as ffmpeg describes it."""

    kind: str
    codec: str
    pixels: str | None = None
    width: int | None = None
    height: int | None = None
    picture: bool = False
    """A still cover, not a film."""
    sample_rate: int | None = None
    bits_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is. Absent values are None."""

    container: str
    duration_seconds: float | None
    bits_per_second: int | None
    streams: tuple[Stream, ...]
    title: str | None
    artist: str | None

    @property
    def pictures(self) -> tuple[Stream, ...]:
        """What ffmpeg counts as 0:v:0, 0:v:1 and so on, covers included."""
        return tuple(s for s in self.streams if s.kind == "video")

    @property
    def video(self) -> Stream | None:
        """The first moving picture."""
        return next((s for s in self.pictures if not s.picture), None)

    @property
    def audio(self) -> Stream | None:
        """The first sound."""
        return next((s for s in self.streams if s.kind == "audio"), None)

    @property
    def is_still(self) -> bool:
        """Whether the whole file is one picture. ffmpeg takes that for a film of one frame."""
        return self.container.endswith("_pipe") or self.container == "image2"

    @property
    def cover(self) -> Stream | None:
        """The first embedded still."""
        return next((s for s in self.pictures if s.picture), None)


def command(
    program: str, inputs: Sequence[Path], output: Sequence[str], *, seek_seconds: float | None = None
) -> list[str]:
    """The whole command line: the guarded inputs, then `output` as it stands."""
    line = [program, "-nostdin", "-hide_banner", "-y"]
    for path in inputs:
        line += ["-protocol_whitelist", _PROTOCOLS, "-format_whitelist", _CONTAINERS, "-max_pixels", str(_MAX_PIXELS)]
        if seek_seconds is not None:
            line += ["-ss", f"{seek_seconds:.3f}"]
        line += ["-i", f"file:{path}"]
    return [*line, *output]


def run(program: str, inputs: Sequence[Path], output: Sequence[str], *, seek_seconds: float | None = None) -> None:
    """Run one conversion to its end. Raises FfmpegError, ToolError."""
    options = ["-nostats", "-loglevel", "error", *output]
    returncode, said = _call(command(program, inputs, options, seek_seconds=seek_seconds))
    if returncode != 0:
        raise FfmpegError(returncode, said)


def version(program: str) -> str:
    """The version ffmpeg tells of itself. Raises ToolError, within ten seconds."""
    try:
        answer = subprocess.run(  # noqa: S603 -- the program is ours
            [program, "-version"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_ANSWER_SECONDS
        )
    except OSError as error:
        raise ToolError.of(program, error) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(program, f"does not answer within {_ANSWER_SECONDS:g} s") from error
    if answer.returncode < 0:
        raise ToolError(program, f"is ended by signal {-answer.returncode} as soon as it starts")
    found = re.match(r"ffmpeg version (\S+)", answer.stdout.decode(errors="replace"))
    if answer.returncode != 0 or found is None:
        said = (answer.stderr or answer.stdout).decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise ToolError(program, f"does not say that it is ffmpeg, but {said!r} (exit status {answer.returncode})")
    return found[1]


def inspect(program: str, path: Path) -> Facts | None:
    """What the file is, or None when ffmpeg sees no media in it (or a container that is not on the list).

    Raises FfmpegError when a signal ended it, ToolError when what ran is no ffmpeg: that says nothing of the file.
    """
    returncode, said = _call(command(program, [path], []), seconds=_LOOK_SECONDS)
    if returncode < 0:
        raise FfmpegError(returncode, said)
    facts = parse_facts(said)
    if facts is None:
        version(program)
        if _REFUSAL not in said:
            raise ToolError(program, f"says neither what a file is nor why it cannot be read (status {returncode})")
    return facts if facts is not None and facts.streams else None


def _call(line: Sequence[str], *, seconds: float | None = None) -> tuple[int, str]:
    """Run, and keep the first part of what it says: a broken file can make it say megabytes. Raises ToolError.

    With `seconds` it is killed after that time, which is an error of the tool.
    """
    try:
        started = subprocess.Popen(  # noqa: S603 -- a list, no shell, the program is ours
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=None if seconds is None else 0,  # to be killed with all it started
        )
    except ProgramRefusedError:
        raise
    except OSError as error:
        raise ToolError.of(line[0], error) from error
    with started as process, _killed_after(process, seconds) as late:
        kept = bytearray()
        assert process.stderr is not None
        while piece := process.stderr.read1(65536):  # type: ignore[attr-defined]  # a BufferedReader, typed as IO
            kept += piece
            if len(kept) > 2 * _STDERR_BYTES:
                del kept[_STDERR_BYTES:-_STDERR_BYTES]
    if late.is_set():
        raise ToolError(line[0], f"does not say within {seconds:g} s what a file is")
    return process.returncode, kept.decode(errors="replace")


@contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float | None) -> Iterator[threading.Event]:
    """Kill a process that runs longer; the event tells that it was. Waits for its end."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds or 0.0, kill)
    if seconds is not None:
        timer.start()
    try:
        yield late
        process.wait()
    finally:
        timer.cancel()


_INPUT = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_BIT_RATE = re.compile(r"^  Duration: .*bitrate: (\d+) kb/s", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:\d+\S*: (Video|Audio): (\w+)(.*)$")
_SIZE = re.compile(r"[ ,](\d{1,5})x(\d{1,5})(?=[ ,]|$)")
_PIXELS = re.compile(r", ((?:yuv|rgb|bgr|gbr|gray|nv|p0|pal|ya)\w*)")
_STREAM_RATE = re.compile(r", (\d+) kb/s")
_SAMPLE_RATE = re.compile(r", (\d+) Hz")
_ROTATION = re.compile(r"^ +displaymatrix: rotation of (-?\d+)")
_TAG = re.compile(r"^(    |      )(title|artist) *: (.*)$", re.IGNORECASE)


def parse_facts(said: str) -> Facts | None:
    """Read ffmpeg's description of its first input; None where it describes none.

    The lines are told apart by their exact indentation, because a tag's text is the file's and could hold anything:
    ffmpeg writes the further lines of a tag with a colon in front.
    """
    start = _INPUT.search(said)
    if start is None:
        return None
    length = _DURATION.search(said)
    duration = None
    if length is not None:
        duration = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3])
    rate = _BIT_RATE.search(said)
    tags: dict[str, str] = {}
    streams: list[Stream] = []
    for line in said[start.end() :].splitlines():
        if (tag := _TAG.match(line)) is not None:
            # Ogg keeps the file's tags with its stream; elsewhere a stream's tags are not the file's.
            if (len(tag[1]) == 4 and not streams) or (len(tag[1]) == 6 and start[1] == "ogg"):
                tags.setdefault(tag[2].lower(), tag[3].strip())
        elif (stream := _STREAM.match(line)) is not None:
            streams.append(_stream(stream[1].lower(), stream[2], stream[3]))
        elif (turn := _ROTATION.match(line)) is not None and streams and int(turn[1]) % 180 != 0:
            streams[-1] = replace(streams[-1], width=streams[-1].height, height=streams[-1].width)
    return Facts(
        container=start[1],
        duration_seconds=duration or None,
        bits_per_second=int(rate[1]) * 1000 if rate is not None else None,
        streams=tuple(streams),
        title=tags.get("title") or None,
        artist=tags.get("artist") or None,
    )


def _stream(kind: str, codec: str, rest: str) -> Stream:
    bits = _STREAM_RATE.search(rest)
    bits_per_second = int(bits[1]) * 1000 if bits is not None else None
    if kind == "audio":
        rate = _SAMPLE_RATE.search(rest)
        sample_rate = int(rate[1]) if rate is not None else None
        return Stream(kind, codec, sample_rate=sample_rate, bits_per_second=bits_per_second)
    size = _SIZE.search(rest)
    pixels = _PIXELS.search(rest)
    return Stream(
        kind,
        codec,
        pixels[1] if pixels is not None else None,
        int(size[1]) if size is not None else None,
        int(size[2]) if size is not None else None,
        "(attached pic)" in rest,
        bits_per_second=bits_per_second,
    )
