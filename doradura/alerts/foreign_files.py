"""The note to the admins that a worker named a file which is not its own, as a hijacked child would do.

It is sent once in each run of the program, because whoever found a way to do this can repeat it with every link.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from doradura.alerts.notes import Note, add_note
from doradura.clock import Clock
from doradura.storage import Storage, StorageError

log = logging.getLogger(__name__)

ALERTNAME: Final = "ForeignFile"


class ForeignFileNote:
    """Sends the note. `words` returns its summary and description, from the job's id and what was wrong."""

    def __init__(
        self,
        storage: Storage,
        *,
        words: Callable[[int, str], tuple[str, str]],
        new_id: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._words = words
        self._new_id = new_id
        self._clock = clock
        self._told = False

    async def tell(self, job_id: int, detail: str) -> None:
        """Store the note, the first time only. If the database fails, the next call tries again; nothing is raised."""
        if self._told:
            return
        self._told = True
        summary, description = self._words(job_id, detail)
        note = Note(alertname=ALERTNAME, summary=summary, description=description)
        try:
            await self._storage.write(lambda db: add_note(db, note, new_id=self._new_id, now_ms=self._clock()))
        except StorageError as error:
            self._told = False
            log.warning("a note is not stored", extra={"job": job_id, "error": str(error)})
