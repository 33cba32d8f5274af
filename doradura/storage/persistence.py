"""Repeats a write until it is stored, for facts that must not be lost."""

from __future__ import annotations

import logging
from typing import TypeVar

import trio

from doradura.storage.errors import DAMAGE, StorageError
from doradura.storage.seam import Change, Storage

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0

T = TypeVar("T")

log = logging.getLogger(__name__)


async def write_until_stored(
    storage: Storage, change: Change[T], *, what: str, stopping: trio.Event | None = None
) -> T:
    """Run a change until it is stored, with growing pauses between the attempts. Return what the change returned.

    It is for facts that are already true outside the database (a file was sent, a message is shown) and that would
    happen again if they were forgotten. `what` begins the line in the log. With `stopping`, it gives up when that event
    is set or the database is damaged, and raises StorageError; use that where the next start finds the fact by itself.
    If cancelled, a change that the writer has not started is not stored, and one that it has started is waited for.
    """
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await storage.write(change)
        except StorageError as error:
            if stopping is not None and (stopping.is_set() or error.reason in DAMAGE):
                raise
            log.warning("%s is not stored yet", what, extra={"error": str(error)})
        if stopping is None:
            await trio.sleep(pause_seconds)
        else:
            with trio.move_on_after(pause_seconds):
                await stopping.wait()
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
