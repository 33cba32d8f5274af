"""The one way in which this program runs ffmpeg.

Owns the command line. A fetched file is hostile: if it is a playlist or a concat script, ffmpeg would open other files
or addresses. So every input is preceded by a list of protocols that reach nothing but the file itself, and a list of
containers that cannot refer to others. Nothing else in the package starts ffmpeg; a test checks every command line.
"""

from __future__ import annotations

import errno
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from doradura.child.guard import ProgramRefusedError

PROTOCOLS = "file,pipe,crypto,data"
CONTAINERS = (
    "mov,matroska,webm,mpegts,mpeg,mpegvideo,flv,live_flv,avi,asf,ogg,mp3,aac,ac3,eac3,flac,wav,w64,aiff,au,amr,caf,"
    "dts,tta,wv,ape,mpc,mpc8,rm,h264,hevc,m4v,gif,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,gif_pipe"
)
"""Containers that hold media and nothing else; hls, dash, concat, image2, sdp, lavfi and imf refer to other files. A
still must be given under a name without an ending: ffmpeg would take it for an image2 pattern and refuse it."""

MAX_PIXELS = 40_000_000
"""The most pixels of one frame; a film of 8K has 35 million. A picture of some kilobytes can claim 268 million: a
gigabyte."""

_ANSWER_SECONDS = 10.0
"""The time limit of `-version`, which takes a tenth of a second."""

_STDERR_BYTES = 256 * 1024
THREADS = 2
"""Threads for each decoder, filter and encoder. Each thread costs memory (a 4K film: 1.1 GB with 2, 1.9 GB with 8), and
memory has a fixed limit while machines have any number of cores; further cores serve other downloads."""


class FfmpegError(Exception):
    """ffmpeg exited with a code other than 0; a negative one is the signal that ended it."""

    def __init__(self, returncode: int, said: str) -> None:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        super().__init__(f"ffmpeg ended with {returncode}: {' | '.join(lines[-3:])[-400:]}")
        self.returncode = returncode
        self.said = said


class ToolError(RuntimeError):
    """ffmpeg cannot be used as it is installed: it does not start, does not answer, or is another program.

    The message completes a sentence: "ffmpeg (/usr/bin/ffmpeg) is not there".
    """

    def __init__(self, program: str, what: str) -> None:
        super().__init__(f"ffmpeg ({program}) {what}")

    @classmethod
    def of(cls, program: str, error: OSError) -> ToolError:
        """Return the error that says why a program did not start."""
        return cls(program, _NO_START.get(error.errno or 0) or f"does not start: {error.strerror or error}")


_NO_START = {
    errno.ENOENT: "is not there, or the loader it asks for is not",
    errno.EACCES: "may not be executed by this user",
    errno.ENOEXEC: "is no program for this machine's processor",
    errno.ENOTDIR: "is not there",
}


def command(
    program: str,
    inputs: Sequence[Path],
    output: Sequence[str],
    *,
    seek_seconds: float | None = None,
    unbroken: bool = False,
) -> list[str]:
    """Return the whole command line: the guarded inputs, then `output` unchanged."""
    line = [program, "-nostdin", "-hide_banner", "-y", "-filter_threads", str(THREADS)]
    for path in inputs:
        line += ["-threads", str(THREADS), "-max_pixels", str(MAX_PIXELS)]
        line += ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", CONTAINERS]
        if unbroken:
            line += ["-err_detect", "explode"]
        if seek_seconds is not None:
            line += ["-ss", f"{seek_seconds:.3f}"]
        line += ["-i", f"file:{path}"]
    return [*line, *output]


def run(
    program: str,
    inputs: Sequence[Path],
    output: Sequence[str],
    *,
    seek_seconds: float | None = None,
    unbroken: bool = False,
    told: Callable[[float], None] | None = None,
) -> None:
    """Run one conversion to its end; `output` ends with the file to write. Raises FfmpegError and ToolError.

    `unbroken`: damage within the input is an error; otherwise FFmpeg shows as much of it as there is, and the rest in
    green. `told` is called about twice a second with how many seconds of the product exist.
    """
    progress = [] if told is None else ["-progress", "pipe:2"]
    options = ["-nostats", "-loglevel", "error", *progress, *output]
    lines = None if told is None else ProgressLines(told)
    returncode, said = _call(command(program, inputs, options, seek_seconds=seek_seconds, unbroken=unbroken), lines)
    if returncode != 0:
        raise FfmpegError(returncode, said)
    if not Path(output[-1].removeprefix("file:")).is_file():
        version(program)
        raise ToolError(program, "says that it wrote a file, and there is none")


class ProgressLines:
    """Takes the lines of `-progress` out of what ffmpeg writes: one pipe needs one reader."""

    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told
        self._unfinished = b""

    def take(self, piece: bytes) -> bytes:
        """Return the part of a piece that is not progress; a line is kept back until it is complete."""
        *whole, self._unfinished = (self._unfinished + piece).split(b"\n")
        kept = b"".join(line + b"\n" for line in whole if not self._is_progress(line))
        if len(self._unfinished) > _LINE_BYTES:
            kept += self.rest()
        return kept

    def rest(self) -> bytes:
        """Return what was kept back."""
        rest, self._unfinished = self._unfinished, b""
        return rest

    def _is_progress(self, line: bytes) -> bool:
        found = _PROGRESS.fullmatch(line.strip())
        if found is not None and found[1] == b"out_time_us" and found[2].isdigit():
            self._told(int(found[2]) / 1_000_000)
        return found is not None


_PROGRESS = re.compile(
    rb"(frame|fps|stream_\w+|bitrate|total_size|out_time(?:_us|_ms)?|dup_frames|drop_frames|speed|progress)=\s*(.*)"
)
_LINE_BYTES = 4096


def version(program: str) -> str:
    """Return the version that ffmpeg reports, within ten seconds. Raises ToolError."""
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


def _call(line: Sequence[str], lines: ProgressLines | None = None) -> tuple[int, str]:
    """Run the program to its end, and return its exit status and output.

    A broken file can make it write megabytes, of which the beginning and the end are kept. Whatever interrupts the
    reading (a time limit, an error of `lines`) kills the program and is raised. Raises ToolError, and
    ProgramRefusedError if the egress guard forbids the program.
    """
    try:
        started = subprocess.Popen(  # noqa: S603 -- a list, no shell, the program is ours
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except ProgramRefusedError:
        raise
    except OSError as error:
        raise ToolError.of(line[0], error) from error
    kept = bytearray()
    with started as process:
        assert process.stderr is not None
        try:
            while piece := process.stderr.read1(65536):  # type: ignore[attr-defined]  # a BufferedReader, typed as IO
                kept += piece if lines is None else lines.take(piece)
                if len(kept) > 2 * _STDERR_BYTES:
                    del kept[_STDERR_BYTES:-_STDERR_BYTES]
        except BaseException:  # nobody waits for its end any more
            process.kill()
            raise
    kept += b"" if lines is None else lines.rest()
    return process.returncode, kept.decode(errors="replace")
