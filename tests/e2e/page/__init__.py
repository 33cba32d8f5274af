"""What the browser tests share: a bot of plain HTTP calls, a sandbox of its own process, and short ways to look."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERVER = """
import sys
from pathlib import Path
import imageio_ffmpeg
import trio
from doradura.sandbox import Sandbox

async def serve():
    port, media, keep = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    sandbox = Sandbox(bind=f"127.0.0.1:{port}", media_directory=media, keep_directory=keep, ffmpeg=ffmpeg)
    async with trio.open_nursery() as nursery:
        print(await nursery.start(sandbox.run), flush=True)

trio.run(serve)
"""
ADMIN, USER = 1000, 2000
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>alert(1)</script>"
PLAYS = """(kind) => {
    const media = document.querySelector(kind);
    return media.currentTime > 0 && Math.abs(media.duration - 10) < 0.5;
}"""


def http() -> httpx.Client:
    """A client that loads no certificates, which would take longer than all it asks; nothing here is encrypted."""
    return httpx.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout=30)


@dataclass
class FakeBot:
    """A bot of its own for one test, so that no test sees another's chats."""

    server: str
    user_id: int = 700_000_001
    seen: int = 0
    secret: str = "B" * 35

    @property
    def token(self) -> str:
        """What opens this bot."""
        return f"{self.user_id}:{self.secret}"

    def call(self, method: str, *, files: dict[str, Any] | None = None, **parameters: Any) -> Any:
        """One Bot API call, its result. Structures go as JSON, as they do in a form."""
        form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
        with http() as client:
            answer = client.post(f"{self.server}/bot{self.token}/{method}", data=form, files=files).json()
        assert answer["ok"], answer
        return answer["result"]

    def act(self, path: str, **order: Any) -> Any:
        """One call of the human side, its answer."""
        with http() as client:
            answer = client.post(f"{self.server}/sandbox/{path}?token={self.token}", json=order)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sample(self) -> bytes:
        """The sandbox's sample film."""
        with http() as client:
            return client.get(f"{self.server}/media/sample.mp4").content

    def say(self, text: str, *, to: int = USER, **more: Any) -> int:
        """Send a text; its message_id."""
        return int(self.call("sendMessage", chat_id=to, text=text, **more)["message_id"])

    def update(self) -> dict[str, Any]:
        """The next update, waited for."""
        updates = self.call("getUpdates", offset=self.seen + 1, timeout=15, limit=1)
        assert updates, "no update came"
        self.seen = updates[0]["update_id"]
        result: dict[str, Any] = updates[0]
        return result


def keyboard(*rows: list[dict[str, str]]) -> dict[str, Any]:
    """An inline keyboard."""
    return {"inline_keyboard": list(rows)}


@contextmanager
def sandbox(media: Path, keep: Path, port: str = "0") -> Iterator[str]:
    """Run a sandbox in a process of its own; gives its address."""
    command = [sys.executable, "-c", SERVER, port, str(media), str(keep)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "the sandbox did not start"
            yield address
        finally:
            process.terminate()


def open_chat(page: Page, bot: FakeBot, chat: int = USER) -> None:
    """Open a user's chat with the bot, and wait until the page is connected."""
    page.goto(f"{bot.server}/?token={bot.token}#{chat}")
    expect(page.locator("#bot-status.online")).to_be_visible()


def bubble(page: Page, text: str | re.Pattern[str]) -> Locator:
    """The messages that hold a text."""
    return page.get_by_role("article").filter(has_text=text)


def type_and_send(page: Page, text: str) -> None:
    """Say something as a person does."""
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
