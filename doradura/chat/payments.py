"""Payments, although nothing is sold: refused before they are made, and reported to the admins if one was made."""

from __future__ import annotations

import logging

from doradura.alerts.notes import Note, add_note
from doradura.chat.handling import Handling
from doradura.chat.texts import Catalogues
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Connection
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi

log = logging.getLogger(__name__)


class UnsoldPayments:
    """Refuses payments, and reports those that were made all the same."""

    def __init__(self, api: BotApi, catalogues: Catalogues, metrics: Metrics, ids: IdMaker, clock: Clock) -> None:
        self._api = api
        self._catalogues = catalogues
        self._metrics = metrics
        self._ids = ids
        self._clock = clock

    async def pre_checkout(self, handling: Handling) -> None:
        """Refuse a payment before it is made. Telegram wants the answer within ten seconds. Raises TelegramError."""
        query = handling.update.pre_checkout_query
        assert query is not None
        await self._api.answer_pre_checkout_query(query.id, error=handling.texts.plain("payment.nothing_sold"))

    async def subscription(self, handling: Handling) -> None:
        """Log a change of a paid subscription, as we don't sell any."""
        change = handling.update.subscription
        assert change is not None
        log.warning("a subscription we don't have changed", extra={"user": change.user.id, "state": change.state})

    async def paid_or_refunded(self, handling: Handling) -> bool:
        """Report a payment or a refund to its payer and to the admins. Return False if the message is about neither.

        The admins' note is stored in the update's transaction, so it is sent once. The payer is answered after that.
        Raises StorageError and TelegramError.
        """
        message = handling.message
        payment = message.successful_payment or message.refunded_payment
        if payment is None:
            return False
        paid = message.successful_payment is not None
        english = self._catalogues.for_language(None)
        words = english.plain(
            "admin.paid" if paid else "admin.refunded",
            user=handling.user_id,
            amount=payment.total_amount,
            currency=payment.currency,
            charge=payment.telegram_payment_charge_id,
        )
        note = Note(alertname="UnexpectedPayment", summary=words, severity_rank=1)

        def change(db: Connection) -> None:
            add_note(db, note, new_id=self._ids.new, now_ms=self._clock())

        await handling.commit(change)
        log.error(
            "money moved although nothing is sold", extra={"update": handling.update_id, "paid": paid, "what": words}
        )
        self._metrics.errors.labels(category="payment").inc()
        await handling.reply(
            handling.texts(
                "payment.paid" if paid else "payment.refunded",
                amount=f"{payment.total_amount} {payment.currency}",
                charge=payment.telegram_payment_charge_id,
            )
        )
        return True
