"""What the database can fail with, as the rest of the program is told."""

from __future__ import annotations

import sqlite3
from typing import Literal

from doradura.descriptors import NO_DESCRIPTORS, out_of_descriptors

StorageReason = Literal["full", "locked", "corrupt", "unreadable", "lost", "io", "closed", "other"]

DAMAGE: frozenset[StorageReason] = frozenset({"corrupt", "unreadable"})
"""What no repeat mends: something of the database is not there any more."""

DAMAGE_ADVICE = (
    "Stop the bot, keep the database's files as they are, and restore a backup, or save what `sqlite3 .recover` can "
    "still read: StorageFailing in docs/runbooks.md has the commands"
)
"""What to do about DAMAGE, for whoever sits at this machine: SQLite's own words say only that a page is broken."""

_UNREADABLE = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
"""The disk does not give back what was written to it. Other I/O errors are met by each next write too."""


class StorageError(Exception):
    """The database did not do what it was asked; nothing of that change is stored."""

    def __init__(self, message: str, *, reason: StorageReason = "other") -> None:
        super().__init__(message)
        self.reason = reason

    @classmethod
    def of(cls, error: sqlite3.Error) -> StorageError:
        """Translate an error of SQLite's."""
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR} and out_of_descriptors():
            return cls(f"database: {error}: {NO_DESCRIPTORS}")
        if code in _UNREADABLE:
            return cls(f"database: {error}", reason="unreadable")
        reasons: dict[int, StorageReason] = {
            sqlite3.SQLITE_FULL: "full",
            sqlite3.SQLITE_IOERR: "io",
            sqlite3.SQLITE_BUSY: "locked",
            sqlite3.SQLITE_LOCKED: "locked",
            sqlite3.SQLITE_CORRUPT: "corrupt",
            sqlite3.SQLITE_NOTADB: "corrupt",
        }
        return cls(f"database: {error}", reason=reasons.get(code & 0xFF, "other"))
