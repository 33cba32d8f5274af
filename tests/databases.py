"""Databases in memory for unit tests, all closed at the end of the test that opened them.

Since Python 3.13 a connection that is left to the garbage collector is a ResourceWarning, in whichever test runs then.
"""

from __future__ import annotations

import sqlite3

from doradura.storage.migrations import migrations
from doradura.storage.sqlite.migrating import migrate, statements

_opened: list[sqlite3.Connection] = []


def in_memory() -> sqlite3.Connection:
    """Open an empty database that commits each statement by itself."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _opened.append(connection)
    return connection


def migrated() -> sqlite3.Connection:
    """Open a fresh database with all its tables."""
    connection = in_memory()
    migrate(connection)
    return connection


def before_migration(number: int) -> sqlite3.Connection:
    """Open a database as the versions before a migration left it."""
    connection = in_memory()
    connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)")
    for version, sql in migrations():
        if version < number:
            for statement in statements(sql):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (version,))
    return connection


def close_all() -> None:
    """Close what was opened since the last call."""
    while _opened:
        _opened.pop().close()
