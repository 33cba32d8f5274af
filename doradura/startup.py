"""Errors that end the program in a way a person can mend, and what the process then exits with.

A part raises a subclass where it knows what is wrong; the command line prints its sentence and leaves with its code.
Whatever else ends the program is a fault of ours, is logged with its traceback, and is EXIT_FAILED.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK, EXIT_FAILED, EXIT_SETTINGS, EXIT_LOCKED, EXIT_TOKEN = 0, 1, 2, 3, 4


class StartupError(Exception):
    """An expected failure of a start; the text says what is wrong and what to do."""

    exit_code: ClassVar[int] = EXIT_FAILED

    @property
    def advice(self) -> str:
        """What to do about it, where the text alone does not say so; else empty."""
        return ""
