"""The jobs' directories and what each job may use.

Owns DATA_DIR/jobs: one directory a job or probe, named by its id, mode 0700, removed at the job's end. What a worker
made is moved into a second one (`ID.ready`) that no worker is given, and sent from there. A directory stays over a
restart only for a file that was being sent.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import trio

from doradura.downloads.products import take_product, taken_product
from doradura.media.protocol import Limits, Order, Result, Task
from doradura.media.variant import Variant
from doradura.settings import Settings

SOURCE_BYTES = 2 * 1024**3
"""The largest file a worker may write: an MP3 may come from a video far over what Telegram takes."""
RESERVE_BYTES = 100 * 1024**2
LEAST_BYTES = 16 * 1024**2
MEMORY_BYTES = 1536 * 1024**2
PROCESSES = 16
SELF_TEST_SECONDS = 60
PROBE_SECONDS = 10.0
"""A look at a link is a nicety: what is not known by then is not shown."""
GUESS_SECONDS = 3.0
"""How long https may be silent where a link came without a scheme: there has to be time left to look by http."""
SPACE_BYTES = 300 * 1024**2
"""Free space under which no new job is taken: what Telegram takes at most, some times over."""


class Workspace:
    """Directories and orders."""

    def __init__(self, settings: Settings, ffmpeg: str, allowed_private: Callable[[], tuple[str, ...]]) -> None:
        self._settings = settings
        self._ffmpeg = ffmpeg
        self._allowed_private = allowed_private
        self.root = root_in(settings.data_dir)

    async def open(self) -> None:
        """Make the root, and see that it can be written to. Raises OSError."""
        await trio.to_thread.run_sync(self._open)

    def _open(self) -> None:
        self._make_root()
        try_root(self.root)

    def _make_root(self) -> None:
        """Also while we run: somebody may have tidied up."""
        _refuse_link(self.root)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def clear(self, keep: Collection[int]) -> None:
        """Remove every directory that is not a kept job's."""
        await trio.to_thread.run_sync(self._clear, {path.name for job_id in keep for path in self._directories(job_id)})

    def _clear(self, keep: set[str]) -> None:
        for entry in self.root.iterdir():
            if entry.name not in keep:
                _remove(entry)

    def _directories(self, job_id: int) -> tuple[Path, Path]:
        """Return the directory that the job's worker has, and the one that it has not."""
        return self.root / str(job_id), self.root / f"{job_id}.ready"

    async def fresh(self, job_id: int) -> Path:
        """Make an empty directory for a job, in the place of an old one. Raises OSError."""
        return await trio.to_thread.run_sync(self._fresh, job_id)

    def _fresh(self, job_id: int) -> Path:
        self._make_root()
        self._remove(job_id)
        directory, _ = self._directories(job_id)
        directory.mkdir(mode=0o700)
        return directory.absolute()

    async def take(self, job_id: int, told: Result) -> Result:
        """Take the files that a worker says it made out of its reach; what was measured replaces what it said.

        Raises ForeignFileError for what is not the job's own file, OSError where this machine can't move it.
        """
        directory, ready = self._directories(job_id)
        return await trio.to_thread.run_sync(take_product, told, directory.absolute(), ready.absolute())

    async def taken(self, job_id: int, product: str) -> Result | None:
        """Return what was taken by a process before this one, as its row says (JSON); None where it is not whole."""
        directory, ready = self._directories(job_id)
        return await trio.to_thread.run_sync(taken_product, product, directory.absolute(), ready.absolute())

    async def remove(self, job_id: int) -> None:
        """Remove a job's directory; nothing there is no error."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._remove, job_id)

    def _remove(self, job_id: int) -> None:
        for directory in self._directories(job_id):
            _remove(directory)

    async def free_bytes(self) -> int:
        """Return the free space of the data directory. Raises OSError."""
        found = await trio.to_thread.run_sync(os.statvfs, self._settings.data_dir)
        return found.f_bavail * found.f_frsize

    async def download(
        self, job_id: int, directory: Path, url: str, variant: Variant, *, guessed: bool = False
    ) -> Order:
        """Make the order for a job, with its share of the disk that is free now. Raises OSError.

        `guessed`: the link came without a scheme.
        """
        order = self._order(job_id, directory, "download", variant.grade.timer_seconds)
        # A job has its source and its product on the disk at once; the reserve is the database's.
        share = (await self.free_bytes() - RESERVE_BYTES) // (2 * self._settings.concurrent_downloads)
        limits = msgspec.structs.replace(order.limits, file_bytes=max(LEAST_BYTES, min(SOURCE_BYTES, share)))
        return msgspec.structs.replace(order, url=url, guessed_scheme=guessed, variant=variant, limits=limits)

    def probe(self, offer_id: int, directory: Path, url: str, *, guessed: bool = False) -> Order:
        """Make the order to look at a link; `guessed`: it came without a scheme."""
        order = msgspec.structs.replace(
            self._order(offer_id, directory, "probe", PROBE_SECONDS), url=url, guessed_scheme=guessed
        )
        return msgspec.structs.replace(order, read_seconds=GUESS_SECONDS) if guessed else order

    def selftest(self, number: int, directory: Path) -> Order:
        """Make the order for the worker's self-test."""
        return self._order(number, directory, "selftest", SELF_TEST_SECONDS)

    def _order(self, job_id: int, directory: Path, task: Task, seconds: float) -> Order:
        return Order(
            job_id=job_id,
            task=task,
            directory=str(directory),
            ffmpeg=self._ffmpeg,
            proxy=self._settings.download_proxy,
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
    """Return where in a data directory the jobs' directories are."""
    return data_dir / "jobs"


def try_root(root: Path) -> None:
    """See whether the jobs' directories can be made in a root, where there is one. Raises OSError."""
    _refuse_link(root)
    if os.path.lexists(root):
        with tempfile.TemporaryDirectory(dir=root, prefix="start-"):
            pass


def _refuse_link(root: Path) -> None:
    """What is in a root is ours to remove."""
    if root.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, and everything behind it would be removed", root)


def _remove(directory: Path) -> None:
    """Remove a directory, or the link that a worker put in its place; nothing there is no error."""
    if directory.is_symlink():
        directory.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
