"""A model of Telegram's side of getUpdates: a queue with its confirming, over a transport that fails in every way."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

CUT = {"ok": True, "result": [{"update_id": 5}]}
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
HOOK = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


def envelope(code: int, description: str, **parameters: int) -> httpx.Response:
    """Give a refusal."""
    body = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return httpx.Response(code, json=body)


@dataclass
class Telegram:
    """Keeps updates until an offset confirms them; `weather` is how likely a request meets a fault."""

    chance: random.Random
    is_stored: Callable[[int], bool]
    weather: float = 0.0
    queue: dict[int, dict[str, Any]] = field(default_factory=dict)
    next_id: int = 0
    polls: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    handed: int = 0

    def __post_init__(self) -> None:
        self.restart_ids()
        self._news = trio.Event()

    def restart_ids(self) -> None:
        """Begin the numbers anew at random, as after a week without updates."""
        self.next_id = self.chance.randrange(2_000_000, 1_000_000_000)

    def add(self, payload: dict[str, Any]) -> int:
        """Queue an update and give its id."""
        update_id = self.next_id
        self.next_id += 1
        self.queue[update_id] = {"update_id": update_id, **payload}
        self._news.set()
        return update_id

    def transport(self) -> httpx.AsyncBaseTransport:
        """Give the way here."""
        return httpx.MockTransport(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rpartition("/")[2]
        if method == "getUpdates":
            self.polls.append(trio.current_time())
        fault = self.chance.choice(FAULTS) if self.chance.random() < self.weather else None
        if fault is None:
            return await self._done(method, json.loads(request.content))
        self.faults[fault] += 1
        return await self._faulty(fault, method, json.loads(request.content))

    async def _done(self, method: str, parameters: dict[str, Any]) -> httpx.Response:
        if method == "getMe":
            return httpx.Response(200, json={"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "b"}})
        if method == "getUpdates":
            result = await self._updates(parameters)
            self.answered.append(trio.current_time())
            return httpx.Response(200, json={"ok": True, "result": result})
        return httpx.Response(200, json={"ok": True, "result": True})

    async def _updates(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        self._confirm(parameters.get("offset", 0))
        if not self.queue:
            self._news = trio.Event()
            with trio.move_on_after(parameters["timeout"]):
                await self._news.wait()
        found = [self.queue[number] for number in sorted(self.queue)][: parameters["limit"]]
        self.handed += len(found)
        return found

    def _confirm(self, offset: int) -> None:
        """Forget what is below an offset; what was not stored by then is lost, which must never be."""
        if offset > self.next_id + 10:
            return
        for update_id in [number for number in self.queue if number < offset]:
            if not self.is_stored(update_id) and "message" in self.queue[update_id]:
                self.lost.append(update_id)
            del self.queue[update_id]

    async def _faulty(self, fault: str, method: str, parameters: dict[str, Any]) -> httpx.Response:
        match fault:
            case "refused":
                raise httpx.ConnectError("refused")
            case "no name":
                raise httpx.ConnectError("no such host")
            case "connect timeout":
                raise httpx.ConnectTimeout("slow")
            case "silent":
                await trio.sleep(self.chance.uniform(30, 200))
                raise httpx.ReadTimeout("silent")
            case "torn before":
                raise httpx.RemoteProtocolError("torn")
            case "torn after":
                await self._done(method, parameters)
                raise httpx.ReadError("torn")
            case "cut body" | "malformed" | "twice" | "backwards":
                return await self._odd(fault, method, parameters)
            case _:
                return REFUSALS[fault]()

    async def _odd(self, fault: str, method: str, parameters: dict[str, Any]) -> httpx.Response:
        """Give an answer that is done, and odd."""
        answer = await self._done(method, parameters)
        if fault == "cut body":
            return httpx.Response(200, content=answer.content[:-3])
        result = json.loads(answer.content)["result"]
        if isinstance(result, list):
            if fault == "malformed":
                result = [*result, {"no": "id"}, 7, {"update_id": "x"}]
            result = result[::-1] if fault == "backwards" else result
            result = result * 2 if fault == "twice" else result
        return httpx.Response(200, json={"ok": True, "result": result})


REFUSALS: dict[str, Callable[[], httpx.Response]] = {
    "429": lambda: envelope(429, "Too Many Requests: retry after 7", retry_after=7),
    "429 bare": lambda: httpx.Response(429, headers={"Retry-After": "4"}, content=b"slow down"),
    "500": lambda: envelope(500, "Internal Server Error: restart"),
    "502": lambda: httpx.Response(502, html="<html>Bad Gateway</html>"),
    "504": lambda: httpx.Response(504, content=b""),
    "409": lambda: envelope(409, CONFLICT),
    "webhook": lambda: envelope(409, HOOK),
    "400": lambda: envelope(400, "Bad Request: who knows"),
    "portal": lambda: httpx.Response(200, html="<html>Please log in</html>"),
    "redirect": lambda: httpx.Response(302, headers={"Location": "http://else.where/"}),
    "empty": lambda: httpx.Response(200, content=b""),
    "list": lambda: httpx.Response(200, json=[1, 2]),
    "other shape": lambda: httpx.Response(200, json={"ok": True, "result": {"a": 1}}),
}
FAULTS = (
    *("refused", "no name", "connect timeout", "silent", "torn before", "torn after", "cut body", "malformed"),
    *("twice", "backwards"),
    *REFUSALS,
)
