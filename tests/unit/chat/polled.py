"""A model of Telegram's server as the soak needs it: a queue of updates with its confirming, and books of what it did.

It never fails itself; what happens on the way to it is in `storms`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
REPLAYED = 5
POLL_LIMIT = 100
"""Updates in one answer, where the poll names no number of its own."""


def refusal(code: int, description: str, **parameters: int) -> httpx.Response:
    """Return a refusal."""
    body = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return httpx.Response(code, json=body)


def done(result: object) -> httpx.Response:
    """Return a result."""
    return httpx.Response(200, json={"ok": True, "result": result})


@dataclass
class Telegram:
    """Keeps updates until an offset confirms them; `is_stored` is asked when it forgets one."""

    chance: random.Random
    is_stored: Callable[[int], bool]
    queue: dict[int, dict[str, Any]] = field(default_factory=dict)
    next_id: int = 0
    confirmed: list[dict[str, Any]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """Updates that were confirmed before the bot had stored them."""
    answered: list[float] = field(default_factory=list)
    """When polls were answered."""
    queries: set[str] = field(default_factory=set)
    """The queries that were answered, once or more."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each text was sent."""
    displaced: int = 0

    def __post_init__(self) -> None:
        self.restart_ids()
        self._news = trio.Event()
        self._poll: trio.CancelScope | None = None

    def restart_ids(self) -> None:
        """Begin the numbers anew at random, as after a week without updates."""
        self.next_id = self.chance.randrange(2_000_000, 1_000_000_000)

    def add(self, payload: dict[str, Any]) -> int:
        """Queue an update and give its id; at times numbers are left out."""
        update_id = self.next_id
        self.next_id += self.chance.choice((1, 1, 1, 1, 1, 1, 1, 7, 5000))
        self.queue[update_id] = {"update_id": update_id, **payload}
        self._news.set()
        return update_id

    async def do(self, method: str, parameters: dict[str, Any]) -> httpx.Response:
        """Carry out a request that arrived."""
        match method:
            case "getMe":
                return done({"id": 1, "is_bot": True, "first_name": "b"})
            case "getUpdates":
                return await self._updates(parameters)
            case "answerCallbackQuery":
                self.queries.add(parameters["callback_query_id"])
            case "sendMessage":
                self.sent[parameters["text"]] += 1
                chat = {"id": parameters["chat_id"], "type": "private"}
                return done({"message_id": sum(self.sent.values()), "date": 1, "chat": chat})
        return done(True)

    async def _updates(self, parameters: dict[str, Any]) -> httpx.Response:
        """Answer a poll. One that has to wait sends the one that waits away with a 409."""
        self._confirm(parameters.get("offset", 0))
        if not self.queue and parameters["timeout"]:
            if self._poll is not None:
                self._poll.cancel()
                self.displaced += 1
            self._news = trio.Event()
            with trio.move_on_after(parameters["timeout"]) as scope:
                self._poll = scope
                try:
                    await self._news.wait()
                finally:
                    mine = self._poll is scope
                    self._poll = None if mine else self._poll
            if not mine:
                return refusal(409, CONFLICT)
        self.answered.append(trio.current_time())
        return done([self.queue[number] for number in sorted(self.queue)][:POLL_LIMIT])

    def _confirm(self, offset: int) -> None:
        """Forget what is below an offset; what was not stored by then is lost, which must never be."""
        if offset > self.next_id + 10:
            return
        for update_id in [number for number in self.queue if number < offset]:
            if not self.is_stored(update_id):
                self.lost.append(update_id)
            self.confirmed = [*self.confirmed[1 - REPLAYED :], self.queue.pop(update_id)]
