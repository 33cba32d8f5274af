"""The storage on SQLite: one thread that writes, and a few connections that read.

Owns the database file while `SqliteStorage.run` runs. Guarantees: a `write` returns only after its group's commit is on
disk (WAL, synchronous=FULL), in the file that the next start will find; each change is all or nothing, and the failure
of one change does not undo the others of its group; a cancelled `write` either does not happen or is waited for. Errors
are `StorageError` with a `reason` from a closed set, and damage that any query finds is kept in `damage`. A change must
not keep the connection, wait for anything, or begin a transaction of its own.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import outcome
import trio

from doradura.descriptors import NO_DESCRIPTORS, out_of_descriptors
from doradura.storage.errors import DAMAGE, StorageError
from doradura.storage.seam import Change
from doradura.storage.sqlite.changing import Changing
from doradura.storage.sqlite.errors import translated
from doradura.storage.sqlite.file import DatabaseFile
from doradura.storage.sqlite.integrity import IntegrityCheck
from doradura.storage.sqlite.migrating import migrate
from doradura.storage.topics import Topic, Topics, Watch

T = TypeVar("T")

GROUP_LIMIT = 256
"""The largest number of changes in one commit. With more, the first would wait for the last and no time be saved."""

READERS = 4
BUSY_TIMEOUT_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Pending(Generic[T]):
    """A change that was passed to the writer thread, and its result."""

    change: Change[T]
    task: trio.lowlevel.Task
    result: outcome.Outcome[T] | None = None
    taken: bool = False
    """Whether the writer has taken it, so that it can't be withdrawn any more, or whether it was withdrawn."""
    touched: frozenset[Topic] = frozenset()


def connect(path: Path, mode: Literal["ro", "rw", "rwc"] = "rwc") -> sqlite3.Connection:
    """Open a connection to read ("ro"), to write ("rw"), or to write and create the file if needed ("rwc").

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"file:{_uri_path(path)}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if mode != "ro":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _uri_path(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class SqliteStorage:
    """The database of one data directory. Implements `doradura.storage.Storage`, where the methods are explained."""

    def __init__(self, path: Path, *, on_error: Callable[[StorageError], None] | None = None) -> None:
        self._path = path
        self._file = DatabaseFile(path)
        self._damage: str | None = None
        self._cut: str | None = None
        self._integrity = IntegrityCheck(lambda: connect(path, "ro"))
        self._on_error = on_error or (lambda _error: None)
        self._queue: queue.SimpleQueue[_Pending[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = False
        self._topics = Topics()
        self._token: trio.lowlevel.TrioToken | None = None
        self._readers: list[sqlite3.Connection] = []
        self._reader_limit = trio.CapacityLimiter(READERS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the file, apply the missing migrations, then serve until cancelled.

        Changes that were passed to `write` before the cancel are still committed. Raises StorageError if the file can't
        be used, and NewerDatabaseError if a newer program made it.
        """
        self._token = trio.lowlevel.current_trio_token()
        connection = await trio.to_thread.run_sync(self._open_and_migrate)
        writer = threading.Thread(target=self._write_groups, args=(connection,), name="storage writer")
        writer.start()
        self._open = True
        try:
            await self.write(lambda db: db.execute("SELECT 1").fetchone())
            task_status.started()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                with self._lock:
                    self._open = False
                await self._integrity.stop()
                # The readers are closed first: only if the writer is the last, it moves the log into the file.
                for reader in self._readers:
                    reader.close()
                self._readers.clear()
                self._queue.put(None)
                await trio.to_thread.run_sync(writer.join)

    def _open_and_migrate(self) -> sqlite3.Connection:
        try:
            connection = connect(self._path)
        except sqlite3.Error as error:
            raise self._unopened(error) from error
        try:
            migrate(connection)
            self._file.opened(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self._unopened(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _unopened(self, error: sqlite3.Error) -> StorageError:
        """Return the error that says which file can't be used, and why."""
        reason = self._translate(error).reason
        if reason in DAMAGE:
            return StorageError(f"{self._path} is damaged ({error})", reason=reason)
        why = NO_DESCRIPTORS if out_of_descriptors() else error
        return StorageError(f"can't open the database {self._path}: {why}", reason=reason)

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return self._open

    @property
    def damage(self) -> str | None:
        """What is damaged, as found by any query or the last `check_integrity`; None if no damage is known."""
        return self._damage

    @property
    def was_touched(self) -> bool:
        """Whether another program has written to the file since the last `check_integrity` began."""
        return self._file.touched

    def unusable(self) -> str | None:
        """Return why the next start can't use the database's files; None if it can. Blocks, so call it in a thread."""
        return self._file.unusable()

    async def check_integrity(self) -> str | None:
        """Read the whole database on a connection of its own, and return what is damaged; None if it is intact.

        Writing continues meanwhile, and the log grows by what is written. Sets `damage`. A cancel stops the reading
        within moments. Raises StorageError if the check can't be made.
        """
        if not self._open:
            raise StorageError("the database is closed", reason="closed")
        self._file.touched = False
        try:
            found = await self._integrity.run()
        except sqlite3.Error as error:
            failure = self._translate(error)
            if failure.reason not in DAMAGE:
                raise failure from error
        else:
            self._damage = "; ".join(found) or None
        return self._damage

    def _translate(self, error: sqlite3.Error) -> StorageError:
        """Translate an error of SQLite. If it means damage, it is kept in `damage`."""
        failure = translated(error)
        if failure.reason in DAMAGE and self._damage is None:
            self._damage = str(error)
        return failure

    async def write(self, change: Change[T]) -> T:
        """Run a change in a transaction and return what it returned, once its effects are on disk.

        Raises StorageError, or whatever the change itself raised; its effects are then undone. If cancelled before the
        writer has taken the change, it does not happen; after that the cancel waits until the change is done.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        pending = _Pending(change, trio.lowlevel.current_task())
        with self._lock:
            if not self._open:
                raise StorageError("the database is closed", reason="closed")
            self._queue.put(pending)

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            with self._lock:
                if pending.taken:
                    return trio.lowlevel.Abort.FAILED
                pending.taken = True
                return trio.lowlevel.Abort.SUCCEEDED

        try:
            return await trio.lowlevel.wait_task_rescheduled(abort)  # type: ignore[no-any-return]
        except StorageError as error:
            self._on_error(error)
            raise

    def watch(self, *topics: Topic) -> Watch:
        """Return a watch on topics. It wakes after the commit of a change that touched one of them."""
        return self._topics.watch(*topics)

    def write_after_end(self, change: Change[T]) -> T:
        """Run a change in a transaction, on an existing file that nobody has open.

        Blocks. Raises StorageError, or whatever the change itself raised; nothing of the change is stored then.
        """
        try:
            with contextlib.closing(connect(self._path, "rw")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                value = change(Changing(connection))
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error) from error
        return value

    async def read(self, query: Change[T]) -> T:
        """Run a query on a connection that can't write. It sees every write that has returned. Raises StorageError.

        If cancelled, the query continues in its thread, and its result is dropped.
        """
        try:
            return await trio.to_thread.run_sync(self._read, query, limiter=self._reader_limit, abandon_on_cancel=True)
        except StorageError as error:
            self._on_error(error)
            raise

    def _read(self, query: Change[T]) -> T:
        connection = self._take_reader()
        try:
            self._check_files()
            if connection is None:
                connection = connect(self._path, "ro")
            connection.execute("BEGIN")
            try:
                return query(Changing(connection))
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._translate(error) from error
        finally:
            if connection is not None:
                self._give_back(connection)

    def _check_files(self) -> None:
        """Raise StorageError if the files' names no longer lead to the open files."""
        lost = self._file.lost()
        if lost is not None:
            raise StorageError(f"database: {lost}", reason="lost")

    def _take_reader(self) -> sqlite3.Connection | None:
        with self._lock:
            if not self._open:
                raise StorageError("the database is closed", reason="closed")
            return self._readers.pop() if self._readers else None

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._open:
                self._readers.append(connection)
            else:
                connection.close()

    def _write_groups(self, connection: sqlite3.Connection) -> None:
        """Commit the queued changes in groups until the None that `run` puts last. Runs in the writer thread."""
        last = False
        while not last:
            group: list[_Pending[Any]] = []
            item = self._queue.get()
            while True:
                if item is None:
                    last = True
                    break
                with self._lock:
                    mine, item.taken = not item.taken, True
                if mine:
                    group.append(item)
                if len(group) >= GROUP_LIMIT:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(connection, group)
                self._answer(group)
        connection.close()

    def _answer(self, group: list[_Pending[Any]]) -> None:
        def wake() -> None:
            for pending in group:
                trio.lowlevel.reschedule(pending.task, pending.result)  # type: ignore[arg-type]
            done = [pending for pending in group if isinstance(pending.result, outcome.Value)]
            self._topics.touched(frozenset().union(*(pending.touched for pending in done)))

        assert self._token is not None
        self._token.run_sync_soon(wake)

    def _commit(self, connection: sqlite3.Connection, group: list[_Pending[Any]]) -> None:
        """Run a group's changes in one transaction, each in a savepoint, and set the result of every one.

        A barrier: whatever goes wrong, the writer thread continues, and every caller that waits gets a result.
        """
        try:
            self._check_files()
            self._check_sizes(connection)
            connection.execute("BEGIN IMMEDIATE")
            for pending in group:
                changing = Changing(connection)
                pending.result = self._run_change(connection, changing, pending.change)
                pending.touched = frozenset(changing.touched)
                if not connection.in_transaction:
                    # If the disk is full, SQLite rolls the whole transaction back by itself, with all earlier changes.
                    raise sqlite3.OperationalError("the transaction was rolled back by the database")  # noqa: TRY301 - as COMMIT's
            connection.execute("COMMIT")
            # Only this check makes certain that the commit went into the file that the next start will find.
            self._check_files()
            self._file.committed()
        except BaseException as error:  # noqa: BLE001 - the barrier named above
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            failure = self._failure(error)
            for pending in group:
                if pending.result is None or isinstance(pending.result, outcome.Value):
                    pending.result = outcome.Error(_caused(failure, error))

    def _failure(self, error: BaseException) -> StorageError:
        if isinstance(error, StorageError):
            return StorageError(str(error), reason=error.reason)
        return self._translate(error) if isinstance(error, sqlite3.Error) else StorageError(f"database: {error!r}")

    def _check_sizes(self, connection: sqlite3.Connection) -> None:
        """Raise StorageError if the files were truncated, since later commits may not be found again."""
        cut = self._cut or self._file.cut(connection)
        if cut is not None:
            self._cut = self._damage = cut
            raise StorageError(f"database: {cut}", reason="lost")

    def _run_change(self, connection: sqlite3.Connection, changing: Changing, change: Change[T]) -> outcome.Outcome[T]:
        """Run one change and return its result. A barrier: an error of a change undoes only this change."""
        connection.execute("SAVEPOINT change")
        try:
            value = change(changing)
        except BaseException as error:  # noqa: BLE001 - the barrier named above
            if connection.in_transaction:
                connection.execute("ROLLBACK TO change")
                connection.execute("RELEASE change")
            if isinstance(error, sqlite3.Error):
                return outcome.Error(_caused(self._translate(error), error))
            return outcome.Error(error)
        connection.execute("RELEASE change")
        return outcome.Value(value)


def _caused(error: StorageError, cause: BaseException) -> StorageError:
    error.__cause__ = cause
    return error
