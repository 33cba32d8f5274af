"""How much may go out: the bot's budget, each chat's and each group's. Figures only; `pacing` does the waiting.

A call counts from being let out until its answer is there and the budget's time has passed after that: thirty calls
let out together may land over a third of a second, and thirty more a second after the first would be too many.

The numbers are Telegram's advice (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this):
about 30 messages a second in all, one a second in a chat with short bursts, 20 a minute in a group.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

FLIGHT_SECONDS = 5.0
"""A call on its way for longer (an upload, an answer that does not come) has landed, or counts once it does: it
holds up nobody meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The budgets. A chat's burst is what a lively conversation needs at once: an answer, its edits, a file."""

    bot_per_second: float = 30
    chat_per_second: float = 1.0
    chat_burst: int = 20
    group_per_minute: float = 20


class SlidingWindow:
    """At most `limit` in any `seconds`, exactly: until when each of those that went out counts, in order."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._until: list[float] = []

    def free_at(self, now: float) -> float:
        """Return when the next may go out; `now` when it may at once."""
        del self._until[: bisect_right(self._until, now)]
        return now if len(self._until) < self._limit else self._until[len(self._until) - int(self._limit)]

    def is_empty(self, now: float) -> bool:
        """Whether none counts any more."""
        self.free_at(now)
        return not self._until

    def let_out(self, now: float) -> float:
        """Count one more. Return what `landed` is to be told."""
        until = now + FLIGHT_SECONDS + self._seconds
        if self._limit != math.inf:
            insort(self._until, until)
        return until

    def landed(self, until: float, now: float) -> None:
        """Count one from now on: `until` is what `let_out` gave for it."""
        if self._limit == math.inf:
            return
        at = bisect_left(self._until, until)
        if at < len(self._until) and self._until[at] == until:
            del self._until[at]
        insort(self._until, now + self._seconds)


@dataclass(slots=True)
class ChatBudget:
    """One chat's budget: full at first, refilled steadily; `window` in a group."""

    pace: Pace
    tokens: float
    counted_at: float
    window: SlidingWindow | None
    in_flight: int = 0

    def free_at(self, now: float) -> float:
        """When the next call may go out; `now` when it may at once."""
        self._refill(now)
        at = now if self.tokens >= 1 else now + (1 - self.tokens) / self.pace.chat_per_second
        if self.window is not None:
            at = max(at, self.window.free_at(now))
        return at

    def _refill(self, now: float) -> None:
        if self.pace.chat_per_second != math.inf:
            gained = (now - self.counted_at) * self.pace.chat_per_second
            self.tokens = min(self.pace.chat_burst, self.tokens + gained)
            self.counted_at = now

    def let_out(self, now: float) -> float:
        """Count one more. Return what `landed` is to be told."""
        self.in_flight += 1
        if self.pace.chat_per_second != math.inf:
            self.tokens -= 1
        return now if self.window is None else self.window.let_out(now)

    def landed(self, until: float, now: float) -> None:
        """Believe that it landed just now: Telegram's own count was full until then, and refills from then on."""
        if self.pace.chat_per_second != math.inf:
            self._refill(now)
            self.tokens = min(self.tokens, self.pace.chat_burst - self.in_flight)
        self.in_flight -= 1
        if self.window is not None:
            self.window.landed(until, now)

    def is_fresh(self, now: float) -> bool:
        """Whether a new one in its place would be no different."""
        free = self.free_at(now) <= now and self.tokens >= self.pace.chat_burst and not self.in_flight
        return free and (self.window is None or self.window.is_empty(now))
