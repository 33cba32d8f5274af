"""Translates SQLite's errors into the storage's own."""

from __future__ import annotations

import sqlite3

from doradura.descriptors import NO_DESCRIPTORS, out_of_descriptors
from doradura.storage.errors import StorageError, StorageReason

_UNREADABLE = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
"""The codes which mean that the disk no longer returns what was written. Other I/O errors also fail the next write."""


def translated(error: sqlite3.Error) -> StorageError:
    """Return the StorageError for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR} and out_of_descriptors():
        return StorageError(f"database: {error}: {NO_DESCRIPTORS}")
    if code in _UNREADABLE:
        return StorageError(f"database: {error}", reason="unreadable")
    reasons: dict[int, StorageReason] = {
        sqlite3.SQLITE_FULL: "full",
        sqlite3.SQLITE_IOERR: "io",
        sqlite3.SQLITE_BUSY: "locked",
        sqlite3.SQLITE_LOCKED: "locked",
        sqlite3.SQLITE_CORRUPT: "corrupt",
        sqlite3.SQLITE_NOTADB: "corrupt",
    }
    return StorageError(f"database: {error}", reason=reasons.get(code & 0xFF, "other"))
