"""Answers with bytes of known length: all, a range of them, or (HEAD) only the headers. RFC 9110, section 14."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from doradura.sandbox.http.exchange import Headers, HttpRequest, Response, Send

Copy = Callable[[int, int, Send], Awaitable[None]]
"""Sends the bytes from a position up to, not including, another."""

READ_PIECE_BYTES = 256 * 1024

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServedBytes:
    """Bytes that can be read from any position."""

    size: int
    content_type: str
    copy: Copy


def file_content(path: Path, size: int, content_type: str) -> ServedBytes:
    """Return the bytes of a file whose size is known."""
    return ServedBytes(size, content_type, partial(copy_file, path))


def respond(request: HttpRequest, content: ServedBytes, headers: Headers | None = None) -> Response:
    """Answer a GET or HEAD with the requested range. A request for several ranges gets everything."""
    headers = [
        (b"content-type", content.content_type.encode()),
        (b"accept-ranges", b"bytes"),
        *(headers or []),
    ]
    start, end, status = 0, content.size, 200
    wanted = parse_range(request.headers.get(b"range", b"").decode("latin-1"), content.size)
    if wanted is not None:
        start, end = wanted
        if start >= end:
            return Response(416, b"", [(b"content-range", b"bytes */%d" % content.size)])
        status = 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, content.size)))
    headers.append((b"content-length", b"%d" % (end - start)))

    async def stream(send: Send) -> None:
        await content.copy(start, end, send)

    return Response(status, headers=headers, stream=stream)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a Range header: start and end (exclusive), equal if none of it exists; None if it is to be ignored."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    start, end = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, end) if start < size else (size, size)


async def copy_file(path: Path, start: int, end: int, send: Send) -> None:
    """Send the bytes of a file from `start` up to, not including, `end`; each read happens in a thread."""
    file = await trio.to_thread.run_sync(path.open, "rb")

    def read(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    try:
        at = start
        while at < end:
            piece = await trio.to_thread.run_sync(read, at, min(READ_PIECE_BYTES, end - at))
            if not piece:
                return
            at += len(piece)
            await send(piece)
    finally:
        file.close()
