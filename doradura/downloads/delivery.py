"""Delivers a file to a user, only once if that is possible at all.

If a request was sent completely and never answered, nobody knows whether the user has the file. In that case, and if
the process was killed while it sent the file, the file is put into the progress message instead, since an edit can be
repeated without harm. The file is sent again only if there is no such message. Each of these cases is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import trio

from doradura.metrics import Metrics
from doradura.telegram.client import BotApi
from doradura.telegram.errors import (
    BadRequestError,
    ChatNotFoundError,
    DeadlineExceededError,
    MessageNotModifiedError,
    TelegramError,
    UnconfirmedError,
    UnexpectedResultError,
    WrongFileIdError,
)
from doradura.telegram.media import Media, MediaKind, Upload
from doradura.telegram.outages import call_until_answered
from doradura.telegram.parameters import ChatAction

ACTION_INTERVAL_SECONDS = 4.0
"""How often the chat action is repeated. Telegram shows one for 5 s."""

_ACTIONS: Mapping[MediaKind, ChatAction] = {
    "audio": "upload_voice",
    "video": "upload_video",
    "document": "upload_document",
    "photo": "upload_photo",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """The user has the file."""

    file_id: str
    """Empty if Telegram's answer did not contain it."""
    in_progress_message: bool


class Delivery:
    """Sends files."""

    def __init__(self, api: BotApi, metrics: Metrics) -> None:
        self._api = api
        self._metrics = metrics

    async def send(
        self,
        chat_id: int,
        media: Media,
        *,
        reply_to: int | None,
        thread_id: int | None = None,
        hand_over: Callable[[], Awaitable[int | None]],
        maybe_sent: bool,
        size_bytes: int,
        wait: Callable[[float], Awaitable[None]] = trio.sleep,
    ) -> Sent:
        """Send a file of `size_bytes`. Outages are waited out until the job's deadline cancels this.

        `wait` sleeps, in the calling task, for the seconds that Telegram told this chat to wait. `hand_over` returns
        the id of the progress message, which nobody else edits afterwards; it is called only if the file has to go
        there. `maybe_sent` says that an earlier attempt may have delivered the file. Raises the errors that no repeat
        can solve: CHAT_CLOSED, TooLargeError, WrongFileIdError, BadRequestError, and UnconfirmedError if an upload
        remained unconfirmed for the second time. A cancelled upload may or may not have arrived.
        """
        started = trio.current_time()
        result: Sent | TelegramError
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show_action, chat_id, _ACTIONS[media.kind])
            try:
                result = await self._send(
                    *(chat_id, media, wait),
                    reply_to=reply_to,
                    thread_id=thread_id,
                    hand_over=hand_over,
                    maybe_sent=maybe_sent,
                )
            except TelegramError as error:  # the nursery would wrap it into an exception group
                result = error
            nursery.cancel_scope.cancel()
        if isinstance(result, TelegramError):
            raise result
        if isinstance(media.file, Upload):
            self._metrics.upload_duration.labels(kind=media.kind).observe(trio.current_time() - started)
            self._metrics.upload_bytes.inc(size_bytes)
        return result

    async def _send(
        self,
        chat_id: int,
        media: Media,
        wait: Callable[[float], Awaitable[None]],
        *,
        reply_to: int | None,
        thread_id: int | None,
        hand_over: Callable[[], Awaitable[int | None]],
        maybe_sent: bool,
    ) -> Sent:
        if not maybe_sent:
            try:
                return await self._send_new(chat_id, media, wait, reply_to, thread_id)
            except UnconfirmedError as error:
                log.warning("file sent, answer never came", extra={"chat": chat_id, "error": str(error)})
        self._metrics.deliveries_unconfirmed.inc()
        message_id = await hand_over()
        if message_id is not None:
            try:
                message = await call_until_answered(
                    lambda: self._api.edit_message_media(chat_id, message_id, media), wait=wait
                )
                return Sent(message.file_id or "", in_progress_message=True)
            except (WrongFileIdError, ChatNotFoundError):
                raise
            except (MessageNotModifiedError, UnexpectedResultError) as error:
                log.info("progress message has the file", extra={"chat": chat_id, "error": str(error)})
                return Sent("", in_progress_message=True)
            except BadRequestError as error:
                log.info("progress message can't take the file", extra={"chat": chat_id, "error": str(error)})
        return await self._send_new(chat_id, media, wait, reply_to, thread_id)

    async def _send_new(
        self,
        chat_id: int,
        media: Media,
        wait: Callable[[float], Awaitable[None]],
        reply_to: int | None,
        thread_id: int | None,
    ) -> Sent:
        try:
            message = await call_until_answered(
                lambda: self._api.send_media(chat_id, media, reply_to=reply_to, thread_id=thread_id), wait=wait
            )
        except UnexpectedResultError as error:
            log.warning("file sent, its message not understood", extra={"chat": chat_id, "error": str(error)})
            return Sent("", in_progress_message=False)
        return Sent(message.file_id or "", in_progress_message=False)

    async def _show_action(self, chat_id: int, action: ChatAction) -> None:
        while True:
            try:
                await self._api.send_chat_action(chat_id, action)
            except DeadlineExceededError as error:
                if error.retry_after_seconds is not None:
                    return  # Telegram told the bot to wait, and an action is not worth a repeat
            except TelegramError as error:
                log.debug("chat action not shown", extra={"error": str(error)})
            await trio.sleep(ACTION_INTERVAL_SECONDS)
