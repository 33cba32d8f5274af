"""Databases in memory for unit tests, all closed at the end of the test that opened them.

Since Python 3.13 a connection that is left to the garbage collector is a ResourceWarning, in whichever test runs then.
"""

from __future__ import annotations

import sqlite3

_opened: list[sqlite3.Connection] = []


def in_memory() -> sqlite3.Connection:
    """Open an empty database, with rows by position and by name, that commits each statement by itself."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    _opened.append(connection)
    return connection


def close_all() -> None:
    """Close what was opened since the last call."""
    while _opened:
        _opened.pop().close()
