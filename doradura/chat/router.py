"""Finds the conversation that an update belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

from doradura.chat.callback_data import TooOldError
from doradura.chat.conversation import Buttons, Command, Conversation, parse_command
from doradura.chat.conversations import Conversations
from doradura.chat.groups import Groups
from doradura.chat.handling import Handling
from doradura.chat.menus import CommandMenus
from doradura.chat.payments import UnsoldPayments
from doradura.storage import Storage, chats
from doradura.telegram.types import Message


class Router:
    """Passes updates to their conversations."""

    def __init__(  # noqa: PLR0917 - the parts that it passes updates to
        self,
        conversations: Conversations,
        groups: Groups,
        payments: UnsoldPayments,
        menus: CommandMenus,
        storage: Storage,
        username: Callable[[], str],
    ) -> None:
        self._downloads = conversations.downloads
        self._groups = groups
        self._payments = payments
        self._menus = menus
        self._storage = storage
        self._username = username
        self._commands: Mapping[str, tuple[Conversation, Command]] = {
            command.word: (conversation, command) for conversation in conversations for command in conversation.COMMANDS
        }
        self._buttons: Mapping[str, tuple[Conversation, Buttons]] = {
            buttons.word: (conversation, buttons) for conversation in conversations for buttons in conversation.BUTTONS
        }

    async def route(self, handling: Handling) -> None:
        """Pass an update to its conversation. Raises what the conversation raises."""
        for kind, answer in self.HANDLERS.items():
            if getattr(handling.update, kind) is not None:
                await answer(self, handling)

    async def _message(self, handling: Handling) -> None:
        if await self._groups.moved(handling) or await self._payments.paid_or_refunded(handling):
            return
        await self._asked(handling, edited=False)
        if handling.is_among_admins:
            # The admin's chat is open, so alerts that it refused before are sent at once.
            await self._storage.write(lambda db: chats.opened(db, handling.chat_id))
            await self._menus.set_for(handling.chat_id)

    async def _edited(self, handling: Handling) -> None:
        """Answer what an edit added to a message. What the message had already started goes on and isn't repeated."""
        await self._asked(handling, edited=True)

    async def _asked(self, handling: Handling, *, edited: bool) -> None:
        message = handling.message
        if not _is_somebody(message):
            return
        text = message.text or message.caption
        if text is None:
            if message.is_content and not edited and handling.chat_id > 0:
                await handling.reply(handling.texts("unknown.attachment"))
            return
        parsed = parse_command(text, self._username())
        found = None if parsed is None else self._open_to(handling, parsed[0])
        if parsed is not None:
            handling.command = found[1].word if found else "other"
        asked = message if handling.chat_id > 0 or found else self._groups.message_for_bot(handling)
        if asked is None:
            return
        if handling.user is None:
            await handling.reply(handling.texts("group.anonymous"))
        elif parsed is not None and found is not None:
            conversation, command = found
            if not (edited and await self._downloads.begun(handling)):
                await command.answer(conversation, handling, parsed[1])
        elif parsed is not None:
            await handling.reply(handling.texts("unknown.command"))
        else:
            await self._downloads.links_alone(handling, asked, edited=edited)

    def _open_to(self, handling: Handling, word: str) -> tuple[Conversation, Command] | None:
        """Return the command with its conversation; None if it doesn't exist for this sender in this chat."""
        found = self._commands.get(word)
        return None if found is not None and found[1].admin and not handling.is_among_admins else found

    async def _callback_query(self, handling: Handling) -> None:
        t, data = handling.texts, handling.callback_query.data or ""
        found = self._buttons.get(data.partition(":")[0])
        if found is None:
            await handling.answer(t.plain("press.unknown"), alert=True)
            return
        conversation, buttons = found
        try:
            await buttons.answer(conversation, handling, data)
        except TooOldError:
            await handling.answer(t.plain(buttons.too_old), alert=True)

    HANDLERS: ClassVar[Mapping[str, Callable[[Router, Handling], Awaitable[None]]]] = MappingProxyType(
        {
            "message": _message,
            "edited_message": _edited,
            "callback_query": _callback_query,
            "my_chat_member": lambda self, handling: self._groups.membership(handling),
            "pre_checkout_query": lambda self, handling: self._payments.pre_checkout(handling),
            "subscription": lambda self, handling: self._payments.subscription(handling),
        }
    )


HANDLED_UPDATES = tuple(Router.HANDLERS)
"""The kinds of updates that Telegram is asked to send."""


def _is_somebody(message: Message) -> bool:
    """Return whether a person or a chat wrote the message, rather than a bot or a channel's automatic forward."""
    if message.from_user is None or message.is_automatic_forward:
        return False
    return message.sender_chat is not None or not message.from_user.is_bot
