"""Telegram's menus of commands: the users' for everybody, the whole table for each admin's private chat.

Owns which admins still lack their menu. An admin who never wrote to the bot can't be given one (Telegram knows no such
chat): it is tried again when they write, and at the next start. One who is no admin any more has theirs taken away at
the next start: the database remembers who has one. What fails is logged and keeps nothing else from working.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from doradura.chat.texts import Catalogues
from doradura.storage import Storage, StorageError, menus
from doradura.telegram.client import BotApi
from doradura.telegram.errors import ChatNotFoundError, TelegramError
from doradura.telegram.types import BotCommand

log = logging.getLogger(__name__)


class MenuCommand(Protocol):
    """What a menu needs to know of a command."""

    @property
    def word(self) -> str:
        """What people write behind the slash; the text `about.<word>` describes it."""
        ...

    @property
    def admin(self) -> bool:
        """Whether admins alone are shown it."""
        ...


class CommandMenus:
    """Sets the menus and takes them back."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        catalogues: Catalogues,
        admin_ids: frozenset[int],
        table: Mapping[str, MenuCommand],
    ) -> None:
        self._api = api
        self._storage = storage
        self._texts = catalogues.for_language(None)
        self._admin_ids = admin_ids
        self._table = table
        self._lacking = set(admin_ids)

    async def publish(self) -> None:
        """Set everybody's menu and each admin's, and take back what former admins have."""
        try:
            await self._api.set_my_commands(
                self._lines(command for command in self._table.values() if not command.admin)
            )
        except TelegramError as error:
            log.warning("command menu not set", extra={"error": str(error)})
        try:
            shown = await self._storage.read(menus.shown)
        except StorageError as error:
            log.warning("not known who has the admins' menu", extra={"error": str(error)})
            shown = set()
        for former_id in sorted(shown - self._admin_ids):
            await self._take_back(former_id)
        for admin_id in sorted(self._admin_ids):
            await self.came(admin_id)

    async def came(self, admin_id: int) -> None:
        """Set the menu of an admin who writes, if they lack it."""
        if admin_id not in self._lacking:
            return
        self._lacking.discard(admin_id)
        try:
            await self._storage.write(lambda db: menus.add(db, admin_id))
            await self._api.set_my_commands(self._lines(self._table.values()), chat_id=admin_id)
        except (TelegramError, StorageError) as error:
            self._lacking.add(admin_id)
            log.warning("admin's command menu not set", extra={"admin": admin_id, "error": str(error)})
        except BaseException:
            self._lacking.add(admin_id)
            raise

    async def _take_back(self, former_id: int) -> None:
        try:
            try:
                await self._api.delete_my_commands(chat_id=former_id)
            except ChatNotFoundError:
                log.info("a former admin's chat is gone", extra={"admin": former_id})
            await self._storage.write(lambda db: menus.remove(db, former_id))
        except (TelegramError, StorageError) as error:
            log.warning("former admin's command menu not taken away", extra={"admin": former_id, "error": str(error)})

    def _lines(self, commands: Iterable[MenuCommand]) -> list[BotCommand]:
        t = self._texts
        return [
            BotCommand(command=word, description=t.plain(f"about.{word}"))
            for word in (command.word for command in commands)
        ]
