"""The web chat and the real bot together: what a person who never saw it does first."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
import trio
from playwright.sync_api import Page, expect

from tests.e2e.page import PLAYS, USER, FakeBot, bubble, http, type_and_send
from tests.e2e.page.test_page_tools import INVOICE, pay
from tests.e2e.program import Program, running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A running `doradura run --sandbox`, stopped well at the end."""
    programs: queue.Queue[Program | None] = queue.Queue()
    done = threading.Event()
    failures: list[BaseException] = []

    async def hold() -> None:
        async with running(tmp_path_factory.mktemp("bot") / "data") as program:
            programs.put(program)
            await trio.to_thread.run_sync(done.wait)

    def run() -> None:
        try:
            trio.run(hold)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)
            programs.put(None)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        started = programs.get(timeout=90)
        if started is not None:
            yield started
    finally:
        done.set()
        thread.join(60)
    if failures:
        raise failures[0]


@pytest.fixture
def address(program: Program) -> str:
    """The sandbox's address."""
    return program.sandbox_url


@pytest.fixture
def chat(page: Page, address: str) -> Page:
    """The user's chat with the bot, open."""
    page.goto(f"{address}/#{USER}")
    expect(page.locator("#bot-status.online")).to_be_visible()
    return page


def test_a_link_is_sent_a_button_pressed_and_the_file_plays(chat: Page, address: str) -> None:
    """The link brings a keyboard, a press on it a video, and its time moves."""
    type_and_send(chat, f"{address}/media/sample.mp4")
    chat.get_by_role("button", name="360p").last.click(timeout=30_000)
    chat.get_by_role("button", name="Play the video").click(timeout=60_000)
    chat.wait_for_function(PLAYS, arg="video")


def test_a_download_is_cancelled(chat: Page, address: str) -> None:
    """The progress message's own button stops it, and the chat says so."""
    type_and_send(chat, f"/download {address}/media/slow.mp4?kbps=200 mp3")
    chat.get_by_role("button", name="Cancel").last.click(timeout=30_000)
    expect(bubble(chat, "Cancelled").last).to_be_visible()


def test_the_bot_is_blocked_and_unblocked(chat: Page) -> None:
    """Blocked, the field gives way to the way back; unblocked, the bot answers again."""
    chat.get_by_role("button", name="Chat menu").click()
    chat.get_by_role("menuitem", name="Block the bot").click()
    expect(chat.get_by_label("Message", exact=True)).to_be_hidden()
    chat.get_by_role("button", name="You blocked this bot").click()
    before = chat.get_by_role("article").count()
    type_and_send(chat, "/start")
    expect(chat.get_by_role("article").nth(before + 1)).to_be_visible()


def test_a_link_is_sent_by_keyboard_alone(chat: Page, address: str) -> None:
    """No pointer: type, Enter, then back from the field to the keyboard's first button, Enter, and a file comes."""
    had = chat.locator("audio, video").count()
    chat.get_by_label("Message", exact=True).focus()
    chat.keyboard.type(f"{address}/media/sample.mp4")
    chat.keyboard.press("Enter")
    expect(chat.locator(".key").last).to_be_visible(timeout=30_000)
    for _ in range(30):
        chat.keyboard.press("Shift+Tab")
        if chat.evaluate("document.activeElement.textContent.includes('360p')"):
            break
    expect(chat.locator(".key:focus")).to_contain_text("360p")
    chat.keyboard.press("Enter")
    expect(chat.locator("audio, video")).to_have_count(had + 1, timeout=60_000)


def test_an_alert_is_found_and_acknowledged(page: Page, program: Program) -> None:
    """The list marks the admin's chat; the search finds the alert by a word, a press acknowledges it."""
    page.goto(f"{program.sandbox_url}/#{USER}")
    expect(page.locator("#bot-status.online")).to_be_visible()
    labels = {"alertname": "SlowDownloads", "severity": "warning", "instance": "doradura:9090"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "Downloads are slow"},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "1",
    }
    body = {"version": "4", "groupKey": "1", "status": "firing", "alerts": [alert]}
    token = (program.data_dir / "webhook.token").read_text().strip()
    with http() as client:
        client.post(f"{program.http_url}/alerts", json=body, headers={"Authorization": f"Bearer {token}"})
    people = page.get_by_role("navigation", name="Chats")
    people.get_by_role("button", name="Admin, 1 new").click(timeout=30_000)
    page.get_by_role("button", name="Chat menu").click()
    page.get_by_role("menuitem", name="Find in this chat").click()
    page.get_by_label("Find in this chat").fill("slow")
    expect(page.locator(".search-count")).to_have_text("1 of 1")
    expect(bubble(page, "Downloads are slow")).to_be_in_viewport()
    page.get_by_role("button", name="Acknowledge").click()
    expect(bubble(page, "Acknowledged by Admin")).to_be_visible()


def test_what_the_bot_does_not_sell_is_not_paid(chat: Page, program: Program) -> None:
    """A person who presses a pay button and agrees is told in the bot's own words, and keeps their Stars."""
    bot = FakeBot(program.sandbox_url, user_id=1_000_000_001, secret="SANDBOX" + "A" * 28)
    bot.call("sendInvoice", chat_id=USER, **INVOICE)
    pay(chat, "Pay ⭐️250")
    expect(chat.get_by_role("dialog", name="Not paid")).to_contain_text("nothing", ignore_case=True)
    chat.get_by_role("button", name="OK").click()
    chat.get_by_role("button", name="Chat menu").click()
    expect(chat.get_by_role("menuitem", name="10,000 ⭐ to spend")).to_be_visible()
