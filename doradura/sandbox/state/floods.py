"""Flood limits, off by default: sends per second by bot and chat, per minute in a group.

Owns the counts, in memory. The numbers are Telegram's advice; what its servers really count is not public.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import msgspec

from doradura.sandbox.state.refusal import RefusalError

_COUNTED = ("send", "edit", "copy", "forward")
_FREE = frozenset({"sendchataction"})
_SECOND, _MINUTE = 1.0, 60.0


class FloodLimits(msgspec.Struct):
    """The settings, as GET /sandbox/flood-limits shows them."""

    enabled: bool = False
    bot_per_second: int = 30
    chat_per_second: int = 1
    chat_burst: int = 20
    group_per_minute: int = 20


class FloodOrder(msgspec.Struct):
    """POST /sandbox/flood-limits: the values to change."""

    enabled: bool | None = None
    bot_per_second: int | None = None
    chat_per_second: int | None = None
    chat_burst: int | None = None
    group_per_minute: int | None = None


class Floods:
    """Counts the sends of all bots."""

    def __init__(self, clock: Callable[[], float], *, enabled: bool = False) -> None:
        self.limits = FloodLimits(enabled=enabled)
        self._clock = clock
        self._sends: dict[tuple[str, int | None], deque[float]] = {}
        self._buckets: dict[tuple[str, int], list[float]] = {}

    def change(self, order: FloodOrder) -> FloodLimits:
        """Change the named values and reset the counts. Raises ValueError for numbers that allow nothing."""
        given = {name: value for name in order.__struct_fields__ if (value := getattr(order, name)) is not None}
        if any(value < 1 for name, value in given.items() if name != "enabled"):
            raise ValueError("a limit is 1 or more")
        for name, value in given.items():
            setattr(self.limits, name, value)
        self._sends.clear()
        self._buckets.clear()
        return self.limits

    def check(self, token: str, method: str, chat_id: int | None) -> None:
        """Count a call; edits count too. Raises RefusalError (429) if it is one too many."""
        method = method.lower()
        if not self.limits.enabled or method in _FREE or not method.startswith(_COUNTED):
            return
        now = self._clock()
        rules: list[tuple[int | None, int, float]] = [(None, self.limits.bot_per_second, _SECOND)]
        if chat_id is not None and chat_id < 0:
            rules.append((chat_id, self.limits.group_per_minute, _MINUTE))
        wait = max(self._wait(token, key, most, seconds, now) for key, most, seconds in rules)
        bucket = None if chat_id is None else self._bucket(token, chat_id, now)
        if bucket is not None:
            wait = max(wait, (1 - bucket[0]) / self.limits.chat_per_second)
        if wait > 0:
            after = math.ceil(wait)
            text = f"Too Many Requests: retry after {after}"
            raise RefusalError(429, text, parameters={"retry_after": after})
        for key, _, _ in rules:
            self._sends[token, key].append(now)
        if bucket is not None:
            bucket[0] -= 1

    def _bucket(self, token: str, chat_id: int, now: float) -> list[float]:
        """Return a chat's [sends left, when that was counted], refilled up to now."""
        bucket = self._buckets.setdefault((token, chat_id), [self.limits.chat_burst, now])
        filled = bucket[0] + max(0.0, now - bucket[1]) * self.limits.chat_per_second
        bucket[:] = [min(float(self.limits.chat_burst), filled), now]
        return bucket

    def _wait(self, token: str, key: int | None, most: int, seconds: float, now: float) -> float:
        """Return how long until another send is within `most` in `seconds`."""
        times = self._sends.setdefault((token, key), deque())
        while times and times[0] <= now - _MINUTE:
            times.popleft()
        within = [at for at in times if at > now - seconds]
        return within[-most] + seconds - now if len(within) >= most else 0.0
