"""PO tokens of a provider of the operator's, by yt-dlp's own means."""

from __future__ import annotations

import base64
import functools
import json
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from doradura.media.protocol import Order, Result
from doradura.workers.gate import GatedWorkers
from doradura.workers.youtube import YoutubeWorkers
from tests.integration.child.raw_site import in_a_thread
from tests.integration.gated import gate_and_workers

NewOrder = Callable[..., Order]
HERE = str(Path(__file__).parent)
VIDEO = "https://www.youtube.com/watch?v=abcdefghijk"
Fetch = Callable[..., Awaitable[dict[str, Any]]]


class Provider:
    """A stand-in for bgutil's server."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, Any]] = []
        self.status = 200
        self.answer: Any = None
        self.lock = threading.Lock()


def token_of(binding: str) -> str:
    """A token as yt-dlp takes it."""
    return base64.urlsafe_b64encode(f"token of {binding}".encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, provider: Provider, *arguments: Any) -> None:
        self._provider = provider
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        self._provider.asked.append((self.path, asked))
        answer = self._provider.answer or {"poToken": token_of(asked["content_binding"] if asked else "")}
        content = json.dumps({"expiresAt": "2026-11-29T06:00:00.000Z", **answer}).encode()
        self.send_response(self._provider.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on loopback."""
    made = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, made))
    server.daemon_threads = True
    with in_a_thread(server) as made.url:
        yield made


@pytest.fixture
async def fetch(new_order: NewOrder, tmp_path: Path, provider: Provider) -> AsyncIterator[Fetch]:
    """Return what a job says that fetches tokens; YouTube's way out is a proxy that is not there."""
    environment, way = {**os.environ, "PYTHONPATH": HERE}, {"youtube": "socks5://127.0.0.1:1"}.get

    async def run(url: str = VIDEO, *, configured: bool = True) -> dict[str, Any]:
        keeping = YoutubeWorkers(workers, tmp_path / "players", provider.url if configured else "")
        with trio.fail_after(120):
            async with keeping.work(new_order(url)) as conversation:
                end = [message async for message in conversation][-1]
        assert isinstance(end, Result), end
        return cast("dict[str, Any]", json.loads(end.title))

    async with gate_and_workers(environment=environment, job="token_job:run_job", way=way) as (gate, children):
        workers = GatedWorkers(children, gate, "port")
        yield run


async def test_a_token_is_fetched(fetch: Fetch, provider: Provider) -> None:
    """Through the gate and not through the site's proxy, bound to what yt-dlp binds it to."""
    told = await fetch()
    assert (told["gvs"], told["player"]) == (token_of("a visitor"), token_of("abcdefghijk")), told["log"]
    assert provider.asked == [
        ("/get_pot", {"content_binding": "a visitor"}),
        ("/get_pot", {"content_binding": "abcdefghijk"}),
    ]


async def test_a_provider_that_gives_none(fetch: Fetch, provider: Provider) -> None:
    """yt-dlp goes on without a token, and its log says why."""
    for provider.status, provider.answer in ((500, {"error": "no"}), (200, {"token": "x"}), (200, {"poToken": 5})):
        told = await fetch()
        assert (told["gvs"], told["player"]) == (None, None)
        assert any("the provider gives no token" in line for line in told["log"])


async def test_without_the_setting_nobody_is_asked(fetch: Fetch, provider: Provider) -> None:
    """Nor is it within reach."""
    told = await fetch(f"{VIDEO}#{provider.url}/", configured=False)
    assert (told["gvs"], told["straight"], provider.asked) == (None, "refused_address", [])


async def test_other_sites_can_t_reach_it(fetch: Fetch, provider: Provider) -> None:
    """A private address that a job of YouTube's may ask is refused to every other."""
    told = await fetch(f"https://example.com/#{provider.url}/")
    assert (told["gvs"], told["straight"], provider.asked) == (None, "refused_address", [])
    assert (await fetch(f"{VIDEO}#{provider.url}/"))["straight"] == "reached"
