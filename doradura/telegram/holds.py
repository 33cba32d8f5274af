"""Holds that a 429 causes beyond one chat: on a whole method, or on the whole bot.

Such a hold lasts LONGEST_HOLD_SECONDS at most, whatever Telegram said. Then one call, the probe, goes out and the
others wait for its answer: success ends the hold, another 429 begins the next one. So a wrong number silences nobody
for an hour, and a real limit is tested once a minute and not by every call. Decisions only: `pacing` does the waiting.
"""

from __future__ import annotations

import math
from typing import NamedTuple

LONGEST_HOLD_SECONDS = 60.0
PROBE_SECONDS = 10.0
"""How long the other calls wait for a probe's answer. An upload may take minutes; then another call becomes the
probe."""
MANY_CHATS = 5
"""If this many chats are refused in a row, each with a 429 of its own, the limit is taken for the whole bot's."""
TOGETHER_SECONDS = 5.0
""""In a row" means within this time, with no message accepted in between."""


class ActiveHold(NamedTuple):
    """A hold as /health shows it: `what` is a method or `EVERY_CHAT`.

    `seconds_left` is 0 while a probe is in progress.
    """

    what: str
    seconds_left: float


class Hold:
    """One hold, on or off. The number from `let_out` says which hold a call's answer belongs to."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._until = -math.inf
        self._number = 0
        self._probing = False

    @property
    def is_on(self) -> bool:
        """Whether a 429 came and no call has succeeded since; the hold's time may be over."""
        return self._began is not None

    @property
    def is_tried(self) -> bool:
        """Whether a probe is in progress, so that the hold may end at any moment."""
        return self._probing

    def is_of(self, number: int | None) -> bool:
        """Return whether `let_out` gave this number during the present hold: the call went out after the hold began."""
        return self.is_on and number == self._number

    def free_at(self, now: float) -> float:
        """Return when the next call may go out; `now` if it may at once."""
        return max(now, self._until)

    def seconds_left(self, now: float) -> float | None:
        """Return for how many seconds calls are still held, 0 while a probe is in progress; None if none are held."""
        if self._until <= now:
            return None
        return 0.0 if self._probing else self._until - now

    def let_out(self, now: float) -> int | None:
        """Count a call that goes out; it is the probe if the hold's time is over.

        Return the hold's number, None without a hold.
        """
        if self._began is None:
            return None
        if self._until <= now:
            self._probing = True
            self._until = now + PROBE_SECONDS
        return self._number

    def refused(self, number: int | None, seconds: float, now: float) -> bool:
        """Record a 429 that asks to wait this many seconds. Return whether it began a hold.

        The 429 of a call that went out before the hold is no news: it may extend the hold to its longest, counted from
        when the hold began, and no further.
        """
        new = self._began is None
        until = now + min(seconds, LONGEST_HOLD_SECONDS)
        if self._began is None or number == self._number:
            self._number += 1
            self._began, self._until, self._probing = now, until, False
        elif not self._probing:
            self._until = max(self._until, min(until, self._began + LONGEST_HOLD_SECONDS))
        return new

    def answered(self, number: int | None) -> bool:
        """Record that Telegram accepted a call. Return whether that ended the hold.

        A call from before the hold does not.
        """
        if self._began is None or number != self._number:
            return False
        self._began, self._until, self._probing = None, -math.inf, False
        return True

    def unanswered(self, number: int | None, now: float) -> bool:
        """Record that a call ended without showing anything. Return whether it was the probe.

        Then the next call tries.
        """
        if not self._probing or number != self._number:
            return False
        self._until, self._probing = now, False
        return True


class Refusals:
    """Chats that were refused in a row, to tell many chats' own limits from the bot's."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}
        self._said = math.inf
        """The wait of the last refusal that held the whole bot."""

    def add(self, chat_id: int, seconds: float, now: float) -> float | None:
        """Record a chat's 429.

        Return the seconds to hold the whole bot (the shortest wait named), once there were many. If it is the bot's
        limit, all of them name about the same wait; if not, the shortest does the least harm.
        """
        self._last = {chat: seen for chat, seen in self._last.items() if now - seen[0] <= TOGETHER_SECONDS}
        self._last[chat_id] = (now, seconds)
        if len(self._last) < MANY_CHATS:
            return None
        self._said = min(seconds for _, seconds in self._last.values())
        return self._said

    def add_while_held(self, seconds: float, *, tried: bool) -> float:
        """Record a chat's 429 while the whole bot is held. Return the seconds by which that extends the hold.

        The 429 may be that chat's own, however long: it extends the hold only as far as the refusal before it said too.
        `tried` is whether the call went out during the hold; then its wait is what the next refusal is compared with.
        """
        shorter = min(seconds, self._said)
        if tried:
            self._said = seconds
        return shorter

    def clear(self) -> None:
        """Record that a message was accepted: the bot as a whole is not limited."""
        self._last.clear()
