"""The database's files as they lie on the disk, watched while they are open.

A file that was deleted, moved or replaced can still be written to by whoever has it open; the next start will not find
what was written. So whoever commits asks here whether the names still lead to the open files. The files are looked at
by name only: to open one of them beside SQLite would drop the locks SQLite holds on it.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

_SUFFIXES = ("", "-wal", "-shm")
"""The database, its log of what was committed lately, and the index of that log."""
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class _Identity(NamedTuple):
    device: int
    inode: int


class _Shape(NamedTuple):
    """What only SQLite changes: sizes in bytes, and when the database itself was last written to, in ns."""

    database_bytes: int
    log_bytes: int
    written_ns: int


class DatabaseFile:
    """The files of one open database. The shapes belong to the writer's thread; any thread may ask the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
        self._identities: dict[Path, _Identity] = {}
        self._shape = _Shape(0, 0, 0)
        self._page_bytes = 0
        self.touched = False
        """Whether another program wrote to the database's file since this was last set to False."""

    def opened(self, connection: sqlite3.Connection) -> None:
        """Note which files a connection that writes has open. Raises sqlite3.Error."""
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # only then the log is there
        self._page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        found = {}
        for name in self._names:
            try:
                status = name.stat()
            except OSError:
                continue  # a file system on which SQLite keeps no log
            found[name] = _Identity(status.st_dev, status.st_ino)
        self._identities = found
        self._shape = self._look()

    def lost(self) -> str | None:
        """Say how the names have ceased to lead to the open files; None while they do."""
        for name, known in self._identities.items():
            try:
                status = name.stat()
            except FileNotFoundError:
                return f"{name} was deleted or moved away while the bot had it open"
            except OSError as error:
                return f"{name} can't be reached any more ({error.strerror})"
            if (status.st_dev, status.st_ino) != known:
                return f"{name} was replaced by another file while the bot had it open"
        return None

    def unusable(self) -> str | None:
        """Say why the next start could not use the files; None when it could."""
        for name in self._identities:
            if not os.access(name, os.R_OK | os.W_OK):
                return f"{name} can't be read and written by this user any more"
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            return f"{self.path.parent} can't be written to by this user any more"
        return None

    def cut(self, connection: sqlite3.Connection) -> str | None:
        """Say whether something was cut off the files since `committed`; None when nothing was.

        SQLite itself makes them smaller too (VACUUM, a checkpoint that empties the log), so a smaller file is compared
        with what SQLite says it holds. To be called outside a transaction. Raises sqlite3.Error.
        """
        if not self._identities:
            return None
        known, now = self._shape, self._look()
        self.touched = self.touched or now.written_ns != known.written_ns
        self._shape = now
        if now.log_bytes < known.log_bytes:
            try:
                frames = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
                cut = frames > 0 and now.log_bytes < _WAL_HEADER_BYTES + frames * (
                    self._page_bytes + _FRAME_HEADER_BYTES
                )
            except sqlite3.DatabaseError:
                cut = True  # what SQLite knows to be in the log can't be read from it
            if cut:
                return f"{self._names[1]} was cut off while the bot had it open"
        if now.database_bytes < known.database_bytes:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            if now.database_bytes < pages * self._page_bytes:
                return f"{self.path} was cut off while the bot had it open"
        return None

    def committed(self) -> None:
        """Note what the files look like now that the writer has written."""
        if self._identities:
            self._shape = self._look()

    def _look(self) -> _Shape:
        database = self.path.stat()
        try:
            log_bytes = self._names[1].stat().st_size
        except FileNotFoundError:
            log_bytes = 0
        return _Shape(database.st_size, log_bytes, database.st_mtime_ns)
