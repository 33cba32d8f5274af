"""A bot's queue of updates, with the semantics of getUpdates.

Owns the updates' ids, their order and their age, and also the waiting: at most one poll waits, and a second one that
has to wait displaces the first. Time is passed in. Source: tdlib/telegram-bot-api (Client.cpp, td::TQueue).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import trio

RETENTION_SECONDS = 24 * 3600
QUERY_RETENTION_SECONDS = 150
"""After this time nobody cares any more about a pressed button."""

QUEUE_LIMIT = 100_000
ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
OFFSET_SLACK = 10
"""An offset further above the next id than this is taken for a mistake and ignored."""

PACED_SECONDS, HASTY_SECONDS = 3.0, 0.5
"""Polling again with the same offset: earlier than the first number it waits that long, earlier than the second it gets
one update."""

CONFLICT_SECONDS = 3.0
"""One 409 in this time is reported at once; further ones are reported that much later."""

ALL_KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
)
DEFAULT_KINDS = tuple(
    kind for kind in ALL_KINDS if kind not in {"chat_member", "message_reaction", "message_reaction_count"}
)
_QUERIES = frozenset({"callback_query", "pre_checkout_query", "shipping_query"})


class DisplacedError(Exception):
    """Another poll came that has to wait, and only one may."""


class Update(msgspec.Struct, frozen=True):
    """An update in the queue."""

    update_id: int
    expires: float
    json: bytes
    """The Update object as the bot gets it."""


class UpdateQueue:
    """Updates until they are confirmed or too old."""

    def __init__(self, changed: Callable[[int, Update | None], None], next_id: int | None = None) -> None:
        """`changed` is called for each update that comes or goes, so that it can be kept."""
        self.next_id = next_id or 2_000_000 + secrets.randbelow(998_000_000)
        self.kinds: tuple[str, ...] = DEFAULT_KINDS
        self.updates: dict[int, Update] = {}
        self._changed = changed
        self._waiting: _Wait | None = None
        self._last_offset: int | None = None
        self._last_poll = self._next_conflict = -math.inf

    def add(self, kind: str, payload: dict[str, Any], now: float) -> None:
        """Queue an update, unless its kind is unwanted, and wake the waiting poll."""
        if kind not in self.kinds or len(self.updates) >= QUEUE_LIMIT:
            return
        age = QUERY_RETENTION_SECONDS if kind in _QUERIES else RETENTION_SECONDS
        body = msgspec.json.encode({"update_id": self.next_id, kind: payload})
        update = Update(self.next_id, now + age, body)
        self.updates[self.next_id] = update
        self.next_id += 1
        self._changed(update.update_id, update)
        if self._waiting is not None:
            self._waiting.event.set()

    def restore(self, updates: list[Update]) -> None:
        """Restore kept updates, and make sure that no id is used twice."""
        for update in sorted(updates, key=lambda update: update.update_id):
            self.updates[update.update_id] = update
            self.next_id = max(self.next_id, update.update_id + 1)

    def clear(self) -> None:
        """Forget every pending update."""
        for update_id in list(self.updates):
            self._forget(update_id)

    def pace(self, offset: int, limit: int, timeout: int, now: float) -> tuple[int, int]:
        """Return a poll's real limit and timeout: repeating the same request is slowed down."""
        since = now - self._last_poll if offset == self._last_offset else math.inf
        self._last_offset, self._last_poll = offset, now
        waits = math.ceil(PACED_SECONDS) if since < PACED_SECONDS and timeout < PACED_SECONDS else timeout
        return 1 if since < HASTY_SECONDS else limit, waits

    def conflict_delay(self, now: float) -> float:
        """Return how much later a displaced poll is told so."""
        if now < self._next_conflict:
            return CONFLICT_SECONDS
        self._next_conflict = now + CONFLICT_SECONDS
        return 0.0

    def confirm(self, offset: int) -> None:
        """Forget what a poll's offset confirms: everything below it, or, if negative, all but the newest."""
        if offset < 0:
            for update_id in list(self.updates)[:offset]:
                self._forget(update_id)
        elif 0 < offset <= self.next_id + OFFSET_SLACK:
            while self.updates and (oldest := next(iter(self.updates))) < offset:
                self._forget(oldest)

    def take(self, limit: int, now: float) -> list[bytes]:
        """Return the oldest updates that are not too old; they stay until they are confirmed."""
        taken: list[bytes] = []
        size = 0
        for update in list(self._first(limit, now)):
            size += len(update.json)
            if taken and size > ANSWER_LIMIT_BYTES:
                break
            taken.append(update.json)
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait for an update for a bounded time. Raises DisplacedError if another poll takes this one's place."""
        if self._waiting is not None:
            self._waiting.displaced = True
            self._waiting.event.set()
        mine = self._waiting = _Wait()
        try:
            with trio.move_on_after(seconds):
                await mine.event.wait()
        finally:
            if self._waiting is mine:
                self._waiting = None
        if mine.displaced:
            raise DisplacedError

    def _first(self, limit: int, now: float) -> list[Update]:
        found: list[Update] = []
        old: list[int] = []
        for update in self.updates.values():
            if update.expires <= now:
                old.append(update.update_id)
            else:
                found.append(update)
                if len(found) == limit:
                    break
        for update_id in old:
            self._forget(update_id)
        return found

    def _forget(self, update_id: int) -> None:
        del self.updates[update_id]
        self._changed(update_id, None)


class _Wait:
    """A waiting poll."""

    def __init__(self) -> None:
        self.event = trio.Event()
        self.displaced = False


def wanted_kinds(value: object) -> tuple[str, ...] | None:
    """Read allowed_updates: a list's known names, the default if it has none, None (no change) if it is not a list."""
    if not isinstance(value, list) or not all(isinstance(kind, str) for kind in value):
        return None
    known = tuple(kind for kind in ALL_KINDS if kind in {kind.lower() for kind in value})
    return known or DEFAULT_KINDS
