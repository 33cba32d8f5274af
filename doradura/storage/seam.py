"""The interface of the storage, for query modules, parts and test doubles. It imports no database.

The SQL is what both SQLite 3.40 and PostgreSQL 15 accept, with a `?` for each value. `storage/sqlite/` implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import trio

from doradura.storage.topics import Topic, Watch

T = TypeVar("T")

Value = int | float | str | None
"""A value for a `?` or in a row. A truth value is 0 or 1, a time is in milliseconds since 1970."""
Row = tuple[Any, ...]
"""The values of a row, in the order in which the query names them."""


class Rows(Protocol):
    """The result of a statement. Its rows can be read once, in order."""

    @property
    def rowcount(self) -> int:
        """How many rows an INSERT, UPDATE or DELETE changed."""

    def fetchone(self) -> Any:
        """Return the next row, a `Row`; None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left, each a `Row`."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the rows that are left, each a `Row`."""


class Connection(Protocol):
    """A connection inside a transaction. The storage begins and ends the transaction."""

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> Rows:
        """Run one statement, with a value for each `?`.

        Raises the database's own error, which `Storage.write` and `Storage.read` turn into StorageError.
        """

    def touch(self, topic: Topic, /) -> None:
        """Say that this change touches a topic: whoever waits for it wakes once the change is committed."""


Change = Callable[[Connection], T]
"""A function that reads and writes with a connection, inside a transaction that the storage began."""


class Storage(Protocol):
    """The database of one installation."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the database, apply the missing migrations, then serve until cancelled; `started()` once it is open.

        Changes that were passed to `write` before the cancel are still committed. Raises StorageError if the database
        can't be used, and NewerDatabaseError if a newer program made it.
        """

    async def write(self, change: Change[T]) -> T:
        """Run a change in a transaction and return what it returned, once its effects are safe from a power cut.

        Raises StorageError, or whatever the change itself raised; its effects are then undone. If cancelled before the
        change has started, the change does not happen; after that the cancel waits until the change is done.
        """

    async def read(self, query: Change[T]) -> T:
        """Run a query that writes nothing. It sees every write that has returned. Raises StorageError."""

    def watch(self, *topics: Topic) -> Watch:
        """Return a watch on topics, to wait for changes that touch them. A wake may be lost, see `topics`."""

    def write_after_end(self, change: Change[T]) -> T:
        """Run a change in a transaction after `run` has ended, for facts that are known only then.

        Blocks, so call it in a thread. Does not create a database. Raises StorageError, or whatever the change itself
        raised; nothing of the change is stored then.
        """

    async def check_integrity(self) -> str | None:
        """Read the whole database and return what is damaged; None if it is intact. Sets `damage`.

        A cancel stops the reading within moments. Raises StorageError if the check can't be made.
        """

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""

    @property
    def damage(self) -> str | None:
        """What is damaged, as found by any query or the last `check_integrity`; None if no damage is known."""

    @property
    def was_touched(self) -> bool:
        """Whether another program may have written to the database since the last `check_integrity` began."""

    def unusable(self) -> str | None:
        """Return why the next start can't use the database; None if it can. Blocks, so call it in a thread."""
