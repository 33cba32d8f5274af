"""Telegram's command menus: the users' commands for everybody, all commands in each admin's private chat.

An admin who has never written to the bot can't have a menu, as Telegram knows no such chat; it is set when they write,
or at the next start. The database stores who has an admin's menu, and a start removes it from those who are no longer
admins. Errors are logged and affect nothing else.
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
    """What a menu uses of a command."""

    @property
    def word(self) -> str:
        """Return the word after the slash; the text `about.<word>` describes it."""
        ...

    @property
    def admin(self) -> bool:
        """Return whether only admins see the command."""
        ...


class CommandMenus:
    """Sets the command menus and removes those of former admins."""

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
        """Set everybody's menu and each admin's, and remove those of former admins. Errors are logged."""
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
            await self.set_for(admin_id)

    async def set_for(self, admin_id: int) -> None:
        """Set an admin's menu unless this run of the program has set it."""
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
