"""What a worker says it made: only a regular file of its own, with one name, in its own directory, is ever sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from doradura.downloads.products import THUMBNAIL_BYTES, ForeignFileError, take_product, taken_product
from doradura.media.protocol import Result

SECRET = b"the database"


class Job:
    """A job's two directories, and a secret beside them."""

    def __init__(self, root: Path) -> None:
        self.directory, self.ready = root / "7", root / "7.ready"
        self.directory.mkdir()
        self.secret = root / "doradura.db"
        self.secret.write_bytes(SECRET)
        self.other = root / "8"
        self.other.mkdir()
        (self.other / "media.mp3").write_bytes(b"another job's")
        self.path = self.directory / "media.mp3"

    def take(self, path: Path | str | None = None, thumbnail: Path | str | None = None) -> Result:
        told = Result(
            path=str(path or self.path),
            size_bytes=1,
            title="t",
            thumbnail_path=None if thumbnail is None else str(thumbnail),
        )
        return take_product(told, self.directory, self.ready)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job that has done nothing yet."""
    return Job(tmp_path)


def test_what_a_worker_made_is_out_of_its_reach(job: Job) -> None:
    """It is sent from a directory that the worker has not, with the size that it has, whatever the worker says."""
    job.path.write_bytes(b"a song")
    (job.directory / "thumbnail.jpg").write_bytes(b"a picture")
    taken = job.take(thumbnail=job.directory / "thumbnail.jpg")
    assert taken.path == str(job.ready / "media.mp3")
    assert taken.size_bytes == 6
    assert taken.thumbnail_path == str(job.ready / "thumbnail.jpg")
    assert list(job.directory.iterdir()) == []


def test_what_is_put_in_its_place_afterwards_is_not_sent(job: Job) -> None:
    """A link that comes after the look is not what was looked at."""
    job.path.write_bytes(b"a song")
    taken = job.take()
    job.path.symlink_to(job.secret)
    assert Path(taken.path).read_bytes() == b"a song"
    assert not Path(taken.path).is_symlink()


def _link(job: Job) -> None:
    job.path.symlink_to(job.secret)


def _hard_link(job: Job) -> None:
    os.link(job.secret, job.path)


def _pipe(job: Job) -> None:
    os.mkfifo(job.path)


def _directory(job: Job) -> None:
    job.path.mkdir()


def _link_to_directory(job: Job) -> None:
    job.path.symlink_to(job.other)


def _nothing(job: Job) -> None:
    pass


def _linked_home(job: Job) -> None:
    """The worker's directory is a link to another job's."""
    job.directory.rmdir()
    job.directory.symlink_to(job.other)


def _file_for_home(job: Job) -> None:
    job.directory.rmdir()
    job.directory.write_bytes(b"")


@pytest.mark.parametrize(
    "lie", [_link, _hard_link, _pipe, _directory, _link_to_directory, _nothing, _linked_home, _file_for_home]
)
def test_what_is_no_file_of_its_own_is_refused(job: Job, lie: Callable[[Job], None]) -> None:
    """A link of either kind, a pipe, a directory, nothing at all: none is opened, and the secret stays as it is."""
    lie(job)
    with pytest.raises(ForeignFileError):
        job.take()
    assert job.secret.read_bytes() == SECRET
    assert (job.other / "media.mp3").read_bytes() == b"another job's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices: run the tests as root")
def test_a_device_is_refused(job: Job) -> None:
    """One that a worker of root's made is not read without an end."""
    os.mknod(job.path, 0o666 | 0o020000, os.makedev(1, 5))
    with pytest.raises(ForeignFileError, match="not a regular file"):
        job.take()


@pytest.mark.parametrize("thumbnail", [_link, _hard_link, _pipe, _directory, _nothing])
def test_a_thumbnail_is_looked_at_alike(job: Job, thumbnail: Callable[[Job], None]) -> None:
    """It goes out to the chat as well."""
    thumbnail(job)
    (job.directory / "media.m4a").write_bytes(b"a song")
    with pytest.raises(ForeignFileError):
        job.take(job.directory / "media.m4a", thumbnail=job.path)


def test_a_thumbnail_is_small(job: Job) -> None:
    """What is larger than Telegram takes is none that a worker of ours made."""
    job.path.write_bytes(b"a song")
    large = job.directory / "thumbnail.jpg"
    large.write_bytes(bytes(THUMBNAIL_BYTES + 1))
    with pytest.raises(ForeignFileError, match="too large"):
        job.take(thumbnail=large)


@pytest.mark.parametrize(
    "path",
    [
        "{root}/doradura.db",
        "{root}/8/media.mp3",
        "{root}/7/../doradura.db",
        "{root}/7/../7/media.mp3",
        "{root}/7/..",
        "{root}/7/.",
        "{root}/7",
        "{root}/7/sub/media.mp3",
        "{root}/7.ready/media.mp3",
        "media.mp3",
        "7/media.mp3",
        "",
        "/",
        "{root}/7/media\0.mp3",
        "{root}/7/me dia.mp3",
        "{root}/7/.mp3",
        "{root}/7/" + "m" * 300,
        "/proc/self/environ",
        "/dev/zero",
    ],
)
def test_a_path_elsewhere_is_refused(job: Job, path: str) -> None:
    """Only a plain name directly in its directory is a job's own, however else the same file could be spelled."""
    job.path.write_bytes(b"a song")
    (job.directory / "sub").mkdir()
    (job.directory / "sub" / "media.mp3").write_bytes(b"a song")
    root = job.secret.parent
    with pytest.raises(ForeignFileError):
        take_product(
            Result(path=path.format(root=root), size_bytes=1, title="t"), directory=job.directory, ready=job.ready
        )
    assert job.secret.read_bytes() == SECRET


def _stored(result: Result) -> str:
    return msgspec.json.encode(result).decode()


def test_what_was_taken_is_there_after_a_restart(job: Job) -> None:
    """The stored row leads to the same file; one of a version before this one is taken from the job's directory."""
    job.path.write_bytes(b"a song")
    old = Result(path=str(job.path), size_bytes=6, title="t")
    taken = taken_product(_stored(old), job.directory, job.ready)
    assert taken is not None
    assert taken.path == str(job.ready / "media.mp3")
    assert taken_product(_stored(taken), job.directory, job.ready) == taken


@pytest.mark.parametrize("lie", [_link, _hard_link, _pipe, _nothing])
def test_what_is_stored_is_checked_as_well(job: Job, lie: Callable[[Job], None]) -> None:
    """Whatever stands in the row and on the disk after a kill: what is not whole and our own is not sent."""
    job.ready.mkdir()
    job.path = job.ready / "media.mp3"
    lie(job)
    for path in (str(job.path), str(job.secret), str(job.other / "media.mp3")):
        row = _stored(Result(path=path, size_bytes=len(SECRET), title="t"))
        assert taken_product(row, job.directory, job.ready) is None
    assert taken_product("{}", job.directory, job.ready) is None


def test_a_file_that_was_cut_off_is_not_sent_after_a_restart(job: Job) -> None:
    """It has another size than when it was taken."""
    job.path.write_bytes(b"a song")
    taken = job.take()
    Path(taken.path).write_bytes(b"a so")
    assert taken_product(_stored(taken), job.directory, job.ready) is None
