"""Watches the database's files on the disk while they are open.

A process can still write to an open file that was deleted, moved or replaced, but the next start will not find what was
written. So the storage checks at each commit whether the names still lead to the open files. The files are checked by
name only, because opening one of them a second time would drop the locks that SQLite holds on it.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

_SUFFIXES = ("", "-wal", "-shm")
"""The database, the log of recent commits, and the index of that log."""
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


class _Identity(NamedTuple):
    device: int
    inode: int


class _Shape(NamedTuple):
    """Values that only SQLite should change: sizes in bytes, and when the database file was last written to, in ns."""

    database_bytes: int
    log_bytes: int
    written_ns: int


class DatabaseFile:
    """The files of one open database. Only the writer's thread uses the shapes; any thread may use the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
        self._identities: dict[Path, _Identity] = {}
        self._shape = _Shape(0, 0, 0)
        self._page_bytes = 0
        self.touched = False
        """Whether another program wrote to the database's file since this was last set to False."""

    def opened(self, connection: sqlite3.Connection) -> None:
        """Record which files the writing connection has open. Raises sqlite3.Error."""
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # the log exists only after a query
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
        """Return why a name no longer leads to the open file; None if all names still do."""
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
        """Return why the next start can't use the files; None if it can."""
        for name in self._identities:
            if not os.access(name, os.R_OK | os.W_OK):
                return f"{name} can't be read and written by this user any more"
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            return f"{self.path.parent} can't be written to by this user any more"
        return None

    def cut(self, connection: sqlite3.Connection) -> str | None:
        """Return which file was truncated since `committed`; None if none was.

        SQLite itself also makes files smaller (VACUUM, a checkpoint that empties the log), so a smaller file is
        compared with what SQLite expects in it. Must be called outside a transaction. Raises sqlite3.Error.
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
                cut = True  # SQLite can't read from the log what it expects there
            if cut:
                return f"{self._names[1]} was cut off while the bot had it open"
        if now.database_bytes < known.database_bytes:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            if now.database_bytes < pages * self._page_bytes:
                return f"{self.path} was cut off while the bot had it open"
        return None

    def committed(self) -> None:
        """Record the sizes of the files after a commit."""
        if self._identities:
            self._shape = self._look()

    def _look(self) -> _Shape:
        database = self.path.stat()
        try:
            log_bytes = self._names[1].stat().st_size
        except FileNotFoundError:
            log_bytes = 0
        return _Shape(database.st_size, log_bytes, database.st_mtime_ns)
