"""Short messages to the chats of alerts that don't come from Alertmanager."""

from __future__ import annotations

import logging
from collections.abc import Collection

from doradura.chat.texts import Catalogues
from doradura.settings import AlertChat
from doradura.telegram.client import BotApi
from doradura.telegram.errors import TelegramError

log = logging.getLogger(__name__)


class AdminNotes:
    """Sends a message to every chat that alerts go to. An error in one chat doesn't affect the others."""

    def __init__(self, api: BotApi, catalogues: Catalogues, chats: Collection[AlertChat]) -> None:
        self._api = api
        self._catalogues = catalogues
        self._chats = tuple(chats)

    async def breaker(self, site: str, seconds: int) -> None:
        """Report that a site takes the bot for a robot, and that its downloads pause for `seconds`. Raises nothing."""
        text = self._catalogues.for_language(None)("admin.breaker", site=site, minutes=round(seconds / 60))
        for chat in self._chats:
            try:
                await self._api.send_message(chat.chat_id, text, thread_id=chat.topic_id or None)
            except TelegramError as error:
                log.warning("a note is not sent", extra={"chat": str(chat), "error": str(error)})
