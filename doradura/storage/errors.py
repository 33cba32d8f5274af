"""What the database can fail with, as the rest of the program is told."""

from __future__ import annotations

from typing import Literal

StorageReason = Literal["full", "locked", "corrupt", "unreadable", "lost", "io", "closed", "other"]

DAMAGE: frozenset[StorageReason] = frozenset({"corrupt", "unreadable"})
"""What no repeat mends: something of the database is not there any more."""


class StorageError(Exception):
    """The database did not do what it was asked; nothing of that change is stored."""

    def __init__(self, message: str, *, reason: StorageReason = "other") -> None:
        super().__init__(message)
        self.reason = reason


class NewerDatabaseError(Exception):
    """The database was made by a newer version of this program."""
