"""Money that comes although nothing is sold: refused before it is paid, and never passed over in silence after."""

from __future__ import annotations

import logging

from doradura.alerts.notes import Note, add_note
from doradura.chat.turn import Turn
from doradura.storage import Connection

log = logging.getLogger(__name__)


async def pre_checkout(turn: Turn) -> None:
    """Say no, kindly, within Telegram's ten seconds: no invoice of ours is open."""
    query = turn.update.pre_checkout_query
    assert query is not None
    await turn.parts.api.answer_pre_checkout_query(query.id, error=turn.texts.plain("payment.nothing_sold"))


async def subscription(turn: Turn) -> None:
    """Note a change of a paid subscription; none is ours."""
    change = turn.update.subscription
    assert change is not None
    log.warning("a subscription we don't have changed", extra={"user": change.user.id, "state": change.state})


async def paid_or_refunded(turn: Turn) -> bool:
    """Tell the payer and every admin of money that moved; False when the message is about none.

    The admins' note is stored with the update, so it is told once; the payer is told after it.
    """
    message = turn.message
    payment = message.successful_payment or message.refunded_payment
    if payment is None:
        return False
    paid = message.successful_payment is not None
    english = turn.parts.catalogues.for_language(None)
    words = english.plain(
        "admin.paid" if paid else "admin.refunded",
        user=turn.user.id if turn.user else turn.chat_id,
        amount=payment.total_amount,
        currency=payment.currency,
        charge=payment.telegram_payment_charge_id,
    )
    note = Note(alertname="UnexpectedPayment", summary=words, severity_rank=1)

    def change(db: Connection) -> None:
        add_note(db, note, new_id=turn.parts.ids.new, now_ms=turn.parts.clock())

    await turn.commit(change)
    log.error("money moved although nothing is sold", extra={"update": turn.update_id, "paid": paid, "what": words})
    turn.parts.metrics.errors.labels(category="payment").inc()
    await turn.reply(
        turn.texts(
            "payment.paid" if paid else "payment.refunded",
            amount=f"{payment.total_amount} {payment.currency}",
            charge=payment.telegram_payment_charge_id,
        )
    )
    return True
