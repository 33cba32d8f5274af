"""The way of a file to the user: sent once, where that can be known.

A request that was sent whole and never answered leaves it unknown whether the user has the file. Then, and when a
kill cut the sending off, the file is put into the progress message instead (an edit can be repeated without harm);
only where there is no such message it is sent once more. A repeat is possible there alone, and counted.
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
"""Telegram shows a chat action for 5 s."""

_ACTIONS: Mapping[MediaKind, ChatAction] = {
    "audio": "upload_voice",
    "video": "upload_video",
    "document": "upload_document",
    "photo": "upload_photo",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """The file is with the user."""

    file_id: str
    """Empty where Telegram did not say it."""
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
        settle: Callable[[], Awaitable[int | None]],
        maybe_sent: bool,
        size_bytes: int,
        wait: Callable[[float], Awaitable[None]] = trio.sleep,
    ) -> Sent:
        """Send a file, going on through outages until cancelled by the job's deadline.

        `wait` sleeps for as long as Telegram told this chat to wait, in the task that called.
        `settle` gives the progress message, which nobody else edits from then on; it is asked only when the file has to
        go there. `maybe_sent` says that an earlier sending ended unknown. Raises what no repeat mends: CHAT_CLOSED,
        TooLargeError, WrongFileIdError, BadRequestError, UnconfirmedError (unknown for the second time).
        """
        started = trio.current_time()
        end: Sent | TelegramError
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show_action, chat_id, _ACTIONS[media.kind])
            try:
                end = await self._send(
                    *(chat_id, media, wait),
                    reply_to=reply_to,
                    thread_id=thread_id,
                    settle=settle,
                    maybe_sent=maybe_sent,
                )
            except TelegramError as error:  # out of the nursery it would come wrapped into a group
                end = error
            nursery.cancel_scope.cancel()
        if isinstance(end, TelegramError):
            raise end
        if isinstance(media.file, Upload):
            self._metrics.upload_duration.labels(kind=media.kind).observe(trio.current_time() - started)
            self._metrics.upload_bytes.inc(size_bytes)
        return end

    async def _send(
        self,
        chat_id: int,
        media: Media,
        wait: Callable[[float], Awaitable[None]],
        *,
        reply_to: int | None,
        thread_id: int | None,
        settle: Callable[[], Awaitable[int | None]],
        maybe_sent: bool,
    ) -> Sent:
        if not maybe_sent:
            try:
                return await self._send_new(chat_id, media, wait, reply_to, thread_id)
            except UnconfirmedError as error:
                log.warning("file sent, answer never came", extra={"chat": chat_id, "error": str(error)})
        self._metrics.deliveries_unconfirmed.inc()
        message_id = await settle()
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
                    return  # told to be quiet: an action is not worth asking again and again
            except TelegramError as error:
                log.debug("chat action not shown", extra={"error": str(error)})
            await trio.sleep(ACTION_INTERVAL_SECONDS)
