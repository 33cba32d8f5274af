"""Paying, finding, groups and the panel of calls, in a real browser."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page import ADMIN, USER, FakeBot, bubble, open_chat, type_and_send
from tests.programs import found

MONTH = 2_592_000
INVOICE: dict[str, Any] = {
    "title": "Premium",
    "description": "A month of more",
    "payload": "plan",
    "currency": "XTR",
    "prices": [{"label": "A month", "amount": 250}],
}


def answer_checkout(bot: FakeBot, error: str | None = None) -> threading.Thread:
    """Answer the next question before a payment, beside the browser."""

    def answer() -> None:
        update = bot.update()
        while "pre_checkout_query" not in update:
            update = bot.update()
        refusal: dict[str, Any] = {} if error is None else {"error_message": error}
        query_id = update["pre_checkout_query"]["id"]
        bot.call("answerPreCheckoutQuery", pre_checkout_query_id=query_id, ok=error is None, **refusal)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def flood(bot: FakeBot) -> None:
    """Say far more than a burst, as fast as it goes."""
    for _ in range(200):
        bot.say("flood")


def pay(page: Page, label: str) -> None:
    """Press a pay button and agree."""
    page.get_by_role("button", name=label).last.click()
    page.get_by_role("button", name="Pay", exact=True).click()


def test_paying_moves_the_pretended_stars(page: Page, bot: FakeBot) -> None:
    """The dialog names the balance; paid, the chat says so and the menu has what is left; a refund comes back."""
    open_chat(page, bot)
    bot.call("sendInvoice", chat_id=USER, **INVOICE)
    answering = answer_checkout(bot)
    page.get_by_role("button", name="Pay ⭐️250").click()
    expect(page.get_by_role("dialog")).to_contain_text("Premium, ⭐ 250")
    before = int(re.sub(r"\D", "", re.findall(r"You have ([\d,]+) ⭐", page.get_by_role("dialog").inner_text())[0]))
    page.get_by_role("button", name="Pay", exact=True).click()
    answering.join(10)
    expect(bubble(page, "Payment of ⭐ 250")).to_be_visible()
    page.get_by_role("button", name="Chat menu").click()
    expect(page.get_by_role("menuitem", name=f"{before - 250:,} ⭐ to spend")).to_be_visible()
    page.keyboard.press("Escape")
    charge = bot.call("getStarTransactions")["transactions"][0]["id"]
    bot.call("refundStarPayment", user_id=USER, telegram_payment_charge_id=charge)
    expect(bubble(page, "refunded")).to_be_visible()


def test_a_bot_that_refuses_a_payment_is_quoted(page: Page, bot: FakeBot) -> None:
    """Its own words stand in the dialog, and nothing was paid."""
    open_chat(page, bot)
    bot.call("sendInvoice", chat_id=USER, **INVOICE)
    answering = answer_checkout(bot, "Sold out, sorry")
    pay(page, "Pay ⭐️250")
    answering.join(10)
    expect(page.get_by_role("dialog")).to_contain_text("Sold out, sorry")


def test_a_subscription_is_cancelled_and_renewed_in_the_chat(page: Page, bot: FakeBot) -> None:
    """The payment's own buttons do what its user, and Telegram at the end of a period, would do."""
    link = bot.call("createInvoiceLink", subscription_period=MONTH, **INVOICE)
    bot.say("Shop", reply_markup={"inline_keyboard": [[{"text": "Subscribe", "url": link}]]})
    open_chat(page, bot)
    answering = answer_checkout(bot)
    pay(page, "Subscribe")
    answering.join(10)
    page.get_by_role("button", name="Next period").click()
    expect(bubble(page, "Payment of ⭐ 250")).to_have_count(2)
    page.get_by_role("button", name="Cancel subscription").first.click()
    expect(page.locator(".toast").filter(has_text="Cancelled")).to_be_visible()
    update = bot.update()
    while "subscription" not in update:
        update = bot.update()
    assert update["subscription"]["state"] == "canceled"


def test_an_alert_is_found_by_its_hashtag(page: Page, bot: FakeBot) -> None:
    """A press on the tag looks for it; the arrows go from match to match, and Escape closes."""
    bot.say("🔴 CRITICAL: old\n#HighErrorRate", to=ADMIN)
    for number in range(40):
        bot.say(f"line {number}", to=ADMIN)
    bot.say("🔴 CRITICAL: new\n#HighErrorRate", to=ADMIN)
    open_chat(page, bot, ADMIN)
    page.get_by_role("button", name="#HighErrorRate").last.click()
    expect(page.locator(".search-count")).to_have_text("2 of 2")
    page.get_by_role("button", name="Older match").click()
    expect(page.locator(".search-count")).to_have_text("1 of 2")
    expect(bubble(page, "CRITICAL: old")).to_be_in_viewport()
    page.get_by_label("Find in this chat").fill("nothing like it")
    expect(page.locator(".search-count")).to_have_text("Not found")
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_be_hidden()


def test_a_group_is_made_on_the_page(page: Page, bot: FakeBot) -> None:
    """Everybody there is a member; what one says there reaches the bot as theirs."""
    open_chat(page, bot)
    page.get_by_role("button", name="Add a group").click()
    page.get_by_label("Title").fill("Friends")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#bot-name")).to_have_text("Friends")
    type_and_send(page, "hello all")
    update = bot.update()
    while "message" not in update:
        update = bot.update()
    assert update["message"]["from"]["id"] == USER
    assert update["message"]["chat"]["title"] == "Friends"


def test_a_fault_and_flood_limits_are_switched_on_in_the_panel(page: Page, bot: FakeBot) -> None:
    """The next call meets the fault, and the panel shows it among the failures."""
    open_chat(page, bot)
    page.get_by_role("button", name="Chat menu").click()
    page.get_by_role("menuitem", name="Show Bot API calls").click()
    page.get_by_label("The next call of").select_option("sendMessage")
    page.get_by_label("meets").select_option("error")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator(".toast").filter(has_text="Set for sendMessage")).to_be_visible()
    with pytest.raises(AssertionError, match="Internal Server Error"):
        bot.say("lost")
    page.get_by_label("Failures only").check()
    row = page.locator(".calls li:visible")
    expect(row).to_have_count(1)
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text("Internal Server Error")
    page.get_by_role("button", name="Clear all").click()
    switch = page.get_by_label("Flood limits")
    switch.check()
    expect(page.locator(".toast").filter(has_text="On: 30 a second in all")).to_be_visible()
    with pytest.raises(AssertionError, match="Too Many Requests"):
        flood(bot)
    switch.uncheck()
    expect(page.locator(".toast").filter(has_text="off")).to_be_visible()
    bot.say("through")


def test_calls_are_filtered_timed_and_copied(page: Page, bot: FakeBot) -> None:
    """By method, by failure; each with how long it took and why it failed; a copy makes the same call again."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_chat(page, bot)
    mark = f"it's {bot.user_id}"
    bot.say(mark)
    document = ("a.txt", b"x", "text/plain")
    bot.call("sendDocument", chat_id=USER, caption=mark, files={"document": document})
    with pytest.raises(AssertionError, match="bots can't send messages to bots"):
        bot.say("x", to=bot.user_id)
    page.keyboard.press("Alt+c")
    rows = page.locator(".calls li")
    page.get_by_label("Show").select_option("sendMessage")
    refused = rows.first
    expect(refused).to_contain_text(re.compile(r"sendMessage\d+ ms403Forbidden: bots can't send messages to bots"))
    page.get_by_label("Failures only").check()
    expect(rows.filter(has_text="200")).to_have_count(0)
    page.get_by_label("Failures only").uncheck()
    said = rows.nth(1)
    expect(said).to_contain_text(re.compile(r"sendMessage\d+ ms200"))
    said.locator("summary").click()
    said.get_by_role("button", name="Copy as curl").click()
    found("curl")
    command = page.evaluate("navigator.clipboard.readText()").replace("TOKEN", bot.token)
    answer = json.loads(subprocess.run(shlex.split(command), capture_output=True, check=True).stdout)
    assert answer["result"]["text"] == mark
    page.get_by_label("Show").select_option("sendDocument")
    rows.first.locator("summary").click()
    rows.first.get_by_role("button", name="Copy as curl").click()
    arguments = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    address = f"{bot.server}/botTOKEN/sendDocument"
    texts = ["--form-string", f"chat_id={USER}", "--form-string", f"caption={mark}"]
    assert arguments == ["curl", "-s", address, *texts, "-F", "document=@a.txt"]


def test_places_contacts_and_dice_are_shown(page: Page, bot: FakeBot) -> None:
    """Each as what it says, not as something that can't be drawn."""
    bot.call("sendContact", chat_id=USER, phone_number="+49 1", first_name="Ann")
    bot.call("sendVenue", chat_id=USER, title="Tower", address="Square 1", latitude="52.5", longitude="13.25")
    value = bot.call("sendDice", chat_id=USER)["dice"]["value"]
    open_chat(page, bot)
    expect(bubble(page, "Ann")).to_contain_text("+49 1")
    expect(bubble(page, "Tower")).to_contain_text("52.5, 13.25")
    expect(bubble(page, "🎲")).to_contain_text(f"It shows {value}.")
