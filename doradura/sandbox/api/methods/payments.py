"""Bot API methods about money: invoices, pre-checkout answers, refunds, subscriptions, Stars transactions.

Only Telegram Stars are supported: there is no provider for another currency. The error codes are Telegram's as far as
they were observed; INVOICE_TITLE_INVALID, INVOICE_DESCRIPTION_INVALID and REPLY_MARKUP_BUY_EMPTY are not.
"""

from __future__ import annotations

import secrets

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.fields import Fields, read_array
from doradura.sandbox.api.keyboards import read_keyboard
from doradura.sandbox.api.methods.messages import send
from doradura.sandbox.state.payments import LINK, SUBSCRIPTION_SECONDS
from doradura.sandbox.state.records import Charge, Invoice, Object
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.entities import units

PAYLOAD_LIMIT_BYTES = 128
TITLE_LIMIT = 32
DESCRIPTION_LIMIT = 255
AMOUNT_LIMIT = 100_000
SUBSCRIPTION_AMOUNT_LIMIT = 10_000
TRANSACTIONS_LIMIT = 100


async def send_invoice(call: Call) -> Object:
    """Answer sendInvoice: a message that can be paid. Raises RefusalError."""
    invoice = _read_invoice(call, subscription_period=0)
    inline = read_keyboard(call.parameters).inline
    pay: Object = {"text": f"Pay ⭐️{invoice.amount}", "pay": True}
    if inline is not None and not inline["inline_keyboard"][0][0].get("pay"):
        raise bad_request("REPLY_MARKUP_BUY_EMPTY")
    content = {
        "invoice": {
            "title": invoice.title,
            "description": invoice.description,
            "start_parameter": invoice.start_parameter,
            "currency": "XTR",
            "total_amount": invoice.amount,
        },
        "reply_markup": inline or {"inline_keyboard": [[pay]]},
    }
    shown = send(call, content, invoice_id=invoice.invoice_id)
    call.bot.payments.add_invoice(invoice)
    return shown


async def create_invoice_link(call: Call) -> str:
    """Answer createInvoiceLink; only such an invoice can be a subscription."""
    period = call.parameters.integer("subscription_period")
    invoice = _read_invoice(call, subscription_period=period)
    call.bot.payments.add_invoice(invoice)
    return LINK + invoice.invoice_id


def _read_invoice(call: Call, *, subscription_period: int) -> Invoice:
    parameters = call.parameters
    for name in ("title", "description", "payload", "currency"):
        call.required(name)
    prices = _prices(call)
    _check_terms(call, prices)
    _check_amount(prices[0], subscription_period)
    return Invoice(
        invoice_id=secrets.token_urlsafe(12),
        title=parameters.text("title"),
        description=parameters.text("description"),
        payload=parameters.text("payload"),
        amount=prices[0],
        start_parameter=parameters.text("start_parameter"),
        subscription_period=subscription_period,
    )


def _check_terms(call: Call, prices: list[int]) -> None:
    parameters = call.parameters
    if parameters.text("currency").strip().upper() != "XTR":
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    tips = parameters.integer("max_tip_amount") > 0 or parameters.text("suggested_tip_amounts").strip(" []")
    if parameters.text("provider_token") or len(prices) != 1 or tips:
        raise bad_request("STARS_INVOICE_INVALID")
    if len(parameters.text("payload").encode()) > PAYLOAD_LIMIT_BYTES:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    if units(parameters.text("title")) > TITLE_LIMIT:
        raise bad_request("INVOICE_TITLE_INVALID")
    if units(parameters.text("description")) > DESCRIPTION_LIMIT:
        raise bad_request("INVOICE_DESCRIPTION_INVALID")


def _check_amount(amount: int, subscription_period: int) -> None:
    if subscription_period not in {0, SUBSCRIPTION_SECONDS}:
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    if subscription_period and not 1 <= amount <= SUBSCRIPTION_AMOUNT_LIMIT:
        raise bad_request("SUBSCRIPTION_AMOUNT_INVALID")
    if not 1 <= amount <= AMOUNT_LIMIT:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")


def _prices(call: Call) -> list[int]:
    """Read the amounts of the prices."""
    trouble = "can't parse labeled price: "
    call.required("prices")
    prices = read_array(call.parameters, "prices", "prices", "labeled prices")
    if not prices:
        raise bad_request("there must be at least one price")
    amounts = []
    for price in prices:
        if not isinstance(price, dict):
            raise bad_request(trouble + "LabeledPrice must be an Object")
        fields = Fields(price, trouble)
        if not fields.text("label", required=True):
            raise fields.refusal("LabeledPrice label must be non-empty")
        amounts.append(fields.integer("amount", required=True))
    return amounts


async def answer_pre_checkout_query(call: Call) -> bool:
    """Answer answerPreCheckoutQuery: within ten seconds, once; with ok the charge is made. Raises RefusalError."""
    parameters = call.parameters
    error = None
    if not parameters.boolean("ok"):
        error = call.required("error_message")
    call.bot.payments.answer_checkout(parameters.text("pre_checkout_query_id"), error=error)
    return True


async def answer_shipping_query(call: Call) -> bool:
    """Answer answerShippingQuery: Stars are not shipped, so there is never such a query. Raises RefusalError."""
    call.required("shipping_options" if call.parameters.boolean("ok") else "error_message")
    raise bad_request("query is too old and response timeout expired or query ID is invalid")


def _charge(call: Call) -> Charge:
    """Return the named charge of the named user. Raises RefusalError."""
    user_id = call.parameters.integer("user_id")
    charge_id = call.parameters.text("telegram_payment_charge_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    call.required("telegram_payment_charge_id")
    if user_id not in call.bot.world.users:
        raise bad_request("user not found")
    charge = call.bot.payments.charges.get(charge_id)
    if charge is None or charge.user_id != user_id:
        raise bad_request("CHARGE_ID_INVALID")
    return charge


async def refund_star_payment(call: Call) -> bool:
    """Answer refundStarPayment: once for each charge. Raises RefusalError."""
    charge = _charge(call)
    if charge.refunded:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    call.bot.payments.refund(charge)
    return True


async def edit_user_star_subscription(call: Call) -> bool:
    """Answer editUserStarSubscription, for any charge of the subscription. Raises RefusalError."""
    subscription = call.bot.payments.subscription_of(_charge(call).charge_id)
    if subscription is None:
        raise bad_request("CHARGE_ID_INVALID")
    call.bot.payments.set_canceled(subscription, canceled=call.parameters.boolean("is_canceled"))
    return True


async def get_star_transactions(call: Call) -> Object:
    """Answer getStarTransactions, oldest first."""
    offset = max(0, call.parameters.integer("offset"))
    limit = call.parameters.integer("limit", TRANSACTIONS_LIMIT)
    limit = min(max(limit, 1), TRANSACTIONS_LIMIT)
    return {"transactions": call.bot.payments.transactions()[offset : offset + limit]}


async def get_my_star_balance(call: Call) -> Object:
    """Answer getMyStarBalance."""
    return {"amount": call.bot.payments.balance}
