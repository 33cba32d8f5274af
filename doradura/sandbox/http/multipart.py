"""Reads a multipart/form-data body piece by piece, without ever holding a file in memory.

Pure: bytes in, events out, no I/O. The rules are those of the Bot API server (tdlib/telegram-bot-api, HttpReader): a
part with a filename is a file, even if the name is empty; names are quoted with backslash escapes, or bare up to the
next `;`; both are percent-decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

PART_HEADER_LIMIT_BYTES = 16 * 1024

_PARAMETER = re.compile(r';\s*([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)


class MultipartError(ValueError):
    """The body is not multipart/form-data."""


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins. `filename` is None for a text."""

    name: str
    filename: str | None
    content_type: str


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part last begun."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The last begun part is complete."""


MultipartEvent = PartStart | PartData | PartEnd


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names. Raises MultipartError if it names none."""
    for key, quoted, bare in _PARAMETER.findall(content_type):
        if key.lower() == "boundary" and (quoted or bare.strip()):
            boundary: str = quoted or bare.strip()
            return boundary.encode("latin-1", "replace")
    raise MultipartError("boundary not found")


class MultipartParser:
    """Takes the body's bytes and returns events as soon as they are certain; it keeps no more than one boundary."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")
        """Starts with a line break, so that the first boundary looks like every other."""
        self._state = "preamble"
        self._skip = 0
        """Bytes at the buffer's start that end the headers and are not content."""

    @property
    def finished(self) -> bool:
        """Whether the closing boundary has been seen."""
        return self._state == "end"

    def feed(self, data: bytes) -> Iterator[MultipartEvent]:
        """Take bytes and yield the events that they complete. Raises MultipartError."""
        self._buffer += data
        before = None
        # Each step either moves on to another state or needs more bytes.
        while self._state != before:
            before = self._state
            if before in {"preamble", "data"}:
                yield from self._content()
            elif before == "boundary":
                self._after_boundary()
            elif before == "headers":
                yield from self._headers()
            else:
                self._buffer.clear()

    def _after_boundary(self) -> None:
        if len(self._buffer) < 2:
            return
        if self._buffer.startswith(b"--"):
            self._state = "end"
        elif self._buffer.startswith(b"\r\n"):
            self._state = "headers"
        else:
            raise MultipartError("no line break after the boundary")

    def _headers(self) -> Iterator[MultipartEvent]:
        end = self._buffer.find(b"\r\n\r\n")
        if end >= 0:
            start = _part_start(bytes(self._buffer[2:end]))
            # If the part is empty, the line break that ends the headers may be the one before the next boundary.
            del self._buffer[: end + 2]
            self._skip = 2
            self._state = "data"
            yield start
        elif len(self._buffer) > PART_HEADER_LIMIT_BYTES:
            raise MultipartError("a part's headers are too long")

    def _content(self) -> Iterator[MultipartEvent]:
        """Yield what certainly belongs to the part: everything up to the delimiter, or up to what may begin one."""
        at = self._buffer.find(self._delimiter)
        found, in_part = at >= 0, self._state == "data"
        certain = at if found else max(0, len(self._buffer) - len(self._delimiter) + 1)
        skipped = min(self._skip, certain)
        data = bytes(memoryview(self._buffer)[skipped:certain]) if in_part else b""
        self._skip -= skipped
        del self._buffer[: certain + (len(self._delimiter) if found else 0)]
        if found:
            self._skip = 0
            self._state = "boundary"
        if data:
            yield PartData(data)
        if found and in_part:
            yield PartEnd()


def _part_start(block: bytes) -> PartStart:
    """Read a part's headers; only two of them matter."""
    disposition, content_type = "", ""
    for line in block.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            disposition = value
        elif key.strip().lower() == "content-type":
            content_type = value.strip()
    parameters: dict[str, str] = {}
    for key, quoted, bare in _PARAMETER.findall(disposition):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip()
        parameters.setdefault(key.lower(), unquote(value))
    if "name" not in parameters:
        raise MultipartError("a part has no name")
    return PartStart(parameters["name"], parameters.get("filename"), content_type)
