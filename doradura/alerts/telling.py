"""One telling: a waiting row becomes a message, an edit or a reply, and is taken away once Telegram has answered.

Raises what the Bot API raised, with the row as it was; the delivery decides what that means.
"""

from __future__ import annotations

import html
import logging
from functools import partial

import trio

from doradura.alerts.words import AlertWords
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Change, Connection, Storage, StorageError, alerts, outbox
from doradura.storage.alerts import CardView
from doradura.storage.outbox import Waiting
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
"""More incidents of one card are never shown: a message has no room for them."""
CALL_SECONDS = 20.0
"""How long one call may try by itself; the outbox tries again after it."""
BARE_UNITS = 1000
RECORD_SECONDS = 1.0
CLOSED = (*CHAT_CLOSED, NotAllowedError, TopicNotFoundError)
"""A chat takes no alert, whatever it says, until a person changes something there or in the settings."""


def may_have_been_done(error: TelegramError) -> bool:
    """Whether a call that ended so may be in the chat all the same."""
    return isinstance(error, UnconfirmedError) or getattr(error, "unconfirmed", False)


class Telling:
    """Carries out what an outbox's row asks for."""

    def __init__(self, api: BotApi, storage: Storage, metrics: Metrics, words: AlertWords, *, clock: Clock) -> None:
        self._clock = clock
        self._api = api
        self._storage = storage
        self._metrics = metrics
        self._words = words

    async def tell(self, row: Waiting) -> None:
        """Tell one thing. Raises TelegramError and StorageError."""
        view = await self._storage.read(lambda db: alerts.view(db, row.card_id, VIEW_LIMIT))
        if view.is_quiet and row.tries:
            # It may be in the chat. Nobody has to act on it, so a start that is killed again and again repeats nothing.
            await self._record(lambda db: outbox.finish(db, row))
            return
        if row.kind != "card":
            await self._reply(row, view)
        elif row.message_id is None or not await self._edit(row, row.message_id, view):
            await self._send(row, view)
        self._metrics.alert_delivery_lag.observe(max(0.0, (self._clock() - row.stored_ms) / 1000))

    async def _send(self, row: Waiting, view: CardView) -> None:
        message_id = await self._message(row, view, self._card(view), reply_to=None, keyboard=self._keyboard(view))

        def done(db: Connection) -> None:
            if message_id is not None:
                outbox.put_message(db, row, message_id, self._clock())
            outbox.finish(db, row)

        await self._record(done)

    async def _edit(self, row: Waiting, message_id: int, view: CardView) -> bool:
        """Change the message; False when it is not there any more or can't be changed: then a new one is needed."""
        try:
            await self._api.edit_message_text(
                row.chat_id,
                message_id,
                self._card(view),
                keyboard=self._keyboard(view),
                deadline_seconds=CALL_SECONDS,
                priority="alert",
            )
        except ChatNotFoundError:
            raise
        except BadRequestError as error:
            log.info("an alert's message is not to be edited", extra={"chat": row.chat_id, "error": str(error)})
            return False
        self._metrics.alert_deliveries.labels(outcome="edited").inc()
        await self._record(lambda db: outbox.finish(db, row))
        return True

    async def _reply(self, row: Waiting, view: CardView) -> None:
        """Ring for a card that is shown; for one that is not, or rang since, or has ended, nothing is to be said."""
        rings = row.kind == "return" or (view.firing > 0 and (row.told_ms or 0) < row.stored_ms)
        if row.message_id is not None and rings:
            text = self._words.back(view) if row.kind == "return" else self._words.reminder(view, self._clock())
            # A reminder is acted on where it is read: far below the message it replies to.
            keyboard = self._keyboard(view) if row.kind == "reminder" else None
            await self._message(row, view, text, reply_to=row.message_id, keyboard=keyboard)

        def done(db: Connection) -> None:
            outbox.remember_ring(db, row, self._clock())
            outbox.finish(db, row)

        await self._record(done)

    async def _record(self, change: Change[None]) -> None:
        """Note what was told, however long the database takes: forgotten, it would be told again."""
        while True:
            try:
                return await self._storage.write(change)
            except StorageError as error:
                log.warning("an alert that was told is not noted yet", extra={"error": str(error)})
            await trio.sleep(RECORD_SECONDS)

    async def _message(
        self, row: Waiting, view: CardView, text: str, *, reply_to: int | None, keyboard: Keyboard | None = None
    ) -> int | None:
        """Send a new message and return its id; in a bare form when Telegram can't take the other.

        The only call here that repeated leaves a second message: it is noted before, and after one that certainly left
        none. What is begun over a sending whose end is not known is counted as `retried`.
        """
        await self._storage.write(lambda db: outbox.begin(db, row.notice_id))
        if row.tries:
            self._metrics.alert_deliveries.labels(outcome="retried").inc()
        try:
            message = await self._message_once(row, view, text, reply_to=reply_to, keyboard=keyboard)
        except UnexpectedResultError as error:
            # It was done; what we don't get to know is where. The next change is told by a new message.
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
            log.warning("an alert is told barely", extra={"chat": row.chat_id, "error": str(error)})
            return await send(shorten(self._words.bare(view), BARE_UNITS), parse_mode=None)

    async def _note_not_sent(self, row: Waiting) -> None:
        """Note it if that can be noted: if not, a repeat is counted that was none."""
        try:
            await self._storage.write(lambda db: outbox.not_sent(db, row.notice_id))
        except StorageError as error:
            log.warning("an alert that was not sent is not noted", extra={"error": str(error)})

    def _keyboard(self, view: CardView) -> Keyboard | None:
        """Return the message's buttons. A barrier: an alert is told, if need be without them."""
        try:
            return self._words.keyboard(view)
        except Exception:  # the barrier named above
            log.exception("an alert's buttons failed")
            self._metrics.errors.labels(category="alert").inc()
            return None

    def _card(self, view: CardView) -> str:
        """Return the message's text. A barrier: an alert whose words break is told barely."""
        try:
            return self._words.card(view)
        except Exception:  # the barrier named above
            log.exception("an alert's words failed", extra={"names": [item.alertname for item in view.incidents[:5]]})
            self._metrics.errors.labels(category="alert").inc()
            return html.escape(shorten(self._words.bare(view), BARE_UNITS), quote=False)
