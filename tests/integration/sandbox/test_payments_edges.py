"""Money in the sandbox where time, order, other people and odd numbers come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from doradura.sandbox import SANDBOX_TOKEN
from doradura.sandbox.human.payments import pay
from doradura.sandbox.state.blobs import Blobs
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.bots import Bots
from doradura.sandbox.state.journal import Journal
from doradura.sandbox.state.records import Invoice
from doradura.sandbox.state.refusal import RefusalError
from doradura.sandbox.state.world import World
from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.test_payments import INVOICE, MONTH, TOO_OLD, buy, post, update

THING = Invoice("i", "Thing", "A thing", "thing", 5, "")
LATE = {"paid": False, "error_message": "The bot didn't answer in time. Nothing was charged."}


def make_bot(path: Path, clock: Any) -> Bot:
    """Make a bot in a world of its own, whose time the test moves."""
    world = World(Journal(None), Blobs(path), clock=clock)
    world.put_user({"id": 2000, "is_bot": False, "first_name": "User"})
    return Bots(world).bot(SANDBOX_TOKEN)


def question(bot: Bot) -> str:
    """Return the id of the newest pre-checkout query."""
    return bytes(list(bot.updates.updates.values())[-1].json).decode().split('"id":"')[1].split('"')[0]


@pytest.mark.parametrize(("after", "charged"), [(9.9, True), (10.1, False)])
async def test_a_bot_has_ten_seconds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, after: float, *, charged: bool
) -> None:
    """A yes within ten seconds makes a charge; one after them is refused, and nothing is charged."""
    bot = make_bot(tmp_path, trio.current_time)
    paid: list[Any] = []

    async def person() -> None:
        paid.append(await pay(bot, THING, bot.world.users[2000], 2000))

    refused = ""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(person)
        await trio.sleep(after)
        try:
            bot.payments.answer_checkout(question(bot), error=None)
        except RefusalError as error:
            refused = error.description
    assert (refused, paid[0]["paid"], bot.payments.balance) == (("", True, 5) if charged else (TOO_OLD, False, 0))
    assert charged or paid[0] == LATE


async def test_who_gave_up_is_not_charged_when_the_wall_clock_stands(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Told that nothing was charged, a person isn't, though by a clock that was set back the ten seconds go on."""
    bot = make_bot(tmp_path, lambda: 1000.0)
    assert await pay(bot, THING, bot.world.users[2000], 2000) == LATE
    with pytest.raises(RefusalError, match="query is too old"):
        bot.payments.answer_checkout(question(bot), error=None)
    assert bot.payments.charges == {}


def test_transactions_keep_their_places(tmp_path: Path) -> None:
    """What is listed stays where it is when more happens in the same second: pages miss nothing."""
    bot = make_bot(tmp_path, lambda: 1000.0)
    told: list[tuple[str, str]] = []

    def listed() -> list[tuple[str, str]]:
        return [(known["id"], "out" if "receiver" in known else "in") for known in bot.payments.transactions()]

    def charge() -> str:
        checkout = bot.payments.check_out(THING, bot.world.users[2000], 2000)
        bot.payments.answer_checkout(question(bot), error=None)
        assert checkout.charge_id is not None
        return checkout.charge_id

    charges = []
    for step in ("charge", "charge", "refund 1", "refund 0", "charge", "charge"):
        if step == "charge":
            charges.append(charge())
            told.append((charges[-1], "in"))
        else:
            charge_id = charges[int(step[-1])]
            bot.payments.refund(bot.payments.charges[charge_id])
            told.append((charge_id, "out"))
        assert listed() == told
    assert bot.payments.balance == 10


async def test_a_forwarded_invoice_is_paid_by_whom_it_reached(client: Client) -> None:
    """The question and the charge name who pays, in the chat they pay in."""
    sent = await client.result("sendInvoice", chat_id=1000, **INVOICE)
    there = await client.result("forwardMessage", chat_id=2000, from_chat_id=1000, message_id=sent["message_id"])
    assert there["invoice"] == sent["invoice"]
    assert (await buy(client, from_id=2000, message_id=there["message_id"]))["paid"] is True
    message = await update(client, "message")
    assert (message["from"]["id"], message["chat"]["id"]) == (2000, 2000)


async def test_a_group_that_moved_is_told_of_refunds_and_renewals(client: Client) -> None:
    """What was paid in a group is renewed and refunded in the supergroup it became."""
    group = (await client.act("chats", title="G", type="group", member_ids=[1000, 2000]))["id"]
    await update(client, "my_chat_member")
    link = await client.result("createInvoiceLink", subscription_period=MONTH, **INVOICE)
    paid = await buy(client, chat=group, from_id=2000, invoice_link=link)
    assert (await update(client, "message"))["chat"]["id"] == group
    new = (await client.act(f"chats/{group}/upgrade", from_id=1000))["id"]
    assert (await post(client, f"chats/{group}/pay", from_id=2000, invoice_link=link))[0] == 400
    await client.result("getUpdates", offset=-1)
    last = (await client.result("getUpdates"))[-1]["update_id"]
    await client.result("getUpdates", offset=last + 1)
    await client.act(f"payments/{paid['charge_id']}/renew")
    assert (await update(client, "message"))["chat"]["id"] == new
    charge = {"user_id": 2000, "telegram_payment_charge_id": paid["charge_id"]}
    assert await client.result("refundStarPayment", **charge) is True
    assert (await update(client, "message"))["chat"]["id"] == new


async def test_only_what_is_asked_for_is_told(client: Client) -> None:
    """A bot that doesn't ask for subscriptions isn't told of them; what it has is cancelled all the same."""
    await client.result("getUpdates", allowed_updates=["message", "pre_checkout_query"])
    link = await client.result("createInvoiceLink", subscription_period=MONTH, **INVOICE)
    paid = await buy(client, from_id=2000, invoice_link=link)
    await update(client, "message")
    await client.act(f"payments/{paid['charge_id']}/subscription", canceled=True)
    assert await client.result("getUpdates") == []
    assert (await post(client, f"payments/{paid['charge_id']}/renew"))[0] == 409
    await client.result("getUpdates", allowed_updates=[])
    await client.act(f"payments/{paid['charge_id']}/subscription", canceled=False)
    assert (await update(client, "subscription"))["state"] == "active"


async def test_a_bot_is_started_by_the_charge_and_not_by_the_question(client: Client) -> None:
    """Refused, somebody new stays a stranger; charged, they can be written to."""
    link = await client.result("createInvoiceLink", **INVOICE)
    assert (await buy(client, ok=False, chat=3000, invoice_link=link))["paid"] is False
    stranger = await client.call("sendMessage", chat_id=3000, text="hi")
    assert stranger["description"] == "Forbidden: bot can't initiate conversation with a user"
    assert (await buy(client, chat=3000, invoice_link=link))["paid"] is True
    assert (await client.result("sendMessage", chat_id=3000, text="hi"))["text"] == "hi"


async def test_nobody_pays_a_bot_they_blocked(client: Client) -> None:
    """The order is refused, and a person who is not there is not made by a wrong one."""
    link = await client.result("createInvoiceLink", **INVOICE)
    await client.act("chats/2000/block", from_id=2000, blocked=True)
    assert await post(client, "chats/2000/pay", invoice_link=link) == (400, {"error": "this user has blocked the bot"})
    assert (await post(client, "chats/4000/pay", invoice_link="https://t.me/$no"))[0] == 404
    assert "4000" not in (await client.http.get("/sandbox/state")).json()["stars"]


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ('[{"label":"a","amount":' + "9" * 5000 + "}]", "can't parse prices JSON object"),
        ('[{"label":"a","amount":9223372036854775807}]', "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ('[{"label":"a","amount":"-9223372036854775807"}]', "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ('[{"label":"a","amount":1,"amount":100001}]', "CURRENCY_TOTAL_AMOUNT_INVALID"),
        *(
            (
                f'[{{"label":"a","amount":{amount}}}]',
                f'can\'t parse labeled price: Field "amount" must be a {kind}',
            )
            for amount, kind in (
                ('"1_0"', "valid Number"),
                ('"\\u0663"', "valid Number"),
                ('" 5"', "valid Number"),
                ("1.5", "valid Number"),
                ("true", "Number"),
                ('"' + "9" * 5000 + '"', "valid Number"),
                ("9223372036854775808", "valid Number"),
                ("[]", "Number"),
            )
        ),
        ('[{"label":"a"}]', "can't parse labeled price: Can't find field \"amount\""),
        ('[{"label":"a","amount":null}]', 'can\'t parse labeled price: Field "amount" must be a Number'),
        ('[{"label":"","amount":1}]', "can't parse labeled price: LabeledPrice label must be non-empty"),
        ('[{"amount":1}]', "can't parse labeled price: Can't find field \"label\""),
        ("[1]", "can't parse labeled price: LabeledPrice must be an Object"),
        ("null", "expected an Array of labeled prices"),
        ("", 'parameter "prices" is required'),
    ],
)
async def test_odd_prices_are_refused(client: Client, prices: str, why: str) -> None:
    """None of them makes an invoice, nor an error of the server's own."""
    envelope = await client.call("createInvoiceLink", **{**INVOICE, "prices": prices})
    assert (envelope["error_code"], envelope["description"]) == (400, f"Bad Request: {why}")


async def test_numbers_of_any_length_are_read(client: Client) -> None:
    """More digits than a number can have are the largest there is, not a failure."""
    huge = "9" * 5000
    assert await client.result("getStarTransactions", offset=huge, limit=huge) == {"transactions": []}
    assert await client.result("getStarTransactions", offset="-" + huge, limit="-" + huge) == {"transactions": []}
    period = await client.call("createInvoiceLink", **INVOICE, subscription_period=huge)
    assert period["description"] == "Bad Request: SUBSCRIPTION_PERIOD_INVALID"
    refund = await client.call("refundStarPayment", user_id=huge, telegram_payment_charge_id="x")
    assert refund["description"] == "Bad Request: user not found"
    tips = await client.call("sendInvoice", chat_id=2000, **INVOICE, suggested_tip_amounts=[5])
    assert tips["description"] == "Bad Request: STARS_INVOICE_INVALID"
