"""Writing what must not be lost, however long the database takes."""

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
    """Run a change until it is stored, after pauses that grow; return what it returned.

    For what has happened outside the database already (a file was sent, a message shown): forgotten, it would happen
    again. `what` begins the line in the log. With `stopping`, it is given up once that is set or the database is
    damaged, for what the next start finds out by itself: raises StorageError. Cancelled, it leaves; a change that
    the writer has taken by then is waited for.
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
