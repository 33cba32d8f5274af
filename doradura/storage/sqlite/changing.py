"""The connection that a change gets. It records the topics that the change touches."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from doradura.storage.seam import Value
from doradura.storage.topics import Topic


class Changing:
    """The connection of one change. Implements `doradura.storage.Connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.touched: set[Topic] = set()

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> sqlite3.Cursor:
        """Run one statement, with a value for each `?`. Raises sqlite3.Error."""
        return self._connection.execute(sql, values)

    def touch(self, topic: Topic, /) -> None:
        """Record that this change touches a topic."""
        self.touched.add(topic)
