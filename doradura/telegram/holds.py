"""What 429s hold back beyond one chat: a whole method, or the whole bot.

Such a hold lasts LONGEST_HOLD_SECONDS at most, whatever Telegram said. Then one call goes out, the probe, and the
others wait for its answer: one that Telegram takes ends the hold, another 429 begins the next. So a wrong number
silences nobody for an hour, and a true limit is asked once a minute and not by everybody. Decisions only: `pacing` does
the waiting.
"""

from __future__ import annotations

import math
from typing import NamedTuple

LONGEST_HOLD_SECONDS = 60.0
PROBE_SECONDS = 10.0
"""How long the others wait for a probe's answer; an upload may take minutes, and then another call tries."""
MANY_CHATS = 5
"""So many chats refused in a row, each with a 429 of its own, mean the bot as a whole."""
TOGETHER_SECONDS = 5.0
"""In a row: within this time, and with no message taken in between."""


class ActiveHold(NamedTuple):
    """A hold as /health shows it: `what` is a method or `EVERY_CHAT`, `seconds_left` 0 while a probe is on its way."""

    what: str
    seconds_left: float


class Hold:
    """One hold, on or off. The number that `let_out` gives says which hold a call's answer is about."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._until = -math.inf
        self._number = 0
        self._probing = False

    @property
    def is_on(self) -> bool:
        """Whether a 429 came and no call has been taken since; its time may be over."""
        return self._began is not None

    @property
    def is_tried(self) -> bool:
        """Whether a probe's answer is waited for, so that the hold may end at any moment."""
        return self._probing

    def is_of(self, number: int | None) -> bool:
        """Whether `let_out` gave this number for the hold as it stands: the call went out since it last began."""
        return self.is_on and number == self._number

    def free_at(self, now: float) -> float:
        """Return when the next call may go out; `now` when it may at once."""
        return max(now, self._until)

    def seconds_left(self, now: float) -> float | None:
        """Return how long it holds calls back still, 0 while a probe is on its way; None when it holds nothing back."""
        if self._until <= now:
            return None
        return 0.0 if self._probing else self._until - now

    def let_out(self, now: float) -> int | None:
        """Count a call that goes out, as the probe if the hold's time is over; None when there is no hold."""
        if self._began is None:
            return None
        if self._until <= now:
            self._probing = True
            self._until = now + PROBE_SECONDS
        return self._number

    def refused(self, number: int | None, seconds: float, now: float) -> bool:
        """Take a 429 that asks for so many seconds. Return whether it turned the hold on.

        That of a call which went out before the hold says nothing new: it may prolong the hold to its longest, from
        when it began, and no further.
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
        """Take that Telegram took a call. Return whether that ended the hold: one from before it does not."""
        if self._began is None or number != self._number:
            return False
        self._began, self._until, self._probing = None, -math.inf, False
        return True

    def unanswered(self, number: int | None, now: float) -> bool:
        """Take that a call ended without showing anything. Return whether it was the probe: the next one tries now."""
        if not self._probing or number != self._number:
            return False
        self._until, self._probing = now, False
        return True


class Refusals:
    """Which chats were refused in a row, to tell many chats' own limits from the bot's."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}
        self._said = math.inf
        """The wait that the last refusal spoke of which held the whole bot."""

    def add(self, chat_id: int, seconds: float, now: float) -> float | None:
        """Take a chat's 429. Return the seconds that hold the whole bot, the shortest that was said, once many came.

        Where it is the bot's limit all of them say about the same; where it is not, the shortest does the least harm.
        """
        self._last = {chat: seen for chat, seen in self._last.items() if now - seen[0] <= TOGETHER_SECONDS}
        self._last[chat_id] = (now, seconds)
        if len(self._last) < MANY_CHATS:
            return None
        self._said = min(seconds for _, seconds in self._last.values())
        return self._said

    def add_while_held(self, seconds: float, *, tried: bool) -> float:
        """Take a chat's 429 while the whole bot is held. Return the seconds that hold it on.

        It may be that chat's own, however long: it holds all the others only as long as the refusal before it said too.
        `tried` is whether the call went out during the hold, so that its refusal is the next one's measure.
        """
        shorter = min(seconds, self._said)
        if tried:
            self._said = seconds
        return shorter

    def clear(self) -> None:
        """Take that a chat was sent something: the bot is not held."""
        self._last.clear()
