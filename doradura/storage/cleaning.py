"""Deletes rows that are too old to matter, in small steps, so that no other change waits long."""

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
    """Delete old rows now and then every hour, until cancelled. After a StorageError the next round tries again."""
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
