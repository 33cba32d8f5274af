"""Money in the sandbox: invoices, the question before a payment, charges, renewals, refunds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client, Opener

MONTH = 2_592_000
INVOICE: dict[str, Any] = {
    "title": "Premium",
    "description": "A month of more",
    "payload": "plan:premium",
    "currency": "XTR",
    "prices": [{"label": "A month", "amount": 250}],
}
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


async def update(client: Client, kind: str) -> Any:
    """Return the payload of the next update, which must be of that kind, and confirm it."""
    (found,) = await client.result("getUpdates", limit=1, timeout=30)
    assert kind in found, found
    await client.result("getUpdates", offset=found["update_id"] + 1, limit=1)
    return found[kind]


async def post(client: Client, path: str, **body: object) -> tuple[int, Any]:
    """Do something as a person, which may be refused."""
    answer = await client.http.post(f"/sandbox/{path}", params={"token": SANDBOX_TOKEN}, json=body)
    return answer.status_code, answer.json()


async def buy(client: Client, *, ok: bool = True, chat: int = 2000, **order: object) -> Any:
    """Pay, with a bot that says yes or no; gives what the person gets to see."""
    paid: list[Any] = []

    async def pay() -> None:
        paid.append(await client.act(f"chats/{chat}/pay", **order))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        query = await update(client, "pre_checkout_query")
        refusal = {} if ok else {"error_message": "Sold out"}
        await client.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=ok, **refusal)
    return paid[0]


async def stars(client: Client, user: int = 2000) -> int:
    """What a person has left."""
    left: int = (await client.http.get("/sandbox/state")).json()["stars"][str(user)]
    return left


async def test_an_invoice_is_paid(client: Client) -> None:
    """The bot is asked, says yes, and gets the charge; both balances move."""
    sent = await client.result("sendInvoice", chat_id=2000, start_parameter="go", **INVOICE)
    assert sent["invoice"] == {
        "title": "Premium",
        "description": "A month of more",
        "start_parameter": "go",
        "currency": "XTR",
        "total_amount": 250,
    }
    assert sent["reply_markup"] == {"inline_keyboard": [[{"text": "Pay ⭐️250", "pay": True}]]}
    before = await stars(client)
    paid = await buy(client, from_id=2000, message_id=sent["message_id"])
    message = await update(client, "message")
    charge_id = paid.pop("charge_id")
    assert paid == {"paid": True}
    assert message["from"]["id"] == message["chat"]["id"] == 2000
    assert message["successful_payment"] == {
        "currency": "XTR",
        "total_amount": 250,
        "invoice_payload": "plan:premium",
        "telegram_payment_charge_id": charge_id,
        "provider_payment_charge_id": "2000_1",
    }
    assert await client.result("getMyStarBalance") == {"amount": 250}
    assert await stars(client) == before - 250
    (known,) = (await client.result("getStarTransactions"))["transactions"]
    assert (known["id"], known["amount"], known["source"]["transaction_type"]) == (charge_id, 250, "invoice_payment")
    assert known["source"]["user"]["id"] == 2000
    assert "receiver" not in known


async def test_a_bot_that_refuses_is_heard_and_nothing_is_charged(client: Client) -> None:
    """Its words reach the person; there is no charge, and the question can't be answered again."""
    sent = await client.result("sendInvoice", chat_id=2000, **INVOICE)
    assert await buy(client, ok=False, from_id=2000, message_id=sent["message_id"]) == {
        "paid": False,
        "error_message": "Sold out",
    }
    assert await client.result("getMyStarBalance") == {"amount": 0}
    again = await client.call("answerPreCheckoutQuery", pre_checkout_query_id="1", ok=True)
    assert (again["error_code"], again["description"]) == (400, TOO_OLD)
    silent = await client.call("answerPreCheckoutQuery", pre_checkout_query_id="1", ok=False)
    assert silent["description"] == 'Bad Request: parameter "error_message" is required'


async def test_one_invoice_is_paid_twice_with_two_charges(client: Client) -> None:
    """By somebody else as well, to whom the link was given: every charge has an id of its own."""
    link = await client.result("createInvoiceLink", **INVOICE)
    button = {"inline_keyboard": [[{"text": "Buy", "url": link}]]}
    shop = await client.result("sendMessage", chat_id=1000, text="Shop", reply_markup=button)
    first = await buy(client, chat=1000, from_id=1000, message_id=shop["message_id"])
    await update(client, "message")
    second = await buy(client, chat=2000, from_id=2000, invoice_link=link)
    assert (await update(client, "message"))["chat"]["id"] == 2000
    assert first["charge_id"] != second["charge_id"]
    assert await client.result("getMyStarBalance") == {"amount": 500}


async def test_two_pay_at_once(client: Client) -> None:
    """Two questions are open together; each gets its own answer."""
    link = await client.result("createInvoiceLink", **INVOICE)
    paid: dict[int, Any] = {}

    async def pay(user: int) -> None:
        paid[user] = await client.act(f"chats/{user}/pay", from_id=user, invoice_link=link)

    async with trio.open_nursery() as nursery:
        for user in (1000, 2000):
            nursery.start_soon(pay, user)
        queries = [await update(client, "pre_checkout_query") for _ in range(2)]
        for query in reversed(queries):
            answer: dict[str, Any] = {"ok": True} if query["from"]["id"] == 1000 else {"error_message": "no"}
            await client.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], **answer)
    assert paid[1000]["paid"] is True
    assert paid[2000] == {"paid": False, "error_message": "no"}


async def test_a_subscription_is_renewed_until_it_is_cancelled(client: Client) -> None:
    """The first charge says so; renewals need no question; cancelled by either side, there are none."""
    link = await client.result("createInvoiceLink", subscription_period=MONTH, **INVOICE)
    first = await buy(client, from_id=2000, invoice_link=link)
    payment = (await update(client, "message"))["successful_payment"]
    assert payment["is_recurring"] is payment["is_first_recurring"] is True
    renewed = await client.act(f"payments/{first['charge_id']}/renew")
    again = (await update(client, "message"))["successful_payment"]
    assert renewed["charge_id"] == again["telegram_payment_charge_id"] != first["charge_id"]
    assert again["is_recurring"] is True
    assert "is_first_recurring" not in again
    assert again["subscription_expiration_date"] == payment["subscription_expiration_date"] + MONTH

    for canceled, state in ((True, "canceled"), (False, "active")):
        await client.act(f"payments/{renewed['charge_id']}/subscription", canceled=canceled)
        told = await update(client, "subscription")
        assert (told["user"]["id"], told["invoice_payload"], told["state"]) == (2000, "plan:premium", state)
    named = {"user_id": 2000, "telegram_payment_charge_id": first["charge_id"]}
    await client.result("editUserStarSubscription", is_canceled=True, **named)
    assert (await update(client, "subscription"))["state"] == "canceled"
    assert await post(client, f"payments/{first['charge_id']}/renew") == (
        409,
        {"error": "that subscription is canceled"},
    )
    transactions = (await client.result("getStarTransactions", limit=1, offset=1))["transactions"]
    assert [known["id"] for known in transactions] == [renewed["charge_id"]]
    assert transactions[0]["source"]["subscription_period"] == MONTH


async def test_a_refund_is_made_once(client: Client) -> None:
    """The Stars go back, the chat says so, the bot hears of it; a second one, or one of nothing, is refused."""
    sent = await client.result("sendInvoice", chat_id=2000, **INVOICE)
    before = await stars(client)
    paid = await buy(client, from_id=2000, message_id=sent["message_id"])
    await update(client, "message")
    named = {"user_id": 2000, "telegram_payment_charge_id": paid["charge_id"]}
    assert await client.result("refundStarPayment", **named) is True
    assert (await update(client, "message"))["refunded_payment"] == {
        "currency": "XTR",
        "total_amount": 250,
        "invoice_payload": "plan:premium",
        "telegram_payment_charge_id": paid["charge_id"],
    }
    assert await stars(client) == before
    assert await client.result("getMyStarBalance") == {"amount": 0}
    known = (await client.result("getStarTransactions"))["transactions"]
    assert [("receiver" in each, each["id"]) for each in known] == [
        (False, paid["charge_id"]),
        (True, paid["charge_id"]),
    ]
    for order, why in (
        (named, "CHARGE_ALREADY_REFUNDED"),
        ({**named, "telegram_payment_charge_id": "stx"}, "CHARGE_ID_INVALID"),
        ({**named, "telegram_payment_charge_id": ""}, 'parameter "telegram_payment_charge_id" is required'),
        ({**named, "user_id": 1000}, "CHARGE_ID_INVALID"),
        ({**named, "user_id": 0}, "invalid user_id specified"),
    ):
        assert (await client.call("refundStarPayment", **order))["description"] == f"Bad Request: {why}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"currency": ""}, 'parameter "currency" is required'),
        ({"title": ""}, 'parameter "title" is required'),
        ({"prices": []}, "there must be at least one price"),
        ({"prices": "{"}, "can't parse prices JSON object"),
        ({"prices": [{"label": "a", "amount": 1}, {"label": "b", "amount": 1}]}, "STARS_INVOICE_INVALID"),
        ({"provider_token": "x"}, "STARS_INVOICE_INVALID"),
        ({"max_tip_amount": 5}, "STARS_INVOICE_INVALID"),
        ({"currency": "XTS"}, "PAYMENT_PROVIDER_INVALID"),
        ({"payload": "я" * 65}, "INVOICE_PAYLOAD_INVALID"),
        ({"prices": [{"label": "a", "amount": 100_001}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"prices": [{"label": "a", "amount": 0}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"prices": [{"label": "a", "amount": -5}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"subscription_period": 60}, "SUBSCRIPTION_PERIOD_INVALID"),
        (
            {"subscription_period": MONTH, "prices": [{"label": "a", "amount": 10_001}]},
            "SUBSCRIPTION_AMOUNT_INVALID",
        ),
    ],
)
async def test_invoices_telegram_would_not_take(client: Client, change: dict[str, Any], why: str) -> None:
    """Each is refused with Telegram's code."""
    envelope = await client.call("createInvoiceLink", **{**INVOICE, **change})
    assert (envelope["error_code"], envelope["description"]) == (400, f"Bad Request: {why}")


async def test_amounts_and_payloads_at_their_limits(client: Client) -> None:
    """A payload of 128 bytes and 100,000 Stars are taken; who has too little gets what is missing."""
    most = {**INVOICE, "payload": "я" * 64, "prices": [{"label": "a", "amount": 100_000}]}
    link = await client.result("createInvoiceLink", **most)
    assert (await buy(client, from_id=2000, invoice_link=link))["paid"] is True
    assert (await update(client, "message"))["successful_payment"]["invoice_payload"] == "я" * 64
    assert await stars(client) == 0


async def test_what_cannot_be_paid(client: Client) -> None:
    """Bad orders are told apart, and cost nothing."""
    text = await client.result("sendMessage", chat_id=2000, text="hi")
    assert [
        (await post(client, "chats/2000/pay", **order))[0]
        for order in (
            {"from_id": 2000},
            {"from_id": 2000, "message_id": 999},
            {"from_id": 2000, "message_id": text["message_id"]},
            {"from_id": 2000, "invoice_link": "https://t.me/$nothing"},
            {"from_id": 1000, "message_id": text["message_id"]},
        )
    ] == [400, 404, 400, 404, 400]
    assert (await post(client, "payments/stx/renew"))[0] == 404
    assert (await post(client, "payments/stx/subscription", canceled=True))[0] == 404
    assert (await post(client, "payments/stx/subscription"))[0] == 400
    sent = await client.result("sendInvoice", chat_id=2000, **INVOICE)
    paid = await buy(client, from_id=2000, message_id=sent["message_id"])
    assert (await post(client, f"payments/{paid['charge_id']}/renew"))[0] == 400


async def test_money_is_kept(open_sandbox: Opener, tmp_path: Path) -> None:
    """After a restart charges, subscriptions, balances and unpaid invoices are as they were."""
    async with open_sandbox(tmp_path) as client:
        link = await client.result("createInvoiceLink", subscription_period=MONTH, **INVOICE)
        sent = await client.result("sendInvoice", chat_id=2000, **INVOICE)
        first = await buy(client, from_id=2000, invoice_link=link)
        known = await client.result("getStarTransactions")
    async with open_sandbox(tmp_path) as client:
        assert await client.result("getStarTransactions") == known
        assert await stars(client) == 10_000 - 250
        await update(client, "message")
        await client.act(f"payments/{first['charge_id']}/renew")
        await update(client, "message")
        assert (await buy(client, from_id=2000, message_id=sent["message_id"]))["paid"] is True
        assert await client.result("getMyStarBalance") == {"amount": 750}
