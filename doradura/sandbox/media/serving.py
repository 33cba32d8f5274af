"""Serves the samples under /media/: as they are, padded to any size, slowly, torn, or not at all.

Owns the paths under /media/. What is longer than the sample is never written to disk: a trailing `free` box, which
every MP4 reader skips, is generated while it is sent.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import MappingProxyType

import trio

from doradura.sandbox.http.exchange import DropConnection, Headers, HttpRequest, Response, Send
from doradura.sandbox.http.served_bytes import ServedBytes, copy_file, file_content, respond

SLOW_BYTES = 2_500_000
SLOW_TURN_SECONDS = 0.1
MEBIBYTE = 1024 * 1024
ZEROS = bytes(256 * 1024)

_TYPES = MappingProxyType(
    {
        ".mp4": "video/mp4",
        ".m3u8": "application/vnd.apple.mpegurl",
        ".ts": "video/mp2t",
        ".html": "text/html; charset=utf-8",
        ".vtt": "text/vtt; charset=utf-8",
        ".srt": "application/x-subrip",
    }
)
_PLAIN = re.compile(r"sample\.(?:mp4|vtt|srt)|page\.html|hls/(?:index\.m3u8|part\d+\.ts)", re.ASCII)
_STATUS = re.compile(r"status/([2-5]\d\d)\.mp4", re.ASCII)
_POLICY: Headers = (
    (b"content-security-policy", b"default-src 'none'; media-src 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


class MediaEndpoint:
    """Answers /media/..."""

    def __init__(self, directory: Path, sizes: dict[str, int]) -> None:
        """`sizes` has the bytes of each sample by its path in the directory."""
        self._directory = directory
        self._sizes = sizes

    async def answer(self, request: HttpRequest) -> Response:
        """Answer one GET or HEAD. Raises DropConnection for a torn one."""
        if request.method not in {"GET", "HEAD"}:
            return Response.text("only GET and HEAD\n", 405)
        path = request.path.removeprefix("/media/")
        if _PLAIN.fullmatch(path) and path in self._sizes:
            kind = _TYPES[Path(path).suffix]
            return respond(request, file_content(self._directory / path, self._sizes[path], kind), _POLICY)
        made = {"big.mp4": self._big, "slow.mp4": self._slow, "torn.mp4": self._torn, "redirect": _redirect}
        if path in made:
            return made[path](request)
        if path == "forbidden.mp4":
            return Response.text("forbidden\n", 403)
        found = _STATUS.fullmatch(path)
        return _status(request, int(found.group(1))) if found else Response.text("not found\n", 404)

    def _padded(self, size: int) -> ServedBytes:
        """Return the sample followed by a `free` box, `size` bytes in all."""
        sample, path = self._sizes["sample.mp4"], self._directory / "sample.mp4"
        box = size - sample
        # A box of 4 GiB and more has its size after its name.
        header = (
            box.to_bytes(4, "big") + b"free"
            if box < 1 << 32
            else (1).to_bytes(4, "big") + b"free" + box.to_bytes(8, "big")
        )

        async def copy(start: int, end: int, send: Send) -> None:
            if start < sample:
                await copy_file(path, start, min(end, sample), send)
            at = max(start, sample)
            if at < min(end, sample + len(header)):
                await send(header[at - sample : end - sample])
                at = sample + len(header)
            while at < end:
                piece = min(len(ZEROS), end - at)
                await send(ZEROS[:piece])
                at += piece

        return ServedBytes(size, "video/mp4", copy)

    def _big(self, request: HttpRequest) -> Response:
        megabytes = _number(request, "mb", 100)
        size = int(megabytes) * MEBIBYTE
        if not 1 <= megabytes <= 100_000 or size < self._sizes["sample.mp4"] + 16:
            return Response.text("mb is a whole number of MiB, from 1\n", 400)
        return respond(request, self._padded(size))

    def _slow(self, request: HttpRequest) -> Response:
        rate = _number(request, "kbps", 500) * 1000 / 8
        if not 0 < rate < math.inf:
            return Response.text("kbps is a number of kilobit per second above 0\n", 400)
        whole = self._padded(SLOW_BYTES)

        async def copy(start: int, end: int, send: Send) -> None:
            begun, at = trio.current_time(), start
            while at < end:
                turn = min(end, at + max(1, int(rate * SLOW_TURN_SECONDS)))
                await trio.sleep_until(begun + (turn - start) / rate)
                await whole.copy(at, turn, send)
                at = turn

        return respond(request, ServedBytes(SLOW_BYTES, "video/mp4", copy))

    def _torn(self, _request: HttpRequest) -> Response:
        """Announce the whole sample, and close after half of it; a retry with Range fares no better."""
        size, path = self._sizes["sample.mp4"], self._directory / "sample.mp4"

        async def stream(send: Send) -> None:
            await copy_file(path, 0, size // 2, send)
            raise DropConnection

        headers = [(b"content-type", b"video/mp4"), (b"content-length", b"%d" % size)]
        return Response(200, headers=headers, stream=stream)


def _redirect(request: HttpRequest) -> Response:
    to = request.argument("to") or ""
    if not re.fullmatch(r"[\x21-\x7e]+", to):
        return Response.text("to is the address to go to\n", 400)
    return Response(302, b"", [(b"location", to.encode())])


def _status(request: HttpRequest, code: int) -> Response:
    bodiless = request.method == "HEAD" or code in {204, 304}
    return Response(code, b"" if bodiless else b"as asked: %d\n" % code, [(b"content-type", b"text/plain")])


def _number(request: HttpRequest, name: str, default: float) -> float:
    """Return a number from the query; anything else is 0."""
    try:
        return float(request.argument(name) or default)
    except ValueError:
        return 0
