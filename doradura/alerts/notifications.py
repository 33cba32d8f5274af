"""Sends one notification: a message, an edit or a reply about an incident in one chat.

A row of the outbox asks for it, and is deleted once Telegram has answered. An error of the Bot API leaves the row as it
was and is raised; `delivery` decides what follows.
"""

from __future__ import annotations

import html
import logging
from functools import partial

from doradura.alerts.rendering import AlertRenderer
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Change, Connection, Storage, StorageError, alerts, outbox
from doradura.storage.alerts import CardView
from doradura.storage.outbox import Waiting
from doradura.storage.persistence import write_until_stored
from doradura.telegram.client import BotApi
from doradura.telegram.errors import (
    CHAT_CLOSED,
    BadRequestError,
    ChatNotFoundError,
    NotAllowedError,
    TelegramError,
    TopicNotFoundError,
    UnconfirmedError,
    UnexpectedResultError,
)
from doradura.telegram.types import Keyboard, Message
from doradura.telegram.units import shorten

log = logging.getLogger(__name__)

VIEW_LIMIT = 120
"""The most incidents that are loaded for one message; it has no room for more."""
CALL_SECONDS = 20.0
"""How long one call may take with its retries; after that the outbox tries again."""
BARE_UNITS = 1000
CLOSED = (*CHAT_CLOSED, NotAllowedError, TopicNotFoundError)
"""Errors after which a chat accepts no alert at all until a person changes something there or in the settings."""


def may_have_been_done(error: TelegramError) -> bool:
    """Return whether a call that raised this may have taken effect."""
    return isinstance(error, UnconfirmedError) or getattr(error, "unconfirmed", False)


class Notifier:
    """Sends what the outbox's rows ask for."""

    def __init__(self, api: BotApi, storage: Storage, metrics: Metrics, texts: AlertRenderer, *, clock: Clock) -> None:
        self._clock = clock
        self._api = api
        self._storage = storage
        self._metrics = metrics
        self._texts = texts

    async def send(self, row: Waiting) -> None:
        """Send one notification and delete its row. Raises TelegramError and StorageError.

        Cancelled in the middle, the row stays and the notification is sent again at the next start.
        """
        view = await self._storage.read(lambda db: alerts.view(db, row.card_id, VIEW_LIMIT))
        if view.is_quiet and row.tries:
            # It may be in the chat. Nobody has to act on it, so a start that is killed again and again repeats nothing.
            await self._record(lambda db: outbox.finish(db, row))
            return
        if row.kind != "card":
            await self._reply(row, view)
        elif row.message_id is None or not await self._edit(row, row.message_id, view):
            await self._send_new(row, view)
        self._metrics.alert_delivery_lag.observe(max(0.0, (self._clock() - row.stored_ms) / 1000))

    async def _send_new(self, row: Waiting, view: CardView) -> None:
        message_id = await self._message(row, view, self._text(view), reply_to=None, keyboard=self._keyboard(view))

        def done(db: Connection) -> None:
            if message_id is not None:
                outbox.put_message(db, row, message_id, self._clock())
            outbox.finish(db, row)

        await self._record(done)

    async def _edit(self, row: Waiting, message_id: int, view: CardView) -> bool:
        """Edit the message. Return False if it is gone or can't be edited, so that a new one is needed."""
        try:
            await self._api.edit_message_text(
                row.chat_id,
                message_id,
                self._text(view),
                keyboard=self._keyboard(view),
                deadline_seconds=CALL_SECONDS,
                priority="alert",
            )
        except ChatNotFoundError:
            raise
        except BadRequestError as error:
            log.info("an alert's message can't be edited", extra={"chat": row.chat_id, "error": str(error)})
            return False
        self._metrics.alert_deliveries.labels(outcome="edited").inc()
        await self._record(lambda db: outbox.finish(db, row))
        return True

    async def _reply(self, row: Waiting, view: CardView) -> None:
        """Reply to the incident's message, which makes a sound. No reply if it has no message, rang since, or ended."""
        rings = row.kind == "return" or (view.firing > 0 and (row.told_ms or 0) < row.stored_ms)
        if row.message_id is not None and rings:
            text = self._texts.back(view) if row.kind == "return" else self._texts.reminder(view, self._clock())
            # A reminder stands far below the message it replies to, so it gets buttons of its own.
            keyboard = self._keyboard(view) if row.kind == "reminder" else None
            await self._message(row, view, text, reply_to=row.message_id, keyboard=keyboard)

        def done(db: Connection) -> None:
            outbox.remember_ring(db, row, self._clock())
            outbox.finish(db, row)

        await self._record(done)

    async def _record(self, change: Change[None]) -> None:
        """Store that a notification was sent, trying until it is stored: otherwise it would be sent again."""
        await write_until_stored(self._storage, change, what="an alert that was sent")

    async def _message(
        self, row: Waiting, view: CardView, text: str, *, reply_to: int | None, keyboard: Keyboard | None = None
    ) -> int | None:
        """Send a new message and return its id; None if Telegram's answer doesn't contain it.

        Repeating this call can leave a second message in the chat, which no other call here can. Therefore its start is
        stored before it, and its certain failure after it. A start after one without a known end counts as `retried`.
        """
        await self._storage.write(lambda db: outbox.begin(db, row.notice_id))
        if row.tries:
            self._metrics.alert_deliveries.labels(outcome="retried").inc()
        try:
            message = await self._message_once(row, view, text, reply_to=reply_to, keyboard=keyboard)
        except UnexpectedResultError as error:
            # The message was sent, but its id is not known. The next change needs a new message.
            log.warning("an alert's message is not known", extra={"chat": row.chat_id, "error": str(error)})
            return None
        except TelegramError as error:
            if not may_have_been_done(error):
                await self._note_not_sent(row)
            raise
        self._metrics.alert_deliveries.labels(outcome="sent").inc()
        return message.message_id

    async def _message_once(
        self, row: Waiting, view: CardView, text: str, *, reply_to: int | None, keyboard: Keyboard | None
    ) -> Message:
        send = partial(
            self._api.send_message,
            row.chat_id,
            thread_id=row.topic_id or None,
            reply_to=reply_to,
            silent=view.is_quiet,
            repeat_unconfirmed=False,
            deadline_seconds=CALL_SECONDS,
            priority="alert",
        )
        try:
            return await send(text, keyboard=keyboard)
        except (UnexpectedResultError, *CLOSED):
            raise
        except BadRequestError as error:
            log.warning("an alert is sent in its bare form", extra={"chat": row.chat_id, "error": str(error)})
            return await send(shorten(self._texts.bare(view), BARE_UNITS), parse_mode=None)

    async def _note_not_sent(self, row: Waiting) -> None:
        """Store that no message was sent. If that fails, the metric counts one repeat too many."""
        try:
            await self._storage.write(lambda db: outbox.not_sent(db, row.notice_id))
        except StorageError as error:
            log.warning("can't store that an alert was not sent", extra={"error": str(error)})

    def _keyboard(self, view: CardView) -> Keyboard | None:
        """Return the message's buttons. A barrier: if they can't be made, the alert is sent without them."""
        try:
            return self._texts.keyboard(view)
        except Exception:  # the barrier named above
            log.exception("an alert's buttons failed")
            self._metrics.errors.labels(category="alert").inc()
            return None

    def _text(self, view: CardView) -> str:
        """Return the message's text. A barrier: if rendering fails, the alert is sent in its bare form."""
        try:
            return self._texts.message(view)
        except Exception:  # the barrier named above
            log.exception("an alert's text failed", extra={"names": [item.alertname for item in view.incidents[:5]]})
            self._metrics.errors.labels(category="alert").inc()
            return html.escape(shorten(self._texts.bare(view), BARE_UNITS), quote=False)
