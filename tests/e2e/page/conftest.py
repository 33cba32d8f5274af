"""A bot and a page for each browser test, in one Chromium and one sandbox for all of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.e2e.page import CHROMIUM_ARGUMENTS, FakeBot, sandbox
from tests.programs import found


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    path = found("chromium")
    expect.set_options(timeout=15_000)  # a machine that does other things besides is no failure
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def media_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the samples are made once for all sandboxes here."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="package")
def shared_server(media_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One sandbox for the tests that need no fresh one: each has a bot of its own in it, and all share its people."""
    with sandbox(media_directory, tmp_path_factory.mktemp("chats")) as address:
        yield address


@pytest.fixture
def bot(shared_server: str, request: pytest.FixtureRequest) -> FakeBot:
    """A bot that has made its first call."""
    bot = FakeBot(shared_server, user_id=1 + zlib.crc32(request.node.nodeid.encode()))
    bot.call("getMe")
    return bot


@pytest.fixture
def complaints() -> list[str]:
    """What the page's console complained of; a test that provokes that clears it."""
    return []


@pytest.fixture
def page(browser: Browser, shared_server: str, complaints: list[str]) -> Iterator[Page]:
    """A page on which any error or refused load in the console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []
