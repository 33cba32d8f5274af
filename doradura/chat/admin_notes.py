"""Short notes to the admins that are no alerts of Alertmanager's."""

from __future__ import annotations

import logging

from doradura.chat.texts import Catalogues
from doradura.telegram.client import BotApi
from doradura.telegram.errors import TelegramError

log = logging.getLogger(__name__)


class AdminNotes:
    """Tells every admin; one who can't be told does not keep the others from being told."""

    def __init__(self, api: BotApi, catalogues: Catalogues, admin_ids: frozenset[int]) -> None:
        self._api = api
        self._catalogues = catalogues
        self._admin_ids = admin_ids

    async def breaker(self, site: str, seconds: int) -> None:
        """A site takes the bot for a robot and is paused."""
        text = self._catalogues.for_language(None)("admin.breaker", site=site, minutes=round(seconds / 60))
        for admin_id in sorted(self._admin_ids):
            try:
                await self._api.send_message(admin_id, text)
            except TelegramError as error:
                log.warning("admin not told", extra={"admin": admin_id, "error": str(error)})
