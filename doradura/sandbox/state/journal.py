"""The sandbox's memory on disk: one table of records, written behind the model by one thread in groups.

Owns the SQLite file. The model changes first, at once, in memory; `put` and `delete` note what changed, and `flush`
returns when everything noted before is committed. Whoever reports a change to the outside flushes first, so that
nothing anybody saw is lost when the process is killed. synchronous=OFF: a commit survives the process, not a power cut,
which is enough for a sandbox and costs no wait for the disk. Without a file (`path` None) it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import trio

from doradura.startup import StartupError

_SCHEMA = "CREATE TABLE IF NOT EXISTS record (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"


_ALL = "SELECT kind, key, value FROM record"


class JournalError(StartupError):
    """The sandbox's state cannot be opened or written."""


class Journal:
    """Records by kind and key, kept in a SQLite file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._pending: dict[tuple[str, str], bytes | None] = {}
        self._wake = trio.Event()
        self._noted = 0
        self._committed = 0
        self._waiting: list[tuple[int, trio.Event]] = []
        self._failure: sqlite3.Error | None = None

    async def load(self) -> list[tuple[str, str, bytes]]:
        """Open the file and return every record. Raises JournalError."""
        if self._path is None:
            return []
        path = self._path

        def load() -> tuple[sqlite3.Connection, list[tuple[str, str, bytes]]]:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
            try:
                # An exclusive lock: a second sandbox on the same directory would overwrite the first one's state.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(_SCHEMA)
                return connection, list(connection.execute(_ALL))
            except sqlite3.Error:
                connection.close()
                raise

        try:
            self._connection, records = await trio.to_thread.run_sync(load)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(_unreadable(path, error)) from error
        return records

    def close(self) -> None:
        """Close the file of a journal that was loaded and will not run."""
        if self._connection is not None:
            self._connection.close()

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Note a record's new value."""
        self._note(kind, key, value)

    def delete(self, kind: str, key: str) -> None:
        """Note that a record is gone."""
        self._note(kind, key, None)

    async def flush(self) -> None:
        """Wait until everything noted so far is committed. Raises JournalError if that fails."""
        if self._path is None:
            return
        if self._committed < self._noted:
            event = trio.Event()
            self._waiting.append((self._noted, event))
            await event.wait()
        if self._failure is not None:
            raise JournalError(f"the sandbox's state cannot be written: {self._failure}") from self._failure

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is noted, group by group, until cancelled; then once more, and close the file."""
        if self._path is None:
            task_status.started()
            await trio.sleep_forever()
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                # A group taken out of the pending ones is written even if everything else is cancelled meanwhile.
                with trio.CancelScope(shield=True):
                    await self._commit()
        finally:
            with trio.CancelScope(shield=True):
                await self._commit()
                if self._connection is not None:
                    await trio.to_thread.run_sync(self._connection.close)

    def _note(self, kind: str, key: str, value: bytes | None) -> None:
        if self._path is not None:
            self._pending[kind, key] = value
            self._noted += 1
            self._wake.set()

    async def _commit(self) -> None:
        """Write one group in a thread and wake whoever waits for it."""
        group, self._pending, self._wake, upto = self._pending, {}, trio.Event(), self._noted
        if group:
            try:
                await trio.to_thread.run_sync(self._write, group)
            except sqlite3.Error as error:
                self._failure = error
        self._committed = upto
        ready = [event for number, event in self._waiting if number <= upto]
        self._waiting = [entry for entry in self._waiting if entry[0] > upto]
        for event in ready:
            event.set()

    def _write(self, group: dict[tuple[str, str], bytes | None]) -> None:
        assert self._connection is not None
        puts = [(kind, key, value) for (kind, key), value in group.items() if value is not None]
        deletes = [key for key, value in group.items() if value is None]
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", puts)
            self._connection.executemany("DELETE FROM record WHERE kind = ? AND key = ?", deletes)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise


def journal_fault(path: Path) -> str | None:
    """Return why a journal that no sandbox has open could not be loaded, None if it could.

    The file stays as it is. SQLite may leave an empty -wal and a -shm file beside it, which the next start takes over.
    """
    if not os.path.lexists(path):
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            for _ in connection.execute(_ALL):
                pass
    except sqlite3.Error as error:
        return _unreadable(path, error)
    return None


def _unreadable(path: Path, error: Exception) -> str:
    return f"the sandbox's state in {path} cannot be opened: {error}"
