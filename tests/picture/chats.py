"""Draw docs/sandbox.png and docs/sandbox-phone.png: `python -m tests.picture.chats`.

Starts the bot in its sandbox, lets a person ask for a song, an alert reach the admin and both speak in a
group, and takes the web chat: two people side by side with the panel of calls, and a phone in the dark. By hand
only: no test and no check needs it. Signs want a font: Debian has fonts-noto-color-emoji.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.e2e.program import Program, running
from tests.picture.alerts import alert
from tests.picture.draw import CHROMIUM_ARGUMENTS, shrink
from tests.programs import found

DOCS = Path(__file__).parent.parent.parent / "docs"
ADMIN, USER = 1000, 2000
WIDE: ViewportSize = {"width": 1560, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


async def pictures() -> None:
    """Let things happen, then take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name) / "data") as program:
            await _user(program)
            token = await trio.Path(name, "data", "webhook.token").read_text()
            await _admin(program, token.strip())
            await _group(program)
            await trio.to_thread.run_sync(_take, program.sandbox_url)


async def _user(program: Program) -> None:
    """Ask for a song by its link."""
    await program.say(USER, program.media("sample.mp4"))
    choices = await program.wait(USER, lambda found: found.get("reply_markup"))
    await program.press(USER, choices, "mp3 320k")
    await program.wait(USER, lambda found: "audio" in found)


async def _admin(program: Program, token: str) -> None:
    """Get an alert, and acknowledge it."""
    errors = ("HighErrorRate", "critical", "High error rate", "12% of downloads failed in the last 5 minutes.")
    body = {"version": "4", "groupKey": "errors", "status": "firing", "alerts": [alert(*errors)]}
    headers = {"Authorization": f"Bearer {token}"}
    answer = await program.client.post(f"{program.http_url}/alerts", json=body, headers=headers)
    answer.raise_for_status()
    message = await program.wait(ADMIN, lambda found: "High error rate" in found.get("text", ""))
    await program.press(ADMIN, message, "👤 Acknowledge")
    await program.wait(ADMIN, lambda found: "Admin" in found.get("text", ""))


async def _group(program: Program) -> None:
    """Both meet in a group, where one asks the bot for help."""
    order = {"title": "Friends", "type": "group", "member_ids": [ADMIN, USER]}
    group = (await program.ask("POST", "/sandbox/chats", json=order))["id"]
    await program.wait(group, lambda found: "text" in found)
    await program.ask("POST", f"/sandbox/chats/{group}/messages", json={"from_id": USER, "text": "Look, it sings!"})


def _take(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found("chromium"), args=CHROMIUM_ARGUMENTS)
        _wide(browser, url)
        _phone(browser, url)
        browser.close()
    for name in ("sandbox.png", "sandbox-phone.png"):
        shrink(DOCS / name)


def _wide(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport=WIDE, color_scheme="light", locale="en-GB", reduced_motion="reduce")
    _open(page, f"{url}/#{USER},{ADMIN}")
    page.keyboard.press("Alt+c")
    expect(page.locator(".calls li")).not_to_have_count(0)
    page.get_by_label("Message", exact=True).first.focus()
    page.screenshot(path=DOCS / "sandbox.png")
    page.close()


def _phone(browser: Browser, url: str) -> None:
    page = browser.new_page(
        viewport=PHONE, color_scheme="dark", locale="en-GB", reduced_motion="reduce", is_mobile=True, has_touch=True
    )
    _open(page, f"{url}/#{USER}")
    page.screenshot(path=DOCS / "sandbox-phone.png")
    page.close()


def _open(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".online").first).to_be_visible()
    expect(page.get_by_role("button", name="Play Doradura sample")).to_be_visible()
    page.wait_for_function("() => [...document.images].every(each => each.complete)")


if __name__ == "__main__":
    trio.run(pictures)
