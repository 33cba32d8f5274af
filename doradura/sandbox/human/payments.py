"""The human side of money: paying an invoice, Telegram's renewals, cancelling a subscription.

Owns no state; it waits for the bot's answer to the pre-checkout query, which makes the charge.
"""

from __future__ import annotations

import trio

from doradura.sandbox.human.error import HumanError
from doradura.sandbox.human.orders import PayOrder
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.payments import CHECKOUT_SECONDS
from doradura.sandbox.state.records import Invoice, Object, Subscription


def find_invoice(bot: Bot, chat_id: int, order: PayOrder) -> Invoice:
    """Return the invoice to pay: named by its link, its message, or a message with a button to the link.

    Raises HumanError.
    """
    if order.invoice_link is not None:
        invoice = bot.payments.by_link(order.invoice_link)
        if invoice is None:
            raise HumanError(404, "there is no such invoice")
        return invoice
    if order.message_id is None:
        raise HumanError(400, "name a message_id or an invoice_link")
    message = bot.message(chat_id, order.message_id)
    if message is None:
        raise HumanError(404, f"chat {chat_id} has no message {order.message_id}")
    if message.invoice_id:
        return bot.payments.invoices[message.invoice_id]
    rows = message.body.get("reply_markup", {}).get("inline_keyboard", [])
    links = [bot.payments.by_link(str(button.get("url", ""))) for row in rows for button in row]
    found = next((invoice for invoice in links if invoice is not None), None)
    if found is None:
        raise HumanError(400, "that message has no invoice")
    return found


async def pay(bot: Bot, invoice: Invoice, user: Object, chat_id: int) -> Object:
    """Confirm a payment and wait for the bot's decision."""
    checkout = bot.payments.check_out(invoice, user, chat_id)
    with trio.move_on_after(CHECKOUT_SECONDS):
        await checkout.answered.wait()
    bot.payments.give_up(checkout)
    if checkout.charge_id is not None:
        return {"paid": True, "charge_id": checkout.charge_id}
    return {"paid": False, "error_message": checkout.error or "The bot didn't answer in time. Nothing was charged."}


def subscription(bot: Bot, charge_id: str) -> Subscription:
    """Return the subscription that a charge belongs to. Raises HumanError."""
    if charge_id not in bot.payments.charges:
        raise HumanError(404, "there is no such charge")
    found = bot.payments.subscription_of(charge_id)
    if found is None:
        raise HumanError(400, "that charge is of no subscription")
    return found


def renew(bot: Bot, charge_id: str) -> Object:
    """Charge the next period. Raises HumanError."""
    found = subscription(bot, charge_id)
    if found.canceled:
        raise HumanError(409, "that subscription is canceled")
    return {"charge_id": bot.payments.renew(found).charge_id}
