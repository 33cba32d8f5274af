"""The files that a worker says it made: checked, not believed, and taken out of its reach before they are opened.

A worker has read what a hostile site sent, so a file that it names may be anything: the database, a link to it, a pipe
that nobody writes to. Its files are therefore moved first, into a directory that no worker is given, and looked at
there: a move follows no link, and what was looked at can't be replaced any more. Nothing of this knows what a file is
for. All functions block.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from doradura.media.protocol import Result

THUMBNAIL_BYTES: Final = 200 * 1024
_OUR_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}(\.[a-z0-9]{1,10})?", re.ASCII)
_NOT_ITS_OWN: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EACCES})
"""What the system says of a file that is not there, is a directory, a link or a device, or has no right to be read."""


class ForeignFileError(Exception):
    """What a worker named is not a file of its job's. The message says which, and what is wrong with it."""


def take_product(told: Result, directory: Path, ready: Path) -> Result:
    """Move the told files from the job's directory to `ready`; sizes and paths are ours in what is returned.

    Both directories are absolute; `ready` is made where it is missing. Raises ForeignFileError for what is not a
    regular file with one name directly in the directory, and OSError where this machine can't move it.
    """
    ready.mkdir(mode=0o700, exist_ok=True)
    with _opened(directory) as source, _opened(ready) as target:
        size_bytes = _take(told.path, directory, source, target)
        if told.thumbnail_path is not None and _take(told.thumbnail_path, directory, source, target) > THUMBNAIL_BYTES:
            raise ForeignFileError(f"{told.thumbnail_path!r:.200} is too large for a thumbnail")
    return _placed(told, ready, size_bytes)


def taken_product(product: str, directory: Path, ready: Path) -> Result | None:
    """Return what was taken before, by what was stored of it (JSON); None where that is not there as it was.

    What a version before this one left in the job's own directory is taken now.
    """
    try:
        told = msgspec.json.decode(product, type=Result)
        if Path(told.path).parent == directory:
            taken = take_product(told, directory, ready)
        else:
            with _opened(ready) as target:
                paths = [told.path] if told.thumbnail_path is None else [told.path, told.thumbnail_path]
                size_bytes, *_ = [_look(_name(path, ready), target) for path in paths]
            taken = _placed(told, ready, size_bytes)
    except (msgspec.DecodeError, ForeignFileError, OSError):
        return None
    return taken if taken.size_bytes == told.size_bytes else None


def _placed(told: Result, ready: Path, size_bytes: int) -> Result:
    thumbnail = None if told.thumbnail_path is None else str(ready / Path(told.thumbnail_path).name)
    return msgspec.structs.replace(
        told, path=str(ready / Path(told.path).name), size_bytes=size_bytes, thumbnail_path=thumbnail
    )


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A descriptor of a directory that is no link. Raises ForeignFileError where a worker put something else there."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_ITS_OWN:
            raise ForeignFileError(f"{str(directory)!r} is no directory: {error.strerror}") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: str, directory: Path, source: int, target: int) -> int:
    """Move one file from `source` to `target`, both descriptors, and return its size in bytes."""
    name = _name(path, directory)
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno in _NOT_ITS_OWN:
            raise ForeignFileError(f"{path!r:.200} can't be moved: {error.strerror}") from error
        raise
    return _look(name, target)


def _name(path: str, directory: Path) -> str:
    """Return the name of a path that lies directly in the directory, and is one that we give files."""
    told = Path(path)
    if told.parent != directory or not told.is_absolute() or _OUR_NAME.fullmatch(told.name) is None:
        raise ForeignFileError(f"{path!r:.200} is not in the job's directory")
    return told.name


def _look(name: str, directory: int) -> int:
    """Return the size in bytes of a regular file with one name that can be read."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(f"{name!r} is no regular file but {stat.filemode(found.st_mode)}")
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno in _NOT_ITS_OWN:
            raise ForeignFileError(f"{name!r} can't be opened: {error.strerror}") from error
        raise
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise ForeignFileError(f"{name!r} is a file with {found.st_nlink} names")
    return found.st_size
