"""Reads a media file's own data: a picture's size, a recording's length and tags.

Pictures are read here, from their first bytes; everything else by `ffmpeg -i` in a child process with a session of its
own, which is ended if the caller is cancelled or the file takes too long.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trio

PROBE_SECONDS = 10.0
PROBE_LIMIT_BYTES = 10 * 1000 * 1000
"""Telegram does not examine larger files: without given values they show as 320x320, 0:00."""

_DURATION = re.compile(rb"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")
_PICTURE = re.compile(rb"Video: [^\n]*?, (\d{2,5})x(\d{2,5})")
_TAG = re.compile(rb"^    (title|artist)\s*: (.*)$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file says about itself; 0 and empty if it says nothing."""

    duration: int = 0
    width: int = 0
    height: int = 0
    title: str = ""
    performer: str = ""


async def run_tool(arguments: list[str | Path], *, seconds: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, for a bounded time, and return what it wrote to stderr.

    Its whole session is killed when nobody waits for it any more. Raises OSError if it cannot be started.
    """

    async def kill(process: trio.Process) -> None:
        # The child leads a session, so that its group's number is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    with trio.move_on_after(seconds):
        return await trio.run_process(
            arguments,
            capture_stderr=True,
            check=False,
            start_new_session=True,
            deliver_cancel=kill,
            stdin=b"",
        )
    return subprocess.CompletedProcess(arguments, -signal.SIGKILL, b"", b"took too long")


async def probe(ffmpeg: str, path: Path) -> Probed:
    """Return a recording's data; zeros for anything else."""
    arguments: list[str | Path] = [
        ffmpeg,
        "-hide_banner",
        "-nostdin",
        "-protocol_whitelist",
        "file,pipe,crypto,data",
        "-i",
    ]
    result = await run_tool([*arguments, path], seconds=PROBE_SECONDS)
    return parse_report(result.stderr)


def parse_report(report: bytes) -> Probed:
    """Parse ffmpeg's description of its input."""
    duration = _DURATION.search(report)
    seconds = 0.0
    if duration:
        hours, minutes, rest = duration.groups()
        seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
    picture = _PICTURE.search(report)
    tags = {key.lower(): value.decode("utf-8", "replace").strip() for key, value in reversed(_TAG.findall(report))}
    return Probed(
        duration=round(seconds),
        width=int(picture.group(1)) if picture else 0,
        height=int(picture.group(2)) if picture else 0,
        title=tags.get(b"title", ""),
        performer=tags.get(b"artist", ""),
    )


def picture_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG, PNG, GIF or WebP from its beginning, or None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head[:6] in {b"GIF87a", b"GIF89a"} and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_size(head)
    return _jpeg_size(head) if head.startswith(b"\xff\xd8") else None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
