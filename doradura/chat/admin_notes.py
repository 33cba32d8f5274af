"""Short notes to the admins that are no alerts of Alertmanager's."""

from __future__ import annotations

import logging
from collections.abc import Collection

from doradura.chat.texts import Catalogues
from doradura.settings import AlertChat
from doradura.telegram.client import BotApi
from doradura.telegram.errors import TelegramError

log = logging.getLogger(__name__)


class AdminNotes:
    """Tells every chat that alerts go to; one that can't be told does not keep the others from being told."""

    def __init__(self, api: BotApi, catalogues: Catalogues, chats: Collection[AlertChat]) -> None:
        self._api = api
        self._catalogues = catalogues
        self._chats = tuple(chats)

    async def breaker(self, site: str, seconds: int) -> None:
        """A site takes the bot for a robot and is paused."""
        text = self._catalogues.for_language(None)("admin.breaker", site=site, minutes=round(seconds / 60))
        for chat in self._chats:
            try:
                await self._api.send_message(chat.chat_id, text, thread_id=chat.topic_id or None)
            except TelegramError as error:
                log.warning("a note is not told", extra={"chat": str(chat), "error": str(error)})
