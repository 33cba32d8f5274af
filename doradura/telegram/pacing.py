"""When a call may go out: budgets for the bot, each chat and each group, and the order of those that wait.

Owns the budgets, the 429s' holds and everybody who waits for a turn. Guarantees: Telegram never sees more than the
budgets allow, whenever within its flight (of FLIGHT_SECONDS at most) a call lands there; alerts before replies, replies
before files, progress last, and first come first served within each; a chat that has used up its own budget holds up
no other; who gives up waiting (cancelled, too late) holds up nobody. A turn that does not come in time is an error,
never a wait without end. It knows no HTTP.

A call counts from being let out until its answer is there and the budget's time has passed after that: thirty calls
let out together may land over a third of a second, and thirty more a second after the first would be too many.

The numbers are Telegram's advice (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this):
about 30 messages a second in all, one a second in a chat with short bursts, 20 a minute in a group.
"""

from __future__ import annotations

import heapq
import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

import trio

Priority = Literal["alert", "reply", "file", "progress"]
RANKS: dict[Priority, int] = {"alert": 0, "reply": 1, "file": 2, "progress": 3}

TOGETHER_SECONDS = 5.0
"""429s of two chats so close together mean the bot as a whole."""
FLIGHT_SECONDS = 5.0
"""A call on its way for longer (an upload, an answer that does not come) has landed, or counts once it does: it
holds up nobody meanwhile."""
LONGEST_METHOD_HOLD_SECONDS = 900.0
"""A bot's start, or the answer to everybody's buttons, must not hang for a day on what one call was told."""
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
    """At most `limit` in any `seconds`, exactly: until when each of those that went out counts, in order."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._until: list[float] = []

    def free_at(self, now: float) -> float:
        del self._until[: bisect_right(self._until, now)]
        return now if len(self._until) < self._limit else self._until[len(self._until) - int(self._limit)]

    def is_empty(self, now: float) -> bool:
        self.free_at(now)
        return not self._until

    def let_out(self, now: float) -> float:
        """Count one more; gives what `landed` is to be told."""
        until = now + FLIGHT_SECONDS + self._seconds
        if self._limit != math.inf:
            insort(self._until, until)
        return until

    def landed(self, until: float, now: float) -> None:
        if self._limit == math.inf:
            return
        at = bisect_left(self._until, until)
        if at < len(self._until) and self._until[at] == until:
            del self._until[at]
        insort(self._until, now + self._seconds)


@dataclass(slots=True)
class _Chat:
    """One chat's budget: full at first, refilled steadily; `window` in a group."""

    pace: Pace
    tokens: float
    counted_at: float
    window: _Window | None
    in_flight: int = 0
    held_until: float = -math.inf
    waiting: list[_Waiter] = field(default_factory=list)

    def free_at(self, now: float) -> float:
        """When the next call may go out; `now` when it may at once."""
        self._refill(now)
        at = now if self.tokens >= 1 else now + (1 - self.tokens) / self.pace.chat_per_second
        if self.window is not None:
            at = max(at, self.window.free_at(now))
        return max(at, self.held_until)

    def _refill(self, now: float) -> None:
        if self.pace.chat_per_second != math.inf:
            gained = (now - self.counted_at) * self.pace.chat_per_second
            self.tokens = min(self.pace.chat_burst, self.tokens + gained)
            self.counted_at = now

    def let_out(self, now: float) -> float:
        """Count one more; gives what `landed` is to be told."""
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
        return free and not self.waiting and (self.window is None or self.window.is_empty(now))


@dataclass(slots=True, order=True)
class _Waiter:
    rank: tuple[int, int]
    woken: trio.Event = field(compare=False, default_factory=trio.Event)
    turn: Turn | None = field(compare=False, default=None)


class Turn:
    """A call's turn, taken: the call is made in the `with` block, answered, failed or given up at its end."""

    def __init__(self, over: Callable[[], None]) -> None:
        self.waited = False
        """Whether there was a wait for it."""
        self._over: Callable[[], None] | None = over

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.over()

    def over(self) -> None:
        """Let the budgets' time run from now on. A second time changes nothing."""
        if self._over is not None:
            over, self._over = self._over, None
            over()


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
        """Let nothing out to a chat that was told to wait; a second chat within moments holds all of them.

        A method that concerns no chat is held for LONGEST_METHOD_HOLD_SECONDS at most.
        """
        now = trio.current_time()
        chat = self._chat(key, now)
        if not isinstance(key, int):
            chat.held_until = max(chat.held_until, min(until, now + LONGEST_METHOD_HOLD_SECONDS))
            return
        chat.held_until = max(chat.held_until, until)
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

    async def take_turn(self, key: Key, priority: Priority, *, deadline: float) -> Turn:
        """Wait for a turn and take it; whoever has it ends it. Raises TurnTooLateError.

        Cancelled while it waits, it has taken nothing; in the very moment of its turn, that turn counts all the same.
        """
        now = trio.current_time()
        chat = self._chat(key, now)
        held_until = max(chat.held_until, self._bot_held_until)
        if held_until > now and held_until >= deadline:
            raise TurnTooLateError(held_until - now)
        waiter = _Waiter((RANKS[priority], next(self._numbers)))
        heapq.heappush(chat.waiting, waiter)
        self._busy[key] = chat
        if (turn := self._grant(now, waiter)) is not None:
            return turn
        try:
            turn = await self._wait(waiter, deadline)
        except BaseException:  # cancelled in the moment of its turn
            if waiter.turn is not None:
                waiter.turn.over()
            raise
        finally:
            self._leave(key, chat, waiter)
        if turn is None:
            raise TurnTooLateError(max(0.0, self._free_at(chat, trio.current_time()) - trio.current_time()))
        turn.waited = True
        return turn

    async def _wait(self, waiter: _Waiter, deadline: float) -> Turn | None:
        # One who comes may be free earlier than whoever the timekeeper waits for.
        self._look_again()
        while self._grant(trio.current_time(), waiter) is None and trio.current_time() < deadline:
            if self._timekeeper is None:
                self._timekeeper = waiter
            until = self._next_at() if self._timekeeper is waiter else math.inf
            with trio.move_on_at(min(until, deadline)):
                await waiter.woken.wait()
            waiter.woken = trio.Event()
        return waiter.turn

    def _look_again(self) -> None:
        """Wake the timekeeper; where there is none, somebody who then is."""
        if self._timekeeper is not None:
            self._timekeeper.woken.set()
            return
        for chat in self._busy.values():
            chat.waiting[0].woken.set()
            break

    def _leave(self, key: Key, chat: _Chat, waiter: _Waiter) -> None:
        if waiter.turn is None:
            chat.waiting.remove(waiter)
            heapq.heapify(chat.waiting)
            self._forget_if_idle(key, chat)
        if self._timekeeper is waiter:
            self._timekeeper = None
        if self._timekeeper is None:  # it may have been this one that was woken to keep the time
            self._look_again()

    def _grant(self, now: float, asking: _Waiter) -> Turn | None:
        """Give every turn that is due, the most urgent first; gives that of the one who asks."""
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
            waiter.turn = self._let_out(chat, now)
            waiter.woken.set()
            self._forget_if_idle(key, chat)
        return asking.turn

    def _let_out(self, chat: _Chat, now: float) -> Turn:
        of_bot, of_chat = self._bot.let_out(now), chat.let_out(now)

        def over() -> None:
            landed_at = trio.current_time()
            self._bot.landed(of_bot, landed_at)
            chat.landed(of_chat, landed_at)
            self._look_again()

        return Turn(over)

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
