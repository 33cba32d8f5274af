"""Applies the migrations to a SQLite database: each once, in order, and in its own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from doradura.storage.errors import NewerDatabaseError
from doradura.storage.migrations import migrations


def migrate(connection: sqlite3.Connection) -> int:
    """Apply the missing migrations and return the highest number.

    Raises sqlite3.Error, after the migration that failed was undone, and NewerDatabaseError.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)")
    known = migrations()
    applied = {row[0] for row in connection.execute("SELECT version FROM schema_version")}
    reached = max(applied, default=0)
    if reached > known[-1][0]:
        raise NewerDatabaseError(
            f"the database has schema {reached}, this program knows {known[-1][0]}: "
            "start the newer version again, or restore a backup made by this one",
        )
    for number, sql in known:
        if number in applied:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(sql):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
    return known[-1][0]


def statements(sql: str) -> Iterator[str]:
    """Split a script into its statements. sqlite3 itself finds their ends, so quotes and triggers are safe."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
