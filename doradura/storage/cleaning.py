"""What is too old to matter is forgotten, a piece at a time, so that no change waits long behind it."""

from __future__ import annotations

import logging

import trio

from doradura.storage import Storage, StorageError, alerts, inbox, offers
from doradura.storage.ids import now_ms

EVERY_SECONDS = 3600.0
OFFERS_KEPT_MS = 30 * 24 * 3600 * 1000
ALERTS_KEPT_MS = 30 * 24 * 3600 * 1000

log = logging.getLogger(__name__)


async def clean_forever(storage: Storage) -> None:
    """Clean at once and then each hour, until cancelled. What fails is tried again with the next round."""
    while True:
        try:
            while await storage.write(lambda db: inbox.forget_old(db, now_ms())):
                pass
            while await storage.write(lambda db: offers.forget_old(db, now_ms() - OFFERS_KEPT_MS)):
                pass
            while await storage.write(lambda db: alerts.forget_old(db, now_ms() - ALERTS_KEPT_MS)):
                pass
        except StorageError as error:
            log.warning("nothing cleaned", extra={"error": str(error)})
        await trio.sleep(EVERY_SECONDS)
