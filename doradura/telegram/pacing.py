"""When a call may go out: budgets for the bot, each chat and each group, and the order of those that wait.

Owns the budgets, the 429s' holds and everybody who waits for a turn. Guarantees: never more than the budgets allow,
counted when a call is let out; alerts before replies, replies before files, progress last, and first come first served
within each; a chat that has used up its own budget holds up no other; a turn that nobody takes any more (cancelled, too
late) is nobody's. A turn that does not come in time is an error, never a wait without end. It knows no HTTP.

The numbers are Telegram's advice (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this):
about 30 messages a second in all, one a second in a chat with short bursts, 20 a minute in a group.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import trio

Priority = Literal["alert", "reply", "file", "progress"]
RANKS: dict[Priority, int] = {"alert": 0, "reply": 1, "file": 2, "progress": 3}

TOGETHER_SECONDS = 5.0
"""429s of two chats so close together mean the bot as a whole."""
SWEEP_EVERY = 256
"""After so many new chats those that have their whole budget again are forgotten."""

Key = int | str
"""A chat's id, or the name of a method that concerns no chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The budgets. A chat's burst is what a lively conversation needs at once: an answer, its edits, a file."""

    bot_per_second: float = 30
    chat_per_second: float = 1.0
    chat_burst: int = 20
    group_per_minute: float = 20


class TurnTooLateError(Exception):
    """The turn would come, or came, after the call's time; `seconds` is how long the chat would have to wait still."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"its turn is {seconds:.1f} s away")
        self.seconds = seconds


class _Window:
    """At most `limit` in any `seconds`, exactly: the times of those that went out."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque()

    def free_at(self, now: float) -> float:
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        return now if len(self._times) < self._limit else self._times[0] + self._seconds

    def is_empty(self, now: float) -> bool:
        self.free_at(now)
        return not self._times

    def spend(self, now: float) -> None:
        if self._limit != math.inf:
            self._times.append(now)


@dataclass(slots=True)
class _Chat:
    """One chat's budget: full at first, refilled steadily; `window` in a group."""

    pace: Pace
    tokens: float
    counted_at: float
    window: _Window | None
    held_until: float = -math.inf
    waiting: list[_Waiter] = field(default_factory=list)

    def free_at(self, now: float) -> float:
        """When the next call may go out; `now` when it may at once."""
        rate = self.pace.chat_per_second
        if rate != math.inf:
            self.tokens = min(self.pace.chat_burst, self.tokens + (now - self.counted_at) * rate)
            self.counted_at = now
        at = now if self.tokens >= 1 else now + (1 - self.tokens) / rate
        if self.window is not None:
            at = max(at, self.window.free_at(now))
        return max(at, self.held_until)

    def spend(self, now: float) -> None:
        if self.pace.chat_per_second != math.inf:
            self.tokens -= 1
        if self.window is not None:
            self.window.spend(now)

    def is_fresh(self, now: float) -> bool:
        """Whether a new one in its place would be no different."""
        free = self.free_at(now) <= now and self.tokens >= self.pace.chat_burst
        return free and not self.waiting and (self.window is None or self.window.is_empty(now))


@dataclass(slots=True, order=True)
class _Waiter:
    rank: tuple[int, int]
    woken: trio.Event = field(compare=False, default_factory=trio.Event)
    granted: bool = field(compare=False, default=False)


class Pacer:
    """Gives turns, to every client of one bot. Chats that have their whole budget again are forgotten."""

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._bot = _Window(self._pace.bot_per_second, 1.0)
        self._bot_held_until = -math.inf
        self._chats: dict[Key, _Chat] = {}
        self._busy: dict[Key, _Chat] = {}
        """Chats in which somebody waits."""
        self._numbers = itertools.count()
        self._timekeeper: _Waiter | None = None
        """The one who waits for the clock; the others wait to be woken."""
        self._last_429: tuple[Key, float] | None = None

    def hold(self, key: Key, *, until: float) -> None:
        """Let nothing out to a chat that was told to wait; a second chat within moments holds all of them."""
        now = trio.current_time()
        chat = self._chat(key, now)
        chat.held_until = max(chat.held_until, until)
        if not isinstance(key, int):
            return
        if self._last_429 is not None:
            other, at = self._last_429
            if other != key and now - at <= TOGETHER_SECONDS:
                other_until = self._chats[other].held_until if other in self._chats else until
                self._bot_held_until = max(self._bot_held_until, until, other_until)
        self._last_429 = (key, now)

    async def pass_hold(self, key: Key, *, deadline: float) -> bool:
        """Wait while a chat is held, taking nothing of its budget; gives whether that was needed.

        Raises TurnTooLateError, at once where it is known before.
        """
        waited = False
        while (left := (held_until := self._held_until(key)) - trio.current_time()) > 0:
            if held_until >= deadline:
                raise TurnTooLateError(left)
            waited = True
            await trio.sleep(left)
        return waited

    def _held_until(self, key: Key) -> float:
        """Until when a 429 holds a chat, or a method that concerns none; those a hold of the whole bot leaves free."""
        chat = self._chats.get(key)
        own = -math.inf if chat is None else chat.held_until
        return max(own, self._bot_held_until) if isinstance(key, int) else own

    async def take_turn(self, key: Key, priority: Priority, *, deadline: float) -> bool:
        """Wait for a turn and take it; gives whether there was a wait. Raises TurnTooLateError.

        Cancelled, it has taken nothing.
        """
        now = trio.current_time()
        chat = self._chat(key, now)
        held_until = max(chat.held_until, self._bot_held_until)
        if held_until > now and held_until >= deadline:
            raise TurnTooLateError(held_until - now)
        waiter = _Waiter((RANKS[priority], next(self._numbers)))
        heapq.heappush(chat.waiting, waiter)
        self._busy[key] = chat
        if self._grant(now, waiter):
            return False
        try:
            came = await self._wait(waiter, deadline)
        finally:
            self._leave(key, chat, waiter)
        if not came:
            raise TurnTooLateError(max(0.0, self._free_at(chat, trio.current_time()) - trio.current_time()))
        return True

    async def _wait(self, waiter: _Waiter, deadline: float) -> bool:
        # One who comes may be free earlier than whoever the timekeeper waits for.
        if self._timekeeper is not None:
            self._timekeeper.woken.set()
        while not self._grant(trio.current_time(), waiter) and trio.current_time() < deadline:
            if self._timekeeper is None:
                self._timekeeper = waiter
            until = self._next_at() if self._timekeeper is waiter else math.inf
            with trio.move_on_at(min(until, deadline)):
                await waiter.woken.wait()
            waiter.woken = trio.Event()
        return waiter.granted

    def _leave(self, key: Key, chat: _Chat, waiter: _Waiter) -> None:
        if not waiter.granted:
            chat.waiting.remove(waiter)
            heapq.heapify(chat.waiting)
            self._forget_if_idle(key, chat)
        if self._timekeeper is waiter:
            self._timekeeper = None
            for other in self._busy.values():
                other.waiting[0].woken.set()
                break

    def _grant(self, now: float, asking: _Waiter) -> bool:
        """Give every turn that is due, the most urgent first; gives whether the one who asks has theirs."""
        while self._busy and max(self._bot.free_at(now), self._bot_held_until) <= now:
            found: tuple[tuple[int, int], Key, _Chat] | None = None
            for key, chat in self._busy.items():
                # Those who wait longest come first here, so a chat's budget is looked at for few of them.
                rank = chat.waiting[0].rank
                if (found is None or rank < found[0]) and chat.free_at(now) <= now:
                    found = rank, key, chat
            if found is None:
                break
            _, key, chat = found
            waiter = heapq.heappop(chat.waiting)
            chat.spend(now)
            self._bot.spend(now)
            waiter.granted = True
            waiter.woken.set()
            self._forget_if_idle(key, chat)
        return asking.granted

    def _forget_if_idle(self, key: Key, chat: _Chat) -> None:
        if not chat.waiting:
            self._busy.pop(key, None)

    def _free_at(self, chat: _Chat, now: float) -> float:
        return max(chat.free_at(now), self._bot.free_at(now), self._bot_held_until)

    def _next_at(self) -> float:
        """When the next turn is due."""
        now = trio.current_time()
        bot_at = max(self._bot.free_at(now), self._bot_held_until)
        earliest = math.inf
        for chat in self._busy.values():
            earliest = min(earliest, chat.free_at(now))
            if earliest <= bot_at:
                return bot_at  # in a long backlog the first chat says it already
        return earliest

    def _chat(self, key: Key, now: float) -> _Chat:
        chat = self._chats.get(key)
        if chat is None:
            if len(self._chats) % SWEEP_EVERY == SWEEP_EVERY - 1:
                self._chats = {known: held for known, held in self._chats.items() if not held.is_fresh(now)}
            group = isinstance(key, int) and key < 0
            window = _Window(self._pace.group_per_minute, 60.0) if group else None
            chat = self._chats[key] = _Chat(self._pace, self._pace.chat_burst, now, window)
        return chat
