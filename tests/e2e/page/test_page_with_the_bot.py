"""The web chat and the real bot together: what a person who never saw it does first."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
import trio
from playwright.sync_api import Page, expect

from tests.e2e.page import PLAYS, USER, bubble, type_and_send
from tests.e2e.program import running


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sandbox's address of a running `doradura run --sandbox`, stopped well at the end."""
    addresses: queue.Queue[str] = queue.Queue()
    done = threading.Event()
    failures: list[BaseException] = []

    async def hold() -> None:
        async with running(tmp_path_factory.mktemp("bot") / "data") as program:
            addresses.put(program.sandbox_url)
            await trio.to_thread.run_sync(done.wait)

    def run() -> None:
        try:
            trio.run(hold)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)
            addresses.put("")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield addresses.get(timeout=90)
    finally:
        done.set()
        thread.join(60)
    if failures:
        raise failures[0]


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
