"""Findings: what probes found, each in a file beside the jobs' directories, for the jobs that its card starts.

Owns DATA_DIR/jobs/ID.found, mode 0600. A worker can't reach one: its probe wrote it into its own directory, from where
it is moved here, and a job gets a copy in its own directory. Nothing here reads what is in it, and a finding that can't
be kept or handed over is no failure: the job then looks at its link itself. A start removes what an earlier process
left, since its way out, its cookies and its yt-dlp may be others.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from doradura.downloads.products import ForeignFileError, open_directory
from doradura.downloads.workspace import SPACE_BYTES, Workspace, remove_entry
from doradura.media.protocol import FINDING_BYTES, FINDING_FILE

KEPT_SECONDS: Final = 900.0
"""How long addresses of most sites live. Some say when they expire, which the child reads."""
TOTAL_BYTES: Final = 128 * 1024 * 1024
"""All findings together; the oldest are removed first."""
MOST: Final = 1000
"""How many findings there are at most, as queries name each of their offers."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    since: float
    """In Trio's time."""
    size_bytes: int


class Findings:
    """Keeps findings by the ids of their offers."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        total_bytes: int = TOTAL_BYTES,
        most: int = MOST,
    ) -> None:
        self._workspace = workspace
        self._total_bytes = total_bytes
        self._most = most
        self._kept: dict[int, _Kept] = {}
        """Offer id -> its finding, the oldest first."""

    def present(self) -> Collection[int]:
        """Return the ids of the offers that have a finding now."""
        now = trio.current_time()
        return [offer_id for offer_id, kept in self._kept.items() if now - kept.since < KEPT_SECONDS]

    async def keep(self, offer_id: int, directory: Path) -> None:
        """Move a finding out of the directory of a probe that has ended. An older one of the offer is replaced."""
        self._kept.pop(offer_id, None)
        size_bytes = None
        try:
            if await self._workspace.free_bytes() >= SPACE_BYTES:
                size_bytes = await trio.to_thread.run_sync(_take, directory, self._path(offer_id))
        except (ForeignFileError, OSError) as error:
            log.warning("a finding is not kept", extra={"offer": offer_id, "error": str(error)})
        if size_bytes is not None:
            self._kept[offer_id] = _Kept(trio.current_time(), size_bytes)
        await self.tidy()

    async def hand_over(self, offer_id: int, directory: Path) -> bool:
        """Copy an offer's finding into the empty directory of its job. Return False if there is none that serves."""
        if offer_id not in self.present():
            return False
        try:
            await trio.to_thread.run_sync(_copy, self._path(offer_id), directory / FINDING_FILE)
        except OSError as error:
            log.warning("a finding is not handed over", extra={"offer": offer_id, "error": str(error)})
            return False
        return True

    async def tidy(self) -> None:
        """Remove what is too old, and the oldest while all together are too large or too many."""
        present, total_bytes = set(self.present()), sum(kept.size_bytes for kept in self._kept.values())
        for offer_id, kept in tuple(self._kept.items()):
            if offer_id in present and total_bytes <= self._total_bytes and len(self._kept) <= self._most:
                break
            total_bytes -= kept.size_bytes
            del self._kept[offer_id]
            await trio.to_thread.run_sync(remove_entry, self._path(offer_id))

    def _path(self, offer_id: int) -> Path:
        return self._workspace.root / f"{offer_id}.found"


def _take(directory: Path, path: Path) -> int | None:
    """Move a probe's finding to its place. Return its size in bytes; None if the probe left none.

    Raises ForeignFileError for anything but a regular file with one name and of a size that is kept, and OSError.
    """
    remove_entry(path)
    try:
        with open_directory(directory) as source:
            os.rename(FINDING_FILE, path, src_dir_fd=source)  # which follows no link
    except FileNotFoundError:
        return None
    try:
        size_bytes = _checked(path)
    except (ForeignFileError, OSError):
        remove_entry(path)
        raise
    return size_bytes


def _checked(path: Path) -> int:
    """Return a moved file's size, after only its owner may read it. Raises ForeignFileError and OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ForeignFileError(f"{path.name} is {stat.filemode(found.st_mode)} with {found.st_nlink} names")
        if found.st_size > FINDING_BYTES:
            raise ForeignFileError(f"{path.name} has {found.st_size} bytes")
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return found.st_size


def _copy(path: Path, target: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(FINDING_BYTES)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError:
        remove_entry(target)
        raise
