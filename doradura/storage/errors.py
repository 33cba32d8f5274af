"""The errors that the storage raises."""

from __future__ import annotations

from typing import Literal

from doradura.startup import EXIT_SETTINGS, StartupError

StorageReason = Literal["full", "locked", "corrupt", "unreadable", "lost", "io", "closed", "other"]

DAMAGE: frozenset[StorageReason] = frozenset({"corrupt", "unreadable"})
"""Reasons that no repeat can solve: part of the database is lost."""

DAMAGE_ADVICE = (
    "Stop the bot, keep the database's files as they are, and restore a backup, or save what `sqlite3 .recover` can "
    "still read: StorageFailing in docs/runbooks.md has the commands"
)
"""What an operator should do about DAMAGE. SQLite's own messages say only that a page is broken."""


class StorageError(StartupError):
    """The database failed to run a change or a query. Nothing of the change is stored."""

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
