"""From a pressed button to the film's first byte, with what the card's probe found against a fresh look.

The site is ours: its page takes three seconds to come, as a laborious site's extraction does, and its film comes at
once. Both sides are the same press on a card that is known; for the fresh look the finding is removed before it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx
import trio

from tests.bench.figures import Row, Series, ratios
from tests.bench.rig import Bot, RigError, bot, next_file, sandbox

USER = 2000
EXTRACTION_SECONDS = 3.0
AIM = 0.2
PATIENCE_SECONDS = 60.0
_PAGE = (
    "<!doctype html><html><head><title>A film</title></head><body><video src='/film{number}.mp4'></video></body></html>"
)


class _Site:
    """The site's film, and when each copy of it was first sent, in monotonic seconds."""

    def __init__(self, film: bytes) -> None:
        self.film = film
        self.first_byte: dict[str, float] = {}


@contextmanager
def _serving(site: _Site) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            number = "".join(filter(str.isdigit, self.path.removesuffix(".mp4")))
            if self.path.startswith("/page"):
                time.sleep(EXTRACTION_SECONDS)
                self._send("text/html", _PAGE.format(number=number).encode())
            else:
                site.first_byte.setdefault(number, time.monotonic())
                self._send("video/mp4", site.film)

        def _send(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


async def measure(runs: int, directory: Path) -> Row:
    """Take turns; one turn before them warms both sides up."""
    row = Row()
    numbers = itertools.count(1)
    async with sandbox(directory) as url:
        async with httpx.AsyncClient(trust_env=False) as client:
            site = _Site((await client.get(f"{url}/media/sample.mp4")).content)
        with _serving(site) as site_url:
            async with bot(directory, url, DORADURA_ALLOWED_PRIVATE=urlsplit(site_url).netloc) as ours:
                kept: list[float] = []
                fresh: list[float] = []
                for turn in range(runs + 1):
                    mine = await _seconds(ours, site, site_url, next(numbers), directory, keep=True)
                    other = await _seconds(ours, site, site_url, next(numbers), directory, keep=False)
                    if turn:
                        kept.append(1000 * mine)
                        fresh.append(1000 * other)
    row.compare("button to first byte", ours=Series("kept", kept, "ms"), theirs=Series("a fresh look", fresh, "ms"))
    found = median(ratios(kept, fresh))
    row.aim(f"at most {AIM:g} of a fresh look that takes {EXTRACTION_SECONDS:g} s", met=found <= AIM)
    return row


async def _seconds(ours: Bot, site: _Site, site_url: str, number: int, directory: Path, *, keep: bool) -> float:
    """Return the time from a button's press to the film's first byte."""
    async with ours.person.listening() as messages:
        said = await ours.person.say(USER, f"{site_url}/page{number}.html")
        card, button = await _known_card(ours, said)
        findings = list((directory / "data" / "jobs").glob("*.found"))
        if not findings:
            raise RigError("the card's probe left no finding")
        for finding in findings:
            if not keep:
                finding.unlink()
        began = time.monotonic()
        await ours.person.press(USER, card, button)
        await next_file(messages, USER)
    return site.first_byte[str(number)] - began


async def _known_card(ours: Bot, after: int) -> tuple[int, str]:
    """Wait until the card says what its probe found; return its id, and its last button: the film as it is."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            for message in await ours.person.messages(USER, after=after):
                if "A film" in message.get("text", ""):
                    rows = message["reply_markup"]["inline_keyboard"]
                    return message["message_id"], rows[-1][-1]["callback_data"]
            await trio.sleep(0.1)
