"""The Bot API for the rest of the program: one typed method each; harmless refusals count as success.

Every method raises the errors of `errors`. A cancelled call may or may not have taken effect.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, TypeVar

import httpx
import msgspec
import trio

from doradura.telegram.answers import read_result
from doradura.telegram.caller import DEADLINE_SECONDS, Caller
from doradura.telegram.connections import ConnectionPool, check_address, quiet_http_loggers, transport_maker
from doradura.telegram.coordination import Coordination
from doradura.telegram.entities import plain_text
from doradura.telegram.errors import (
    BadRequestError,
    EntityParseError,
    MessageNotFoundError,
    MessageNotModifiedError,
    QueryTooOldError,
    WrongFileIdError,
)
from doradura.telegram.lengths import CAPTION_UNITS, cut_text, split_text
from doradura.telegram.media import Media, MediaParts, Upload, edit_parts, send_parts
from doradura.telegram.observer import TelegramObserver
from doradura.telegram.pacing import Priority
from doradura.telegram.parameters import ChatAction, chat_scope, given, markup, reply
from doradura.telegram.types import BotCommand, Keyboard, Message, User

logger = logging.getLogger(__name__)

PRE_CHECKOUT_SECONDS = 10.0
"""After this time Telegram refuses the payment itself."""
CHAT_ACTION_SECONDS = 20.0
"""Telegram shows an action for 5 s; sent later than this, it is useless."""
UPLOADS = 4
"""The most uploads at once, on connections of their own."""
POLL_MARGIN_SECONDS = 15.0
"""How much longer than the poll itself its answer may take."""

_T = TypeVar("_T")


class BotApi:
    """One bot's Bot API, made by `open_bot_api`. Any number of tasks may use it at once."""

    def __init__(self, caller: Caller, *, local_files: bool = False) -> None:
        self._caller = caller
        self._local_files = local_files

    async def call(
        self,
        method: str,
        parameters: Mapping[str, object],
        result: type[_T],
        *,
        chat_id: int | None = None,
        kind: Literal["send", "edit", "other"] = "other",
        deadline_seconds: float = DEADLINE_SECONDS,
        repeat_unconfirmed: bool | None = None,
        priority: Priority = "reply",
    ) -> _T:
        """Call any method without files and decode its result as `result`; parameters that are None are left out.

        For methods that have no function here. `repeat_unconfirmed` and `priority` are those of `Caller.call`.
        """
        raw = await self._caller.call(
            method,
            given(parameters),
            chat_id=chat_id,
            kind=kind,
            deadline_seconds=deadline_seconds,
            repeat_unconfirmed=repeat_unconfirmed,
            priority=priority,
        )
        assert raw is not None  # only edits that name their message can be superseded
        return read_result(method, raw, result)

    async def get_me(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> User:
        """Return the bot's own user. Raises TokenRefusedError if the token is wrong."""
        return await self.call("getMe", {}, User, deadline_seconds=deadline_seconds)

    async def get_updates(
        self, *, offset: int | None, timeout_seconds: int, allowed_updates: Sequence[str]
    ) -> list[msgspec.Raw]:
        """Wait up to `timeout_seconds` for updates and return them undecoded, oldest first.

        This makes one attempt on its own connection and never retries: the poller does that. `offset` confirms every
        update below it.
        """
        parameters = {"offset": offset, "timeout": timeout_seconds, "allowed_updates": allowed_updates}
        raw = await self._caller.poll(given(parameters), read_seconds=timeout_seconds + POLL_MARGIN_SECONDS)
        return read_result("getUpdates", raw, list[msgspec.Raw])

    async def delete_webhook(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Remove a webhook, which would block polling. Waiting updates are kept: there may be payments among them."""
        await self.call("deleteWebhook", {}, bool, deadline_seconds=deadline_seconds)

    async def set_my_commands(self, commands: Sequence[BotCommand], *, chat_id: int | None = None) -> None:
        """Set the menu of commands for everybody, or with `chat_id` for that chat only.

        Raises ChatNotFoundError for a chat that Telegram does not know, such as a user who never wrote to the bot.
        """
        await self.call("setMyCommands", {"commands": commands, "scope": chat_scope(chat_id)}, bool)

    async def delete_my_commands(self, *, chat_id: int) -> None:
        """Remove a chat's own menu, so that it shows the common one. Raises as `set_my_commands` does."""
        await self.call("deleteMyCommands", {"scope": chat_scope(chat_id)}, bool)

    async def send_message(
        self,
        chat_id: int,
        text: str,
        *,
        keyboard: Keyboard | None = None,
        reply_to: int | None = None,
        thread_id: int | None = None,
        parse_mode: Literal["HTML"] | None = "HTML",
        silent: bool = False,
        repeat_unconfirmed: bool = True,
        deadline_seconds: float = DEADLINE_SECONDS,
        priority: Priority = "reply",
    ) -> Message:
        """Send a text without a link preview and return the message.

        A text that is too long is sent in several messages. The first message is the reply; the last has the buttons
        and is returned. With `repeat_unconfirmed` a message may arrive twice if an answer is lost; without it,
        UnconfirmedError is raised instead. If Telegram cannot read the markup, the text is sent without it.
        """
        common: dict[str, object] = {
            "chat_id": chat_id,
            "message_thread_id": thread_id,
            "link_preview_options": {"is_disabled": True},
            "disable_notification": silent or None,
        }

        async def send(text: str, mode: Literal["HTML"] | None, more: Mapping[str, object]) -> Message:
            return await self.call(
                "sendMessage",
                {**common, **more, "text": text, "parse_mode": mode},
                Message,
                chat_id=chat_id,
                kind="send",
                deadline_seconds=deadline_seconds,
                repeat_unconfirmed=repeat_unconfirmed,
                priority=priority,
            )

        async def send_piece(text: str, more: Mapping[str, object]) -> Message:
            try:
                return await send(text, parse_mode, more)
            except EntityParseError as exc:
                if parse_mode is None:
                    raise
                _log_plain(exc)
                return await send(cut_text(plain_text(text), markup=False), None, more)

        *before, last = split_text(text, markup=parse_mode is not None)
        for index, piece in enumerate(before):
            await send_piece(piece, reply(None if index else reply_to))
        return await send_piece(last, {**reply(None if before else reply_to), **markup(keyboard)})

    async def edit_message_text(
        self,
        chat_id: int,
        message_id: int,
        text: str,
        *,
        keyboard: Keyboard | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        priority: Priority = "reply",
    ) -> None:
        """Replace a message's text (HTML, cut if too long) and its keyboard; without a keyboard the buttons disappear.

        It is a success if the message already has this content, or if a newer edit arrived while this one waited: then
        this one is not sent. Raises MessageNotFoundError if there is no such message.
        """
        parameters: dict[str, object] = {
            "chat_id": chat_id,
            "message_id": message_id,
            "link_preview_options": {"is_disabled": True},
            **markup(keyboard),
        }

        async def edit(text_and_mode: Mapping[str, object]) -> None:
            with contextlib.suppress(MessageNotModifiedError):
                await self._caller.call(
                    "editMessageText",
                    {**given(parameters), **text_and_mode},
                    chat_id=chat_id,
                    kind="edit",
                    deadline_seconds=deadline_seconds,
                    priority=priority,
                    edits=(chat_id, message_id),
                    lasting=False,
                )

        try:
            await edit({"text": cut_text(text), "parse_mode": "HTML"})
        except EntityParseError as exc:
            _log_plain(exc)
            await edit({"text": cut_text(plain_text(text), markup=False)})

    async def edit_message_media(self, chat_id: int, message_id: int, media: Media) -> Message:
        """Replace a message's content by a file and return the message. It is repeated.

        Twice has the same effect as once. Raises MessageNotModifiedError if that very file is there already, since
        Telegram then returns no message.
        """
        return await self._with_media(
            "editMessageMedia", {"chat_id": chat_id, "message_id": message_id}, media, edit_parts
        )

    async def send_media(
        self, chat_id: int, media: Media, *, reply_to: int | None = None, thread_id: int | None = None
    ) -> Message:
        """Send an audio, a video, a document or a photo, and return the message with its file_id.

        It is never repeated once it may have arrived: then UnconfirmedError is raised at once. An upload may take 60 s
        plus one second per 128 KiB, counted from when one of the upload connections is free.
        """
        parameters: dict[str, object] = {"chat_id": chat_id, "message_thread_id": thread_id, **reply(reply_to)}
        return await self._with_media(media.method, parameters, media, send_parts)

    async def delete_message(self, chat_id: int, message_id: int) -> None:
        """Delete a message; it is a success if the message does not exist any more."""
        with contextlib.suppress(MessageNotFoundError):
            await self.call("deleteMessage", {"chat_id": chat_id, "message_id": message_id}, bool, chat_id=chat_id)

    async def answer_callback_query(self, query_id: str, text: str | None = None, *, show_alert: bool = False) -> None:
        """End the spinner on a pressed button, with or without a notice. Too late is a success.

        Nobody is waiting by then.
        """
        parameters = {"callback_query_id": query_id, "text": text, "show_alert": show_alert or None}
        with contextlib.suppress(QueryTooOldError):
            await self.call("answerCallbackQuery", parameters, bool)

    async def answer_pre_checkout_query(self, query_id: str, *, error: str | None) -> None:
        """Let a payment continue, or say why not. Too late is a success.

        Telegram has refused the payment itself by then.
        """
        parameters = {"pre_checkout_query_id": query_id, "ok": error is None, "error_message": error}
        with contextlib.suppress(QueryTooOldError):
            await self.call("answerPreCheckoutQuery", parameters, bool, deadline_seconds=PRE_CHECKOUT_SECONDS)

    async def send_chat_action(
        self,
        chat_id: int,
        action: ChatAction = "typing",
        *,
        thread_id: int | None = None,
        priority: Priority = "reply",
    ) -> None:
        """Show for 5 s what the bot is doing."""
        await self.call(
            "sendChatAction",
            given({"chat_id": chat_id, "action": action, "message_thread_id": thread_id}),
            bool,
            chat_id=chat_id,
            deadline_seconds=CHAT_ACTION_SECONDS,
            priority=priority,
        )

    async def _with_media(
        self,
        method: str,
        parameters: Mapping[str, object],
        media: Media,
        parts: Callable[..., MediaParts],
    ) -> Message:
        """Send or edit a media message; a caption whose markup Telegram cannot read is sent as plain text.

        A file that a --local server cannot read itself (another user's, another container's) is uploaded.
        """
        if media.caption is not None:
            media = replace(media, caption=cut_text(media.caption, CAPTION_UNITS))
        send = partial(self._media_once, method, given(parameters))
        by_address, plain = self._local_files and isinstance(media.file, Upload), False
        while True:
            try:
                return await send(parts(media, local_files=by_address, plain=plain))
            except EntityParseError as exc:
                if media.caption is None or plain:
                    raise
                _log_plain(exc)
                media, plain = replace(media, caption=plain_text(media.caption)), True
            except BadRequestError as exc:
                if not by_address or type(exc) not in (BadRequestError, WrongFileIdError):
                    raise
                logger.warning("%s: uploaded, as the server did not read the file: %s", method, exc.description)
                by_address = False

    async def _media_once(self, method: str, parameters: Mapping[str, object], parts: MediaParts) -> Message:
        chat_id, message_id = parameters["chat_id"], parameters.get("message_id")
        assert isinstance(chat_id, int)
        edits = (chat_id, message_id) if isinstance(message_id, int) else None
        raw: msgspec.Raw | None
        if parts.heavy is not None:
            raw = await self._caller.upload(method, parameters, parts, chat_id=chat_id, edits=edits)
        else:
            raw = await self._caller.call(
                method,
                {**parameters, **parts.parameters},
                chat_id=chat_id,
                kind="edit" if method.startswith("edit") else "send",
                priority="file",
                edits=edits,
            )
        assert raw is not None  # lasting: the message is needed
        return read_result(method, raw, Message)


@contextlib.asynccontextmanager
async def open_bot_api(
    token: str,
    *,
    api_url: str = "https://api.telegram.org",
    observer: TelegramObserver,
    local_files: bool = False,
    connections: int = 16,
    draw: Callable[[], float] = random.random,
    make_transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    coordination: Coordination | None = None,
) -> AsyncIterator[BotApi]:
    """Open a client for one bot; its connections are closed at the end. It connects only when something is called.

    `local_files` is for a server that runs with --local and reads files itself. At most `connections` small requests
    and `UPLOADS` uploads run at once, on separate connections, so that no upload delays a reply. `draw` returns random
    numbers from 0 to 1; `make_transport` replaces the network in tests. All clients of one bot share `coordination`,
    because Telegram counts what they send together. Raises ValueError for an address that is not HTTP.
    """
    check_address(api_url)
    quiet_http_loggers()
    # Uploads never use an idle connection: if the server closed it at that moment, a request small enough to be written
    # whole would remain unconfirmed.
    replies = ConnectionPool(connections, make_transport or transport_maker(api_url, keepalive_seconds=30))
    uploads = ConnectionPool(UPLOADS, make_transport or transport_maker(api_url, keepalive_seconds=0))
    polls = ConnectionPool(1, make_transport or transport_maker(api_url, keepalive_seconds=30))
    caller = Caller(
        token,
        api_url=api_url,
        observer=observer,
        replies=replies,
        uploads=uploads,
        polls=polls,
        readers=trio.CapacityLimiter(UPLOADS),
        draw=draw,
        coordination=coordination or Coordination(),
    )
    try:
        yield BotApi(caller, local_files=local_files)
    finally:
        for pool in (replies, uploads, polls):
            await pool.aclose()


def _log_plain(exc: EntityParseError) -> None:
    logger.warning("%s: sent without markup, which Telegram could not read: %s", exc.method, exc.description)
