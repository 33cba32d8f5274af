"""Errors that end the program and that a person can fix, and the process's exit codes for them.

A part raises a subclass if it knows what is wrong; the command line prints its text and exits with its code. Any other
error that ends the program is a bug of ours: it is logged with its traceback, and the exit code is EXIT_FAILED.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK, EXIT_FAILED, EXIT_SETTINGS, EXIT_LOCKED, EXIT_TOKEN = 0, 1, 2, 3, 4


class StartupError(Exception):
    """An expected failure of a start; the text says what is wrong and what to do."""

    exit_code: ClassVar[int] = EXIT_FAILED

    @property
    def advice(self) -> str:
        """What to do about it, if the text itself does not say so; else empty."""
        return ""
