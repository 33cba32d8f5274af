"""Numbered migrations: the files NNNN_what.sql beside this one, applied once each, in order, each in a transaction.

What is missing is known by each number, not by the highest: a number that was left free may be filled later. A
database that knows a number above all of ours was written by a newer program: we refuse it, as its tables may mean
something else by now.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib import resources

from doradura.startup import EXIT_SETTINGS, StartupError

_NAME = re.compile(r"(\d{4})_\w+\.sql")


class NewerDatabaseError(StartupError):
    """The database was made by a newer version of this program."""

    exit_code = EXIT_SETTINGS


def migrations() -> list[tuple[int, str]]:
    """Return every migration as (number, SQL), ascending."""
    found = [
        (int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in resources.files(__name__).iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection) -> int:
    """Apply what is missing and return the highest number.

    Raises sqlite3.Error, with the migration that failed undone, and NewerDatabaseError.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)")
    known = migrations()
    applied = {row[0] for row in connection.execute("SELECT version FROM schema_version")}
    reached = max(applied, default=0)
    if reached > known[-1][0]:
        raise NewerDatabaseError(
            f"the database is of schema {reached}, this program knows {known[-1][0]}: "
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
    """Split a script at its statements' ends (sqlite3's own test of completeness, so quotes and triggers are safe)."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
