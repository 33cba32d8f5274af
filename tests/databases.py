"""Databases in memory for unit tests. All of them are closed at the end of the test that opened them.

Since Python 3.13 a connection that is left to the garbage collector is a ResourceWarning, in whichever test runs then.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from doradura.storage.migrations import migrations
from doradura.storage.sqlite.migrating import migrate, statements
from doradura.storage.topics import Topic


class Database(sqlite3.Connection):
    """A database in memory, which is also the connection that a change gets."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.touched: set[Topic] = set()

    def touch(self, topic: Topic, /) -> None:
        """Record that a change touches a topic."""
        self.touched.add(topic)


_opened: list[Database] = []


def in_memory() -> Database:
    """Open an empty database that commits each statement at once."""
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=Database)
    _opened.append(connection)
    return connection


def migrated() -> Database:
    """Open a fresh database with all its tables."""
    connection = in_memory()
    migrate(connection)
    return connection


def before_migration(number: int) -> Database:
    """Open a database with only the migrations before one."""
    connection = in_memory()
    connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)")
    for version, sql in migrations():
        if version < number:
            for statement in statements(sql):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (version,))
    return connection


def close_all() -> None:
    """Close the databases that were opened since the last call."""
    while _opened:
        _opened.pop().close()
