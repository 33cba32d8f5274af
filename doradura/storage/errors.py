"""What the database can fail with, as the rest of the program is told."""

from __future__ import annotations

from typing import Literal

from doradura.startup import EXIT_SETTINGS, StartupError

StorageReason = Literal["full", "locked", "corrupt", "unreadable", "lost", "io", "closed", "other"]

DAMAGE: frozenset[StorageReason] = frozenset({"corrupt", "unreadable"})
"""What no repeat mends: something of the database is not there any more."""

DAMAGE_ADVICE = (
    "Stop the bot, keep the database's files as they are, and restore a backup, or save what `sqlite3 .recover` can "
    "still read: StorageFailing in docs/runbooks.md has the commands"
)
"""What to do about DAMAGE, for whoever sits at this machine: SQLite's own words say only that a page is broken."""


class StorageError(StartupError):
    """The database did not do what it was asked; nothing of that change is stored."""

    def __init__(self, message: str, *, reason: StorageReason = "other") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def advice(self) -> str:
        """What to do about damage; empty for everything else."""
        return DAMAGE_ADVICE if self.reason in DAMAGE else ""


class NewerDatabaseError(StartupError):
    """The database was made by a newer version of this program."""

    exit_code = EXIT_SETTINGS
