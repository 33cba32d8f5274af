"""A multipart/form-data body that is read from disk while it is sent.

Memory stays constant: pieces of 1 MiB are read in a thread (reading in the event loop would stall it for tens of
milliseconds when the disk is cold, and smaller pieces cost a third of the speed). The length is known beforehand, so
the body needs no chunked encoding and the server can refuse it by its header. See RFC 7578.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from doradura.telegram.bodies import Body, text_value
from doradura.telegram.errors import UploadFileError
from doradura.telegram.media import Upload

PIECE_BYTES = 1 << 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _FilePart:
    path: Path
    size_bytes: int


class Multipart:
    """A form with files whose sizes are known; `body()` returns a fresh body for each attempt, from the first byte."""

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, object],
        files: Mapping[str, tuple[Upload, int]],
        *,
        limiter: trio.CapacityLimiter,
    ) -> None:
        self.method = method
        self.limiter = limiter
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.parts = tuple(_lay_out(boundary, parameters, files))
        self.length = sum(part.size_bytes if isinstance(part, _FilePart) else len(part) for part in self.parts)

    def body(self) -> MultipartBody:
        """Return a body for one attempt."""
        return MultipartBody(self)


class MultipartBody(Body):
    """The body of one attempt. Raises UploadFileError out of the request if a file has changed."""

    def __init__(self, form: Multipart) -> None:
        self.content_type = form.content_type
        self.length = form.length
        self._form = form
        self._parts = iter(form.parts)
        self._file: _OpenFile | None = None

    async def __anext__(self) -> bytes:
        """Return the next piece: a bit of form, or up to 1 MiB of a file."""
        if self._file is not None:
            piece = await self._in_thread(self._file.read_piece)
            if self._file.left_bytes == 0:
                await self.aclose()
            return piece
        part = next(self._parts, None)
        if part is None:
            self.handed_over = True
            raise StopAsyncIteration
        if isinstance(part, bytes):
            return part
        self._file = await self._in_thread(lambda: _OpenFile(part))
        return await anext(self)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Run file work in a thread. When cancelled, it waits for the thread: a read takes milliseconds."""
        try:
            return await trio.to_thread.run_sync(work, limiter=self._form.limiter)
        except OSError as exc:
            raise UploadFileError(self._form.method, f"cannot read the file to send: {exc.strerror}") from exc
        except _ChangedError as exc:
            raise UploadFileError(self._form.method, "the file to send changed while it was read") from exc

    async def aclose(self) -> None:
        """Close the file that is being read, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _ChangedError(Exception):
    """The file's size differs from the announced one."""


class _OpenFile:
    """A file that is read to exactly its announced length; used by one thread at a time."""

    def __init__(self, part: _FilePart) -> None:
        self._part = part
        self.left_bytes = part.size_bytes
        # What was measured is what is opened: no link, and nothing whose opening waits for somebody.
        self._fd = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        found = os.fstat(self._fd)
        if found.st_size != part.size_bytes or not stat.S_ISREG(found.st_mode):
            self.close()
            raise _ChangedError

    def read_piece(self) -> bytes:
        """Read on. Before the last piece the size is checked again, so that a changed file is never sent whole."""
        piece = os.read(self._fd, min(PIECE_BYTES, self.left_bytes))
        self.left_bytes -= len(piece)
        if (not piece and self.left_bytes) or (
            self.left_bytes == 0 and os.fstat(self._fd).st_size != self._part.size_bytes
        ):
            raise _ChangedError
        return piece

    def close(self) -> None:
        """Close the file. A descriptor that was only read from has nothing to flush, so this does not block."""
        os.close(self._fd)


async def measure(method: str, path: Path, *, limiter: trio.CapacityLimiter) -> int:
    """Return a file's size in bytes. Raises UploadFileError if it is not a regular file; a link to one is not."""
    try:
        found = await trio.to_thread.run_sync(os.lstat, path, limiter=limiter)
    except OSError as exc:
        raise UploadFileError(method, f"cannot read the file to send: {exc.strerror}") from exc
    if not stat.S_ISREG(found.st_mode):
        raise UploadFileError(method, "cannot read the file to send: it is no regular file")
    return found.st_size


def _lay_out(
    boundary: str, parameters: Mapping[str, object], files: Mapping[str, tuple[Upload, int]]
) -> Iterator[bytes | _FilePart]:
    """Yield the form's pieces in order: bytes and files."""
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text_value(value)}\r\n'
        for name, value in parameters.items()
    )
    for name, (upload, size_bytes) in files.items():
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{_quoted(upload.filename)}"\r\n'
            f"Content-Type: {upload.mime_type}\r\n\r\n"
        )
        yield head.encode()
        if size_bytes:
            yield _FilePart(upload.path, size_bytes)
        head = "\r\n"
    yield f"{head}--{boundary}--\r\n".encode()


def _quoted(filename: str) -> str:
    """Percent-encode what would end the name or be decoded: the Bot API server decodes percent signs in it."""
    return "".join(
        f"%{ord(char):02X}" if char in '%"\\' or ord(char) < 32 or ord(char) == 127 else char for char in filename
    )
