"""A scripted Telegram behind httpx's mock transport, and an observer that remembers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio

from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.errors import RequestOutcome
from doradura.telegram.observer import LimitSource, RequestKind

TOKEN = "123456:SECRETSECRETSECRET"
MESSAGE = {"message_id": 7, "date": 1, "chat": {"id": 5, "type": "private"}, "text": "hi"}

Step = httpx.Response | Exception | Callable[[], Awaitable[httpx.Response]]


@dataclass
class Seen:
    """An observer that keeps what it was told."""

    finished: list[tuple[str, RequestKind, RequestOutcome]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    limited: list[LimitSource] = field(default_factory=list)
    polls: int = 0
    conflicts: int = 0
    malformed: int = 0
    abandoned: list[str] = field(default_factory=list)

    def request_finished(self, method: str, kind: RequestKind, outcome: RequestOutcome, seconds: float) -> None:
        self.finished.append((method, kind, outcome))
        self.seconds.append(seconds)

    def rate_limited(self, source: LimitSource) -> None:
        self.limited.append(source)

    def given_up(self, method: str) -> None:
        self.abandoned.append(method)

    def poll_completed(self) -> None:
        self.polls += 1

    def poll_conflict(self) -> None:
        self.conflicts += 1

    def update_malformed(self) -> None:
        self.malformed += 1


@dataclass
class Asked:
    """One request as Telegram got it, and when."""

    method: str
    parameters: dict[str, Any]
    at: float
    request: httpx.Request


class ScriptedTelegram:
    """Answers with the steps it was given, one a request; afterwards with `last`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.last: Step = ok(MESSAGE)
        self.asked: list[Asked] = []
        self.on_asked: Callable[[], None] = lambda: None

    @property
    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    @property
    def times(self) -> list[float]:
        """Seconds from the first request to each."""
        return [round(asked.at - self.asked[0].at, 3) for asked in self.asked]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith(f"/bot{TOKEN}/")
        is_json = request.headers["content-type"] == "application/json"
        parameters = json.loads(await request.aread()) if is_json else {}
        self.asked.append(Asked(request.url.path.rpartition("/")[2], parameters, trio.current_time(), request))
        self.on_asked()
        step = self.steps.pop(0) if self.steps else self.last
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            # A copy, as one response object cannot be read twice.
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return await step()

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self.answer)


def ok(result: object) -> httpx.Response:
    """Return an answer with a result."""
    return httpx.Response(200, json={"ok": True, "result": result})


def refusal(code: int, description: str, **parameters: int) -> httpx.Response:
    """Return an answer that refuses."""
    body: dict[str, object] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return httpx.Response(code, json=body)


@pytest.fixture
def seen() -> Seen:
    """Return the observer that `api` tells."""
    return Seen()


@pytest.fixture
def telegram() -> ScriptedTelegram:
    """Return the Telegram that `api` talks to."""
    return ScriptedTelegram()


@dataclass
class Make:
    """The makers of answers, as a fixture, because test folders are no packages."""

    ok: Callable[[object], httpx.Response] = field(default=ok)
    refusal: Callable[..., httpx.Response] = field(default=refusal)
    message: dict[str, object] = field(default_factory=lambda: dict(MESSAGE))
    token: str = TOKEN


@pytest.fixture
def make() -> Make:
    """Return the makers of answers."""
    return Make()


OpenApi = Callable[..., AbstractAsyncContextManager[BotApi]]


@pytest.fixture
def open_api(telegram: ScriptedTelegram, seen: Seen) -> OpenApi:
    """Open a BotApi on the scripted Telegram, with chance taken out: every draw is 1, so waits are the shortest."""

    @asynccontextmanager
    async def open_it(**options: Any) -> AsyncIterator[BotApi]:
        settings = {"make_transport": telegram.transport, "observer": seen, "draw": lambda: 1.0, **options}
        async with open_bot_api(TOKEN, **settings) as api:
            yield api

    return open_it


@pytest.fixture
async def api(open_api: OpenApi) -> AsyncIterator[BotApi]:
    """Return a BotApi on the scripted Telegram."""
    async with open_api() as opened:
        yield opened
