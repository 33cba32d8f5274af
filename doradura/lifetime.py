"""The program's life as its database knows it: a run is open from its start until it ends normally.

Owns the row that says so. A start that finds the row open counts one unclean start (kill, power cut, crash) and leaves
one quiet note for the admins, which the alerts' outbox delivers once Telegram accepts it. The end is recorded at the
very last, when it is certain how the program ended; the storage is closed by then and writes that one row after its
end.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from doradura.alerts import Note, add_note
from doradura.clock import Clock
from doradura.storage import Connection, Storage, StorageError, runs
from doradura.telegram.errors import TokenRefusedError

log = logging.getLogger(__name__)

BEAT_SECONDS = 60.0
"""How precisely the next start can say when this run was cut off."""

ALERTNAME = "UncleanStart"


class Lifetime:
    """One run of the program.

    `words` returns the note for the admins, from the time in ms when the last run is known to have worked.
    """

    def __init__(
        self, storage: Storage, *, words: Callable[[int], str], new_id: Callable[[], int], clock: Clock
    ) -> None:
        self._clock = clock
        self._storage = storage
        self._words = words
        self._new_id = new_id
        self._begun = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Record that the run begins, then every minute that it continues, until cancelled.

        `started()` once the beginning is stored. Raises StorageError before that.
        """
        await self._storage.write(self._begin)
        self._begun = True
        task_status.started()
        while True:
            await trio.sleep(BEAT_SECONDS)
            try:
                await self._storage.write(lambda db: runs.beat(db, self._clock()))
            except StorageError as error:
                log.warning("the database can't be written to", extra={"error": str(error)})

    @asynccontextmanager
    async def ends_in_order(self) -> AsyncIterator[None]:
        """Record that the run ended normally if the block does: by its end, or because Telegram refuses the token.

        Leave it after the storage is closed. A cancel from outside and any other error leave the run open.
        """
        try:
            yield
        except BaseExceptionGroup as group:
            if group.split(TokenRefusedError)[1] is None:
                await self._end()
            raise
        await self._end()

    async def _end(self) -> None:
        if self._begun:
            try:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(self._storage.write_after_end, lambda db: runs.end(db, self._clock()))
            except StorageError as error:
                log.warning("the end is not noted: the next start will call it unclean", extra={"error": str(error)})

    def _begin(self, db: Connection) -> None:
        now = self._clock()
        found = runs.begin(db, now)
        if found is None:
            return
        log.warning("the last run was not ended in order", extra={"alive_ms": found.alive_ms})
        if found.should_notify:
            note = Note(alertname=ALERTNAME, summary=self._words(found.alive_ms), severity_rank=2)
            add_note(db, note, new_id=self._new_id, now_ms=now)
