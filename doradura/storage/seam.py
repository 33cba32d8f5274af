"""The interface of the storage: what query modules, parts and test doubles type against; no database is imported.

The SQL is what SQLite 3.40 and PostgreSQL 15 both take, with a `?` for each value. `storage/sqlite/` implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import trio

from doradura.storage.topics import Topic, Watch

T = TypeVar("T")

Value = int | float | str | None
"""What a `?` stands for, and what a row has at a position. Truth is 0 or 1, time is milliseconds since 1970."""
Row = tuple[Any, ...]
"""A row's values, by position: in the order in which the query names them."""


class Rows(Protocol):
    """What a statement gave. Its rows are there once, in order."""

    @property
    def rowcount(self) -> int:
        """How many rows an INSERT, UPDATE or DELETE changed."""

    def fetchone(self) -> Any:
        """Return the next row, a `Row`; None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left, each a `Row`."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left, each a `Row`."""


class Connection(Protocol):
    """A connection inside a transaction that somebody else began and ends."""

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> Rows:
        """Run one statement, with a value for each `?`.

        Raises the database's own error, which `Storage.write` and `Storage.read` turn into StorageError.
        """

    def touch(self, topic: Topic, /) -> None:
        """Say that this change touches a topic: whoever waits for it wakes once the change is committed."""


Change = Callable[[Connection], T]
"""A function that reads and writes with the connection it is given, inside a transaction that is not its own."""


class Storage(Protocol):
    """The database of one installation."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the database, bring its tables up to date, then serve until cancelled; `started()` once it can be asked.

        What was handed over before the cancel is still committed. Raises StorageError when the database can't be used,
        NewerDatabaseError when a newer program made it.
        """

    async def write(self, change: Change[T]) -> T:
        """Run a change in a transaction and return what it returned, once that is safe from a power cut.

        Raises StorageError, or whatever the change itself raised (its effects are then undone). Cancelled before its
        turn, the change does not happen; after that the cancel waits for the outcome.
        """

    async def read(self, query: Change[T]) -> T:
        """Run a query that writes nothing; it sees every write that had returned. Raises StorageError."""

    def watch(self, *topics: Topic) -> Watch:
        """Return a view of topics, to wait for changes that touch them. A wake may be lost: look by yourself too."""

    def write_after_end(self, change: Change[T]) -> T:
        """Run a change in a transaction after `run` has ended: for what can be known only then.

        Blocks: to be called in a thread. Makes no database where there is none. Raises StorageError, or whatever the
        change itself raised; nothing of it is stored then.
        """

    async def check_integrity(self) -> str | None:
        """Read the whole database and return what is damaged; None when it is sound. Sets `damage`.

        Cancelled, it stops reading and leaves within moments. Raises StorageError when the check could not be made.
        """

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""

    @property
    def damage(self) -> str | None:
        """What is damaged, as any query or the last `check_integrity` found it; None when nothing is known to be."""

    @property
    def was_touched(self) -> bool:
        """Whether another program may have written to the database since the last `check_integrity` began."""

    def unusable(self) -> str | None:
        """Say why the next start could not use the database; None when it could. To be called in a thread."""
