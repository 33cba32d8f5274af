"""The jobs' directories, and the limits of each job.

Owns DATA_DIR/jobs. Each job or probe has one directory there, named by its id, mode 0700, which is removed when the job
ends. The files that a worker made are moved into a second directory (`ID.ready`) that no worker is given, and are
sent from there. A directory is kept over a restart only for a file that was being sent. What a probe found lies there
too, see `findings`.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from doradura.downloads.products import take_product, taken_product
from doradura.media.protocol import Limits, Order, Result, Task
from doradura.media.variant import Variant
from doradura.settings import Settings

SOURCE_BYTES = 2 * 1024**3
"""The largest file a worker may write: the source of an MP3 may be a video far larger than Telegram accepts."""
RESERVE_BYTES = 100 * 1024**2
LEAST_BYTES = 16 * 1024**2
MEMORY_BYTES = 1536 * 1024**2
PROCESSES = 16
SELF_TEST_SECONDS = 60
PROBE_SECONDS = 10.0
"""The longest time of a probe. What is not known by then is not shown."""
GUESS_SECONDS = 3.0
"""How long an https server may be silent if the link came without a scheme, so that there is time left to try http."""
SPACE_BYTES = 300 * 1024**2
"""With less free space than this no new job is accepted. It is a few times the largest file that Telegram accepts."""


class Workspace:
    """Makes the jobs' directories and the orders for workers."""

    def __init__(self, settings: Settings, ffmpeg: str, allowed_private: Callable[[], tuple[str, ...]]) -> None:
        self._settings = settings
        self._ffmpeg = ffmpeg
        self._allowed_private = allowed_private
        self.root = root_in(settings.data_dir)

    async def open(self) -> None:
        """Make the root directory and check that it is writable. Raises OSError."""
        await trio.to_thread.run_sync(self._open)

    def _open(self) -> None:
        self._make_root()
        try_root(self.root)

    def _make_root(self) -> None:
        """Make the root directory if it is missing, also while the program runs, since somebody may have deleted it."""
        _refuse_link(self.root)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def clear(self, keep: Collection[int]) -> None:
        """Remove the directories of all jobs that are not in `keep`."""
        await trio.to_thread.run_sync(self._clear, {path.name for job_id in keep for path in self._directories(job_id)})

    def _clear(self, keep: set[str]) -> None:
        for entry in self.root.iterdir():
            if entry.name not in keep:
                remove_entry(entry)

    def _directories(self, job_id: int) -> tuple[Path, Path]:
        """Return the directory that the job's worker writes to, and the one for finished files."""
        return self.root / str(job_id), self.root / f"{job_id}.ready"

    async def fresh(self, job_id: int) -> Path:
        """Make an empty directory for a job and return it; an old one is removed. Raises OSError."""
        return await trio.to_thread.run_sync(self._fresh, job_id)

    def _fresh(self, job_id: int) -> Path:
        self._make_root()
        self._remove(job_id)
        directory, _ = self._directories(job_id)
        directory.mkdir(mode=0o700)
        return directory.absolute()

    async def take(self, job_id: int, reported: Result) -> Result:
        """Move the files that a worker reported out of its reach, and return the result with their real size.

        Raises ForeignFileError for a file that is not the job's own, and OSError if this machine can't move it.
        """
        directory, ready = self._directories(job_id)
        return await trio.to_thread.run_sync(take_product, reported, directory.absolute(), ready.absolute())

    async def taken(self, job_id: int, product: str) -> Result | None:
        """Return the result that an earlier process took, from the JSON in the job's row; None if it is not intact."""
        directory, ready = self._directories(job_id)
        return await trio.to_thread.run_sync(taken_product, product, directory.absolute(), ready.absolute())

    async def remove(self, job_id: int) -> None:
        """Remove a job's directories, if there are any. A cancel does not interrupt this."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._remove, job_id)

    def _remove(self, job_id: int) -> None:
        for directory in self._directories(job_id):
            remove_entry(directory)

    async def free_bytes(self) -> int:
        """Return the free space of the data directory in bytes. Raises OSError."""
        found = await trio.to_thread.run_sync(os.statvfs, self._settings.data_dir)
        return found.f_bavail * found.f_frsize

    async def download(
        self,
        job_id: int,
        directory: Path,
        url: str,
        variant: Variant,
        *,
        guessed: bool = False,
        finding: bool = False,
    ) -> Order:
        """Return the order for a job; its largest file is its share of the disk space free now. Raises OSError.

        `guessed` means that the link came without a scheme, `finding` that the directory has a probe's finding.
        """
        order = self._order(job_id, directory, "download", variant.grade.timer_seconds)
        # A job has its source and its product on the disk at the same time; the reserve is for the database.
        share = (await self.free_bytes() - RESERVE_BYTES) // (2 * self._settings.concurrent_downloads)
        limits = msgspec.structs.replace(order.limits, file_bytes=max(LEAST_BYTES, min(SOURCE_BYTES, share)))
        return msgspec.structs.replace(
            order, url=url, guessed_scheme=guessed, variant=variant, limits=limits, finding=finding
        )

    def probe(self, offer_id: int, directory: Path, url: str, *, guessed: bool = False) -> Order:
        """Return the order for a probe. `guessed` means that the link came without a scheme."""
        order = msgspec.structs.replace(
            self._order(offer_id, directory, "probe", PROBE_SECONDS), url=url, guessed_scheme=guessed
        )
        return msgspec.structs.replace(order, read_seconds=GUESS_SECONDS) if guessed else order

    def selftest(self, number: int, directory: Path) -> Order:
        """Return the order for a self-test."""
        return self._order(number, directory, "selftest", SELF_TEST_SECONDS)

    def _order(self, job_id: int, directory: Path, task: Task, seconds: float) -> Order:
        return Order(
            job_id=job_id,
            task=task,
            directory=str(directory),
            ffmpeg=self._ffmpeg,
            cookies_file=None if self._settings.cookies_file is None else str(self._settings.cookies_file),
            allowed_private=self._allowed_private(),
            limits=Limits(
                file_bytes=SOURCE_BYTES,
                upload_bytes=self._settings.upload_limit_bytes,
                cpu_seconds=int(seconds * 4),
                memory_bytes=MEMORY_BYTES,
                processes=PROCESSES,
            ),
        )


def root_in(data_dir: Path) -> Path:
    """Return the directory in a data directory that contains the jobs' directories."""
    return data_dir / "jobs"


def try_root(root: Path) -> None:
    """Check that directories can be made in a root, if it exists. Raises OSError."""
    _refuse_link(root)
    if os.path.lexists(root):
        with tempfile.TemporaryDirectory(dir=root, prefix="start-"):
            pass


def _refuse_link(root: Path) -> None:
    """Raise OSError if a root is a symbolic link, since everything in a root gets removed."""
    if root.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, and everything behind it would be removed", root)


def remove_entry(directory: Path) -> None:
    """Remove a directory, or what a worker put in its place, if there is one. What can't be removed stays."""
    if directory.is_dir() and not directory.is_symlink():
        with suppress(OSError):
            _flatten(directory)
        with suppress(RecursionError):
            shutil.rmtree(directory, ignore_errors=True)
    else:
        with suppress(OSError):
            directory.unlink(missing_ok=True)


def _flatten(directory: Path) -> None:
    """Move all nested directories directly into the directory, and open each to ourselves. Raises OSError.

    A worker may have nested more of them than a recursive removal can follow, or made some that may not be entered.
    """
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        waiting = _opened_directories(held)
        while waiting:
            outer = os.open(waiting.pop(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
            try:
                for name in _opened_directories(outer):
                    moved = secrets.token_hex(16)  # no name that a worker can have taken
                    os.rename(name, moved, src_dir_fd=outer, dst_dir_fd=held)
                    waiting.append(moved)
            finally:
                os.close(outer)
    finally:
        os.close(held)


def _opened_directories(directory: int) -> list[str]:
    """Return the names of the directories in one, all of which may now be entered and moved."""
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        os.chmod(name, 0o700, dir_fd=directory)
    return names
