"""The handling of one update: what a conversation reads, and how it answers and stores.

`commit` stores the effects of an update and marks it as handled in one transaction, so each effect happens once however
often the update arrives; a reply may be repeated. If a conversation commits nothing, the update is marked at its end.
While an update is tried again, the answers already sent are kept in memory, so a failure to store doesn't repeat them.
A restart loses that memory.
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
    """An update's effects turn out to be stored already: the database's file was lost for a while and came back."""


class Said:
    """The answers that were sent for one update, over all tries of its handling."""

    def __init__(self) -> None:
        self._results: list[object] = []
        self._next = 0

    @property
    def anything(self) -> bool:
        """Return whether any try sent an answer."""
        return bool(self._results)

    def begin_again(self) -> None:
        """Start a new try: its answers, in order, are taken for those of the earlier tries and not sent again."""
        self._next = 0

    def go_on(self) -> None:
        """From now on, send answers: no earlier try has sent them."""
        self._next = len(self._results)

    async def once(self, say: Callable[[], Awaitable[T]]) -> T:
        """Send an answer with `say` unless an earlier try sent it, and return its result. Raises what `say` raises."""
        if self._next == len(self._results):
            self._results.append(await say())
        self._next += 1
        return self._results[self._next - 1]  # type: ignore[return-value]


@dataclass(kw_only=True)
class Handling:
    """One update in the hands of its conversation: its sender, and how it is answered and marked as handled."""

    update_id: int
    update: Update
    account: Account | None
    """The sender's account; None for a chat that writes in its own name (an anonymous admin, a channel)."""
    chat_id: int
    received_ms: int
    api: BotApi
    storage: Storage
    catalogues: Catalogues
    clock: Clock
    observe_seconds: Callable[[float], None]
    """Receives the seconds from the update's receipt until it is marked as handled."""
    said: Said = field(default_factory=Said)
    committed: bool = field(default=False, init=False)
    command: str | None = field(default=None, init=False)
    """The message's command, once known; "other" for an unknown one."""

    @property
    def texts(self) -> Texts:
        """Return the texts in the sender's language."""
        return self.catalogues.for_language(self.language)

    @property
    def user(self) -> User | None:
        """Return the sender as the update describes them; None if it has none."""
        return self.account.user if self.account else None

    @property
    def user_id(self) -> int:
        """Return the sender's id; if a chat writes in its own name, that chat's."""
        return self.user.id if self.user else self.chat_id

    @property
    def language(self) -> str:
        """Return the sender's language code."""
        return self.account.language if self.account else DEFAULT_LANGUAGE

    @property
    def plan(self) -> Plan:
        """Return the sender's plan."""
        return self.account.plan if self.account else FREE

    @property
    def message(self) -> Message:
        """Return the new or edited message. The update must be one."""
        message = self.update.message or self.update.edited_message
        assert message is not None
        return message

    @property
    def topic_id(self) -> int | None:
        """Return the forum topic that the update came from; None outside topics."""
        update = self.update
        message = update.message or update.edited_message or (update.callback_query and update.callback_query.message)
        return message.topic_id if message else None

    @property
    def pressed_id(self) -> int | None:
        """Return the id of the message whose button was pressed; None if Telegram no longer reports it."""
        message = self.callback_query.message
        return message.message_id if message else None

    @property
    def callback_query(self) -> CallbackQuery:
        """Return the callback query. The update must be one."""
        assert self.update.callback_query is not None
        return self.update.callback_query

    @property
    def is_by_admin(self) -> bool:
        """Return whether the sender is an admin, in whatever chat."""
        return self.account is not None and self.account.is_admin

    @property
    def is_among_admins(self) -> bool:
        """Return whether the update comes from an admin's private chat, where nobody else reads the answer."""
        return self.chat_id > 0 and self.is_by_admin

    async def commit(self, change: Change[T]) -> T:
        """Store the effects and mark the update as handled, in one transaction. Call it once in a handling.

        Raises StorageError, and AlreadyHandledError if the update is marked already, with its effects stored.
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
        """Commit an update without effects before it is answered, so that a lost answer causes no second one.

        It also counts the sender as active. Raises as `commit` does.
        """
        await self.commit(lambda _db: None)

    async def reply(self, text: str, keyboard: Keyboard | None = None) -> Message:
        """Send an answer to the chat, in a group as a reply. Raises TelegramError."""
        asked = self.update.message or self.update.edited_message
        quote = asked.message_id if asked and self.chat_id < 0 else None
        return await self.said.once(
            lambda: self.api.send_message(
                self.chat_id, text, keyboard=keyboard, reply_to=quote, thread_id=self.topic_id
            )
        )

    async def send(self, text: str, keyboard: Keyboard | None = None, *, reply_to: int | None = None) -> None:
        """Send a message to the chat, as a reply only if `reply_to` is given. Raises TelegramError."""
        await self.said.once(
            lambda: self.api.send_message(
                self.chat_id, text, keyboard=keyboard, reply_to=reply_to, thread_id=self.topic_id
            )
        )

    async def edit_pressed(self, text: str, keyboard: Keyboard | None = None) -> None:
        """Edit the message whose button was pressed, if it still exists. Raises TelegramError."""
        message = self.callback_query.message
        if message is None:
            return
        try:
            await self.api.edit_message_text(self.chat_id, message.message_id, text, keyboard=keyboard)
        except MessageNotFoundError as error:
            log.info("the pressed message is not there any more", extra={"error": str(error)})

    async def answer(self, text: str | None = None, *, alert: bool = False) -> None:
        """Answer the callback query, which stops the button's spinner. Raises TelegramError.

        `text` is at most 200 characters, without markup; `alert` shows it in a dialog.
        """
        await self.said.once(lambda: self.api.answer_callback_query(self.callback_query.id, text, show_alert=alert))
