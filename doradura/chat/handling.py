"""The handling of one update: what a conversation is given to read, to say and to store.

Guarantee: `commit` stores the effects of an update and marks it handled in one transaction, so an effect happens once
however often the update comes; a reply may be repeated. A conversation that commits nothing is marked handled at its
end. What was said for an update is kept in memory while the update is tried again, so that no failure to store makes
the bot say it twice; after a restart nobody knows it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from doradura.accounts.account import DEFAULT_LANGUAGE, Account
from doradura.accounts.plans import FREE, Plan
from doradura.chat.texts import Catalogues, Texts
from doradura.clock import Clock
from doradura.storage import Change, Connection, Storage, inbox, users
from doradura.telegram.client import BotApi
from doradura.telegram.errors import MessageNotFoundError
from doradura.telegram.types import CallbackQuery, Keyboard, Message, Update, User

T = TypeVar("T")

log = logging.getLogger(__name__)


class AlreadyHandledError(Exception):
    """An update's effects are stored, though it was told otherwise: the database's file came back after it was lost."""


class Said:
    """What was said for one update, over all tries of its handling."""

    def __init__(self) -> None:
        self._results: list[object] = []
        self._next = 0

    @property
    def anything(self) -> bool:
        """Whether something was said in any try."""
        return bool(self._results)

    def begin_again(self) -> None:
        """A new try begins: what it says is taken as said in the tries before, one for one."""
        self._next = 0

    def go_on(self) -> None:
        """What comes now is said by no try before."""
        self._next = len(self._results)

    async def once(self, say: Callable[[], Awaitable[T]]) -> T:
        """Say something, unless a try before has come so far: then return what came of it. Raises what `say` raises."""
        if self._next == len(self._results):
            self._results.append(await say())
        self._next += 1
        return self._results[self._next - 1]  # type: ignore[return-value]


@dataclass(kw_only=True)
class Handling:
    """The handling of one update: who and what it is from, and how it is answered and marked as handled."""

    update_id: int
    update: Update
    account: Account | None
    """Who wrote or pressed; None for a chat that writes itself (an anonymous admin, a channel)."""
    chat_id: int
    received_ms: int
    api: BotApi
    storage: Storage
    catalogues: Catalogues
    clock: Clock
    observe_seconds: Callable[[float], None]
    """Is told how long it took from the update's receipt to its mark."""
    said: Said = field(default_factory=Said)
    committed: bool = field(default=False, init=False)
    command: str | None = field(default=None, init=False)
    """The command it was, once known; "other" for one we don't have."""

    @property
    def texts(self) -> Texts:
        """The texts in the language of whoever wrote."""
        return self.catalogues.for_language(self.language)

    @property
    def user(self) -> User | None:
        """Who wrote or pressed, as the update has them."""
        return self.account.user if self.account else None

    @property
    def language(self) -> str:
        """The language code of whoever wrote."""
        return self.account.language if self.account else DEFAULT_LANGUAGE

    @property
    def plan(self) -> Plan:
        """What whoever wrote uses the bot under."""
        return self.account.plan if self.account else FREE

    @property
    def message(self) -> Message:
        """The message, new or edited, where the update is one."""
        message = self.update.message or self.update.edited_message
        assert message is not None
        return message

    @property
    def topic_id(self) -> int | None:
        """The forum topic the update came from."""
        update = self.update
        message = update.message or update.edited_message or (update.callback_query and update.callback_query.message)
        return message.topic_id if message else None

    @property
    def pressed_id(self) -> int | None:
        """The message whose button was pressed, while Telegram tells it."""
        message = self.callback_query.message
        return message.message_id if message else None

    @property
    def callback_query(self) -> CallbackQuery:
        """The callback query, where the update is one."""
        assert self.update.callback_query is not None
        return self.update.callback_query

    @property
    def is_by_admin(self) -> bool:
        """Whether an admin wrote or pressed, in whatever chat."""
        return self.account is not None and self.account.is_admin

    @property
    def is_among_admins(self) -> bool:
        """Whether an admin wrote or pressed where nobody else reads along: in their private chat."""
        return self.chat_id > 0 and self.is_by_admin

    async def commit(self, change: Change[T]) -> T:
        """Store the effects and mark the update handled, together. Once a handling.

        Raises StorageError, and AlreadyHandledError where the update is marked already: its effects are stored then.
        """
        assert not self.committed
        now = self.clock()

        def both(db: Connection) -> T:
            if not inbox.done(db, self.update_id):
                raise AlreadyHandledError
            if self.user is not None and not self.user.is_bot and self.update.my_chat_member is None:
                user = self.user
                users.seen(db, user.id, user.first_name, user.username, user.language_code, now)
            return change(db)

        value = await self.storage.write(both)
        self.committed = True
        self.observe_seconds(max(0.0, (self.clock() - self.received_ms) / 1000))
        return value

    async def mark_handled(self) -> None:
        """Commit an update that has no effects, before it is answered: so a lost answer brings no second one.

        Whoever asks is counted too. Raises as `commit`.
        """
        await self.commit(lambda _db: None)

    async def reply(self, text: str, keyboard: Keyboard | None = None) -> Message:
        """Answer in the chat; in a group as a reply. Raises TelegramError."""
        asked = self.update.message or self.update.edited_message
        quote = asked.message_id if asked and self.chat_id < 0 else None
        return await self.said.once(
            lambda: self.api.send_message(
                self.chat_id, text, keyboard=keyboard, reply_to=quote, thread_id=self.topic_id
            )
        )

    async def send(self, text: str, keyboard: Keyboard | None = None, *, reply_to: int | None = None) -> None:
        """Send a message of its own to the chat. Raises TelegramError."""
        await self.said.once(
            lambda: self.api.send_message(
                self.chat_id, text, keyboard=keyboard, reply_to=reply_to, thread_id=self.topic_id
            )
        )

    async def edit_pressed(self, text: str, keyboard: Keyboard | None = None) -> None:
        """Show something else in the message whose button was pressed, if it is still there. Raises TelegramError."""
        message = self.callback_query.message
        if message is None:
            return
        try:
            await self.api.edit_message_text(self.chat_id, message.message_id, text, keyboard=keyboard)
        except MessageNotFoundError as error:
            log.info("the pressed message is not there any more", extra={"error": str(error)})

    async def answer(self, text: str | None = None, *, alert: bool = False) -> None:
        """Answer the callback query, so that the button stops turning. Raises TelegramError."""
        await self.said.once(lambda: self.api.answer_callback_query(self.callback_query.id, text, show_alert=alert))
