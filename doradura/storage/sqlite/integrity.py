"""Checks the whole database for damage with SQLite's quick_check, in a thread, on a connection of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable

import outcome
import trio

FAULTS_REPORTED = 3
"""How many faults of a damaged database are reported."""
CHECK = f"PRAGMA quick_check({FAULTS_REPORTED})"
INTERRUPT_SECONDS = 0.02


class IntegrityCheck:
    """Runs one check at a time. Writing continues meanwhile, and the log grows by what is written."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._limiter = trio.CapacityLimiter(1)
        self._connection: sqlite3.Connection | None = None

    async def run(self) -> list[str]:
        """Return the first faults; an empty list if the database is intact. Raises sqlite3.Error.

        A cancel stops the reading and closes the connection within moments.
        """
        done = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_when_cancelled, done)
            with trio.CancelScope(shield=True):
                result = await trio.to_thread.run_sync(outcome.capture, self._read, limiter=self._limiter)
            done.set()
        return result.unwrap()

    async def stop(self) -> None:
        """Interrupt a check that is running and wait until its connection is closed.

        SQLite ignores an interrupt that comes before the reading has begun, so it is repeated until the check ends.
        """
        while self._limiter.borrowed_tokens:
            connection = self._connection
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.interrupt()
            await trio.sleep(INTERRUPT_SECONDS)

    async def _stop_when_cancelled(self, done: trio.Event) -> None:
        try:
            await done.wait()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self.stop()
            raise

    def _read(self) -> list[str]:
        with contextlib.closing(self._connect()) as connection:
            self._connection = connection
            try:
                rows = [str(row[0]) for row in connection.execute(CHECK)]
            finally:
                self._connection = None
        return [] if rows == ["ok"] else rows
