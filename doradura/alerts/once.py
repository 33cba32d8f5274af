"""Notes to the admins that are sent once in each run of the program, since their cause repeats with every link."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from doradura.alerts.notes import Note, add_note
from doradura.clock import Clock
from doradura.storage import Storage, StorageError

log = logging.getLogger(__name__)

T = TypeVar("T")


class OnceNote(Generic[T]):
    """Sends one note. `words` returns its summary and description, given the two arguments of `tell`."""

    def __init__(
        self,
        alertname: str,
        storage: Storage,
        *,
        words: Callable[[T, str], tuple[str, str]],
        new_id: Callable[[], int],
        clock: Clock,
        severity_rank: int = 0,
    ) -> None:
        self._alertname = alertname
        self._storage = storage
        self._words = words
        self._new_id = new_id
        self._clock = clock
        self._severity_rank = severity_rank
        self._told = False

    async def tell(self, about: T, detail: str) -> None:
        """Store the note, the first time only: what it is about (a job's id, a site), and a detail to be shown.

        If the database fails, the next call tries again; nothing is raised.
        """
        if self._told:
            return
        self._told = True
        summary, description = self._words(about, detail)
        note = Note(
            alertname=self._alertname,
            summary=summary,
            description=description,
            severity_rank=self._severity_rank,
        )
        try:
            await self._storage.write(lambda db: add_note(db, note, new_id=self._new_id, now_ms=self._clock()))
        except StorageError as error:
            self._told = False
            log.warning("a note is not stored", extra={"alertname": self._alertname, "error": str(error)})
