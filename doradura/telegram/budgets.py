"""How many calls may go out: the bot's budget, each chat's and each group's. Arithmetic only.

`pacing` does the waiting. A call counts from its permit until it was answered and the budget's time has passed after
that. Thirty calls permitted together may land over a third of a second, so thirty more one second after the first
permit would be too many. The numbers are Telegram's advice
(https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this): about 30 messages a second in all,
one a second in a chat with short bursts, 20 a minute in a group.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

FLIGHT_SECONDS = 5.0
"""A call that takes longer (an upload, an answer that does not come) delays nobody meanwhile: it has landed by then, or
counts again once it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The budgets. A chat's burst covers what a lively conversation needs at once: an answer, its edits, a file."""

    bot_per_second: float = 30
    chat_per_second: float = 1.0
    chat_burst: int = 20
    group_per_minute: float = 20


class SlidingWindow:
    """At most `limit` calls in any `seconds`, exactly. It keeps, in order, until when each call counts."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._until: list[float] = []

    def free_at(self, now: float) -> float:
        """Return when the next call may go out; `now` if it may at once."""
        del self._until[: bisect_right(self._until, now)]
        return now if len(self._until) < self._limit else self._until[len(self._until) - int(self._limit)]

    def is_empty(self, now: float) -> bool:
        """Return whether no call counts any more."""
        self.free_at(now)
        return not self._until

    def let_out(self, now: float) -> float:
        """Count one more call. Return the value to pass to `landed`."""
        until = now + FLIGHT_SECONDS + self._seconds
        if self._limit != math.inf:
            insort(self._until, until)
        return until

    def landed(self, until: float, now: float) -> None:
        """Start the time of a call that has landed; `until` is what `let_out` returned for it."""
        if self._limit == math.inf:
            return
        at = bisect_left(self._until, until)
        if at < len(self._until) and self._until[at] == until:
            del self._until[at]
        insort(self._until, now + self._seconds)


@dataclass(slots=True)
class ChatBudget:
    """One chat's budget: full at first, then refilled steadily. A group has a `window` too."""

    pace: Pace
    tokens: float
    counted_at: float
    window: SlidingWindow | None
    in_flight: int = 0

    def free_at(self, now: float) -> float:
        """Return when the next call may go out; `now` if it may at once."""
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
        """Count one more call. Return the value to pass to `landed`."""
        self.in_flight += 1
        if self.pace.chat_per_second != math.inf:
            self.tokens -= 1
        return now if self.window is None else self.window.let_out(now)

    def landed(self, until: float, now: float) -> None:
        """Assume that the call landed just now: Telegram's own count was full until then and refills from now on."""
        if self.pace.chat_per_second != math.inf:
            self._refill(now)
            self.tokens = min(self.tokens, self.pace.chat_burst - self.in_flight)
        self.in_flight -= 1
        if self.window is not None:
            self.window.landed(until, now)

    def is_fresh(self, now: float) -> bool:
        """Return whether this budget is no different from a new one."""
        free = self.free_at(now) <= now and self.tokens >= self.pace.chat_burst and not self.in_flight
        return free and (self.window is None or self.window.is_empty(now))
