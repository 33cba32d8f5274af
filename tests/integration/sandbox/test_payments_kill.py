"""A sandbox killed in the middle of payments: each charge is there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.integration.sandbox.conftest import Client, Opener
from tests.integration.sandbox.test_lifetime import SERVE
from tests.integration.sandbox.test_payments import INVOICE, MONTH

PEOPLE = (1000, 2000)
PRICE = 7
TERMS: dict[str, Any] = {**INVOICE, "prices": [{"label": "A month", "amount": PRICE}]}


class Heard:
    """What people and the bot were told before the kills; none of it may be gone."""

    def __init__(self) -> None:
        self.paid: set[str] = set()
        self.refunded: set[str] = set()
        self.updates: list[str] = []
        """Charge ids of the payments in updates that came."""


@asynccontextmanager
async def killed_sandbox(media: Path, keep: Path, heard: Heard, seconds: float) -> AsyncIterator[Client]:
    """Run a sandbox in a process of its own, and kill it so long after somebody has paid."""
    before = len(heard.paid)
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", SERVE, str(media), str(keep)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None

    async def kill() -> None:
        with trio.move_on_after(60):
            while len(heard.paid) == before:  # noqa: ASYNC110 - it happens in another process
                await trio.sleep(0.01)
            await trio.sleep(seconds)
        process.kill()

    try:
        url = ""
        while not url.endswith("\n"):
            url += (await process.stdout.receive_some()).decode()
        async with (
            httpx.AsyncClient(base_url=url.strip(), timeout=30, trust_env=False) as http,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(kill)
            yield Client(url, http)
    finally:
        process.kill()
        await process.wait()
        await process.stdout.aclose()


async def buy_and_renew(client: Client, link: str, user: int, heard: Heard) -> None:
    """Pay again and again, each time with one renewal, until the sandbox is gone."""
    with suppress(httpx.TransportError):
        while True:
            paid = await client.act(f"chats/{user}/pay", from_id=user, invoice_link=link)
            heard.paid.add(paid["charge_id"])
            heard.paid.add((await client.act(f"payments/{paid['charge_id']}/renew"))["charge_id"])


async def sell(client: Client, heard: Heard) -> None:
    """Say yes to everybody and give every other payment back, until the sandbox is gone."""
    offset = 0
    with suppress(httpx.TransportError):
        while True:
            updates = await client.result("getUpdates", offset=offset, timeout=5)
            messages = [update["message"] for update in updates if "message" in update]
            paid = [message["successful_payment"] for message in messages if "successful_payment" in message]
            for update in updates:
                if "pre_checkout_query" in update:
                    query_id = update["pre_checkout_query"]["id"]
                    await client.call("answerPreCheckoutQuery", pre_checkout_query_id=query_id, ok=True)
                elif "successful_payment" in update.get("message", {}):
                    await refund(client, update["message"], heard)
            offset = updates[-1]["update_id"] + 1 if updates else offset
            # Before it is confirmed: of a kill behind the confirming and before its answer nobody would hear.
            heard.updates += [payment["telegram_payment_charge_id"] for payment in paid]
            await client.result("getUpdates", offset=offset, limit=1)


async def refund(client: Client, message: Any, heard: Heard) -> None:
    """Refund a payment if its message has an even number; a kill may have come behind an earlier one."""
    if message["message_id"] % 2:
        return
    charge_id = message["successful_payment"]["telegram_payment_charge_id"]
    named = {"user_id": message["from"]["id"], "telegram_payment_charge_id": charge_id}
    envelope = await client.call("refundStarPayment", **named)
    assert envelope["ok"] or envelope["description"] == "Bad Request: CHARGE_ALREADY_REFUNDED"
    heard.refunded.add(charge_id)


async def check(client: Client, heard: Heard) -> None:
    """Compare the list of transactions with all else that tells of money."""
    listed: list[Any] = []
    while page := (await client.result("getStarTransactions", offset=len(listed)))["transactions"]:
        listed += page
    charges = {known["id"]: known["source"]["user"]["id"] for known in listed if "source" in known}
    refunds = {known["id"]: known["receiver"]["user"]["id"] for known in listed if "receiver" in known}
    assert len(charges) + len(refunds) == len(listed)
    assert heard.paid <= charges.keys()
    assert heard.refunded <= refunds.keys()
    spent = Counter(charges.values())
    spent.subtract(refunds.values())
    stars = (await client.http.get("/sandbox/state")).json()["stars"]
    assert {user: stars[str(user)] for user in PEOPLE} == {user: 10_000 - PRICE * spent[user] for user in PEOPLE}
    assert await client.result("getMyStarBalance") == {"amount": PRICE * (len(charges) - len(refunds))}
    for kind, known in (("successful_payment", charges), ("refunded_payment", refunds)):
        said = [
            message[kind]["telegram_payment_charge_id"]
            for user in PEOPLE
            for message in await client.messages(user)
            if kind in message
        ]
        assert sorted(said) == sorted(known)
    pending = {
        update["message"]["successful_payment"]["telegram_payment_charge_id"]
        for update in await client.result("getUpdates")
        if "successful_payment" in update.get("message", {})
    }
    assert pending | set(heard.updates) == charges.keys()


# httpx leaves the iterator of a request's body to the garbage collector when the connection breaks while it is sent:
# Trio says so, and it is no fault of the sandbox's.
@pytest.mark.filterwarnings("ignore:.*ByteStream.__aiter__:pytest.PytestUnraisableExceptionWarning")
async def test_a_charge_is_there_whole_or_not_at_all(
    open_sandbox: Opener, media_directory: Path, tmp_path: Path
) -> None:
    """Killed three times while two people pay, renew and are refunded: every list, balance and message agrees."""
    heard = Heard()
    async with open_sandbox(tmp_path) as client:
        link = await client.result("createInvoiceLink", subscription_period=MONTH, **TERMS)
    for seconds in (0.35, 0.5, 0.61):
        before = len(heard.paid)
        async with killed_sandbox(media_directory, tmp_path, heard, seconds) as client, trio.open_nursery() as nursery:
            nursery.start_soon(sell, client, heard)
            for user in PEOPLE:
                nursery.start_soon(buy_and_renew, client, link, user, heard)
        assert len(heard.paid) > before
        async with open_sandbox(tmp_path) as client:
            await check(client, heard)
