"""The way to Telegram, and what goes wrong on it: no connection, torn and slow answers, foreign pages, 429s."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from tests.unit.chat.polled import CONFLICT, Telegram, refusal

HOOK = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
DAY_SECONDS = 24 * 3600
DAY_SHARE = 0.03
"""Of the 429s that say a day: each makes the bot deaf for a while, and there would be nothing else."""
PASSED_BY = frozenset({"getMe", "deleteWebhook", "getUpdates"})
"""What the poller calls meets every fault; a user's answer only what is not its own fault."""

ON_THE_WAY: tuple[str, ...] = (
    *("refused", "no name", "connect timeout", "torn before", "torn after", "torn body", "cut body", "half"),
    *("slow", "silent", "never", "late"),
)
PAGES: dict[str, Callable[[], httpx.Response]] = {
    "429": lambda: refusal(429, "Too Many Requests: retry after 7", retry_after=7),
    "429 bare": lambda: httpx.Response(429, headers={"Retry-After": "4"}, content=b"slow down"),
    "500": lambda: refusal(500, "Internal Server Error: restart"),
    "502": lambda: httpx.Response(502, html="<html>Bad Gateway</html>"),
    "504": lambda: httpx.Response(504, content=b""),
    "portal": lambda: httpx.Response(200, html="<html>Please log in</html>"),
    "redirect": lambda: httpx.Response(302, headers={"Location": "http://else.where/"}),
    "empty": lambda: httpx.Response(200, content=b""),
    "list": lambda: httpx.Response(200, json=[1, 2]),
    "text": lambda: httpx.Response(200, json="ok"),
    "ok a word": lambda: httpx.Response(200, json={"ok": "yes", "result": []}),
    "binary": lambda: httpx.Response(200, content=b"\x1f\x8b\x00\xff\xfe"),
}
REFUSALS: dict[str, Callable[[], httpx.Response]] = {
    "429 day": lambda: refusal(429, "Too Many Requests: retry after 86400", retry_after=DAY_SECONDS),
    "409": lambda: refusal(409, CONFLICT),
    "webhook": lambda: refusal(409, HOOK),
    "400": lambda: refusal(400, "Bad Request: who knows"),
    "401": lambda: refusal(401, "Unauthorized"),
    "no result": lambda: httpx.Response(200, json={"ok": True}),
    "null": lambda: httpx.Response(200, json={"ok": True, "result": None}),
    "other shape": lambda: httpx.Response(200, json={"ok": True, "result": {"a": 1}}),
}
ODD = ("malformed", "twice", "backwards", "again")
EVERYWHERE = (*ON_THE_WAY, *PAGES)
FAULTS = (*EVERYWHERE, *ODD, *[name for name in REFUSALS if name != "401"])
"""What may come up at any request. A refused token ends the program, so it comes as a siege only."""
SIEGES: dict[str, float] = {
    "refused": 3600.0,
    "silent": 1800.0,
    "never": 900.0,
    "502": 1800.0,
    "portal": 1200.0,
    "429": 600.0,
    "409": 900.0,
    "401": 240.0,
    "slow": 600.0,
    "429 day": 90.0,
}
"""For so many seconds nothing else happens."""


class Broken(httpx.AsyncByteStream):
    """An answer's body that comes a byte a second, or tears in the middle."""

    def __init__(self, content: bytes, *, tears: bool) -> None:
        self._content = content
        self._tears = tears

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._tears:
            yield self._content[: len(self._content) // 2]
            raise httpx.ReadError("torn")
        for index in range(len(self._content)):
            await trio.sleep(1)
            yield self._content[index : index + 1]


@dataclass
class Storms:
    """Carries requests to Telegram; `likelihood` is how likely one meets a fault, a `siege` is met by all."""

    chance: random.Random
    telegram: Telegram
    nursery: trio.Nursery
    ends_at: float
    likelihood: float = 0.0
    siege: str | None = None
    met: Counter[str] = field(default_factory=Counter)
    polls: list[float] = field(default_factory=list)
    journal: list[tuple[float, str, str | None]] = field(default_factory=list)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return the way there."""
        return httpx.MockTransport(self._carry)

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rpartition("/")[2]
        parameters = json.loads(request.content)
        if method == "getUpdates":
            self.polls.append(trio.current_time())
        fault = self._fault(method)
        self.journal.append((trio.current_time(), method, fault))
        if fault is None:
            return await self.telegram.do(method, parameters)
        self.met[fault] += 1
        return await self._meet(fault, method, parameters, request.extensions["timeout"]["read"])

    def _fault(self, method: str) -> str | None:
        if self.siege is not None:
            return self.siege if method in PASSED_BY or self.siege in (*EVERYWHERE, "401") else None
        if self.chance.random() >= self.likelihood:
            return None
        fault = self.chance.choice(FAULTS if method in PASSED_BY else EVERYWHERE)
        if fault == "429 day" and (self.chance.random() >= DAY_SHARE or trio.current_time() > self.ends_at - 1000):
            return "429"
        return fault

    async def _meet(
        self, fault: str, method: str, parameters: dict[str, Any], patience: float | None
    ) -> httpx.Response:
        match fault:
            case "refused":
                raise httpx.ConnectError("refused")
            case "no name":
                raise httpx.ConnectError("no such host")
            case "connect timeout":
                raise httpx.ConnectTimeout("slow")
            case "torn before":
                raise httpx.RemoteProtocolError("torn")
            case "silent":
                return await self._say_nothing(patience)
            case "never":
                await trio.sleep_forever()
            case "late":
                self.nursery.start_soon(self._do_late, method, parameters)
                return await self._say_nothing(patience)
        if page := {**PAGES, **REFUSALS}.get(fault):
            return page()
        return _spoiled(fault, await self.telegram.do(method, parameters), self.telegram)

    async def _say_nothing(self, patience: float | None) -> httpx.Response:
        await trio.sleep(self.chance.uniform(30, 200) if patience is None else patience)
        raise httpx.ReadTimeout("silent")

    async def _do_late(self, method: str, parameters: dict[str, Any]) -> None:
        """Let a request arrive when its sender may have given it up; nobody hears the answer."""
        await trio.sleep(self.chance.uniform(1, 150))
        await self.telegram.do(method, parameters)


def _spoiled(fault: str, answer: httpx.Response, telegram: Telegram) -> httpx.Response:
    """Return an answer of what was done, and odd."""
    content = answer.content
    match fault:
        case "torn after":
            raise httpx.ReadError("torn")
        case "torn body" | "slow":
            return httpx.Response(answer.status_code, stream=Broken(content, tears=fault == "torn body"))
        case "cut body":
            return httpx.Response(answer.status_code, content=content[:-3])
        case "half":
            return httpx.Response(answer.status_code, content=content[: len(content) // 2])
    result = json.loads(content).get("result")
    if isinstance(result, list):
        spoil: dict[str, list[object]] = {
            "malformed": [*result, {"no": "id"}, 7, {"update_id": "x"}, {"update_id": -math.pi}],
            "backwards": result[::-1],
            "twice": result * 2,
            "again": [*telegram.confirmed, *result],
        }
        result = spoil[fault]
        return httpx.Response(200, json={"ok": True, "result": result})
    return answer
