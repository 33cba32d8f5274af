"""What is too old to matter is forgotten, a piece at a time, so that no change waits long behind it."""

from __future__ import annotations

import logging

import trio

from doradura.clock import Clock
from doradura.storage import Storage, StorageError, alerts, inbox, offers

EVERY_SECONDS = 3600.0
OFFERS_KEPT_MS = 30 * 24 * 3600 * 1000
ALERTS_KEPT_MS = 30 * 24 * 3600 * 1000

log = logging.getLogger(__name__)


async def clean_forever(storage: Storage, clock: Clock) -> None:
    """Clean at once and then each hour, until cancelled. What fails is tried again with the next round."""
    while True:
        try:
            while await storage.write(lambda db: inbox.forget_old(db, clock())):
                pass
            while await storage.write(lambda db: offers.forget_old(db, clock() - OFFERS_KEPT_MS)):
                pass
            while await storage.write(lambda db: alerts.forget_old(db, clock() - ALERTS_KEPT_MS)):
                pass
        except StorageError as error:
            log.warning("nothing cleaned", extra={"error": str(error)})
        await trio.sleep(EVERY_SECONDS)
