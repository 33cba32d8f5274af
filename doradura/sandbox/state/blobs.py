"""The bytes of uploaded files: each a file on disk, with a random name, written and read in threads.

Owns its directory. A blob exists from `BlobWriter.finish` on, never in part. It knows nothing of messages; it is told
once, at the start, which blobs are still in use.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import trio

WRITE_PIECE_BYTES = 512 * 1024
"""Collected before a thread writes it: handing it to a thread costs as much as copying some hundred kilobytes."""

FILE_LIMIT_BYTES = 50 * 1024 * 1024
"""The largest file that a bot or a person may send."""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A sent file, complete and on disk."""

    filename: str
    content_type: str
    blob: str
    size: int


class Blobs:
    """A directory of uploaded files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def open(self, known: Collection[str]) -> None:
        """Make the directory, and remove what a killed process left half-written or unused."""

        def sweep() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            for path in self._directory.iterdir():
                if path.name not in known:
                    path.unlink()

        await trio.to_thread.run_sync(sweep)

    def path(self, blob: str) -> Path:
        """Return the file that holds a blob."""
        return self._directory / blob

    def writer(self) -> BlobWriter:
        """Begin a new blob."""
        return BlobWriter(self._directory)

    async def store(self, data: bytes) -> str:
        """Store bytes that are in memory, and return the blob's name."""
        writer = self.writer()
        await writer.write(data)
        return await writer.finish()

    async def remove(self, blobs: Collection[str]) -> None:
        """Delete blobs that are not in use."""

        def remove() -> None:
            for blob in blobs:
                self.path(blob).unlink(missing_ok=True)

        if blobs:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(remove)

    async def head(self, blob: str, size: int) -> bytes:
        """Return a blob's first bytes."""

        def read() -> bytes:
            with self.path(blob).open("rb") as file:
                return file.read(size)

        return await trio.to_thread.run_sync(read)


class BlobWriter:
    """A blob being written."""

    def __init__(self, directory: Path) -> None:
        self._name = secrets.token_hex(16)
        self._part = directory / f"{self._name}.part"
        self._final = directory / self._name
        self._pending = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add bytes; now and then this waits for a thread to write them."""
        self._pending += data
        self.size += len(data)
        if len(self._pending) >= WRITE_PIECE_BYTES:
            pending, self._pending = self._pending, bytearray()
            await trio.to_thread.run_sync(self._flush, pending)

    async def finish(self) -> str:
        """Write the rest, name the file, and return the blob."""

        def finish(pending: bytearray) -> None:
            self._flush(pending)
            assert self._file is not None
            self._file.close()
            self._part.rename(self._final)

        await trio.to_thread.run_sync(finish, self._pending)
        return self._name

    async def discard(self) -> None:
        """Remove what was written, even when cancelled."""
        if self._file is not None:
            self._file.close()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lambda: self._part.unlink(missing_ok=True))

    def _flush(self, pending: bytearray) -> None:
        if self._file is None:
            self._file = self._part.open("wb", buffering=0)
        view = memoryview(pending)
        while view:
            view = view[self._file.write(view) :]
