"""Checks a database file that this program does not have open, for the doctor."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from doradura.storage.errors import StorageError
from doradura.storage.sqlite.errors import translated
from doradura.storage.sqlite.storage import connect


class Examined(NamedTuple):
    """The result of checking a database file."""

    schema: int
    """The number of the highest applied migration; 0 if there is none."""
    damage: str | None
    """The first fault that was found; None if the file is intact."""


def examine(path: Path) -> Examined:
    """Read a whole database file without writing to it. Blocks. Raises StorageError if it is not a database."""
    try:
        with contextlib.closing(connect(path, "ro")) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            schema = connection.execute("SELECT COALESCE(MAX(version), 0) FROM schema_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StorageError(str(error), reason=translated(error).reason) from error
    return Examined(int(schema), None if found == "ok" else str(found))
