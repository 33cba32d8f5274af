"""Checks the files that a worker reports, and moves them out of its reach before they are opened.

A worker has read what a hostile site sent, so a file that it names may be anything: the database, a link to it, a pipe
that nobody writes to. The files are therefore moved first, into a directory that no worker is given, and checked there:
a move follows no link, and nothing that happens in the job's directory afterwards can replace a checked file. This
module does not know what a file is for. All functions block.
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
"""The errors for a file that does not exist, is a directory, a link or a device, or may not be read."""


class ForeignFileError(Exception):
    """A worker reported a file that is not its job's own. The message names the file and what is wrong with it."""


def take_product(reported: Result, directory: Path, ready: Path) -> Result:
    """Move the reported files from the job's directory to `ready`; return the result with the new paths and real size.

    Both directories are absolute; `ready` is made if it does not exist. Raises ForeignFileError for anything that is
    not a regular file with exactly one name directly in the directory, and OSError if this machine can't move it.
    """
    ready.mkdir(mode=0o700, exist_ok=True)
    with open_directory(directory) as source, open_directory(ready) as target:
        size_bytes = _take(reported.path, directory, source, target)
        if (
            reported.thumbnail_path is not None
            and _take(reported.thumbnail_path, directory, source, target) > THUMBNAIL_BYTES
        ):
            raise ForeignFileError(f"{reported.thumbnail_path!r:.200} is too large for a thumbnail")
    return _placed(reported, ready, size_bytes)


def taken_product(product: str, directory: Path, ready: Path) -> Result | None:
    """Return a result that was taken before, from its stored JSON; None if its files are missing or have changed.

    Files that an older version left in the job's own directory are moved now.
    """
    try:
        reported = msgspec.json.decode(product, type=Result)
        if Path(reported.path).parent == directory:
            taken = take_product(reported, directory, ready)
        else:
            with open_directory(ready) as target:
                paths = [reported.path] if reported.thumbnail_path is None else [reported.path, reported.thumbnail_path]
                size_bytes, *_ = [_look(_name(path, ready), target) for path in paths]
            taken = _placed(reported, ready, size_bytes)
    except (msgspec.DecodeError, ForeignFileError, OSError):
        return None
    return taken if taken.size_bytes == reported.size_bytes else None


def _placed(reported: Result, ready: Path, size_bytes: int) -> Result:
    thumbnail = None if reported.thumbnail_path is None else str(ready / Path(reported.thumbnail_path).name)
    return msgspec.structs.replace(
        reported, path=str(ready / Path(reported.path).name), size_bytes=size_bytes, thumbnail_path=thumbnail
    )


@contextmanager
def open_directory(directory: Path) -> Iterator[int]:
    """Open a directory and yield its descriptor. Raises ForeignFileError if a worker put something else there."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_ITS_OWN:
            raise ForeignFileError(f"{str(directory)!r} is not a directory: {error.strerror}") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: str, directory: Path, source: int, target: int) -> int:
    """Move one file from `source` to `target` (descriptors); return its size in bytes. Raises ForeignFileError."""
    name = _name(path, directory)
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno in _NOT_ITS_OWN:
            raise ForeignFileError(f"{path!r:.200} can't be moved: {error.strerror}") from error
        raise
    return _look(name, target)


def _name(path: str, directory: Path) -> str:
    """Return the name of a file directly in the directory. Raises ForeignFileError for any other path or odd name."""
    reported = Path(path)
    if reported.parent != directory or not reported.is_absolute() or _OUR_NAME.fullmatch(reported.name) is None:
        raise ForeignFileError(f"{path!r:.200} is not in the job's directory")
    return reported.name


def _look(name: str, directory: int) -> int:
    """Return a file's size in bytes. Raises ForeignFileError unless it is regular, readable and has one name."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(f"{name!r} is not a regular file but {stat.filemode(found.st_mode)}")
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
