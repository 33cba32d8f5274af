"""When a call may go out: budgets for the bot, each chat and each group, and the order of the calls that wait.

Owns the budgets, the holds and all calls that wait for a permit. Guarantees: Telegram never sees more calls than the
budgets allow, whenever a call lands there within FLIGHT_SECONDS; alerts go before replies, replies before files,
progress last, and first come first served within each. A chat that has used up its own budget, or was told to wait,
delays no other. An alert waits for its own chat only. A call that gives up waiting (cancelled, too late) delays nobody.
A permit that cannot come in time is an error, never an endless wait. It knows no HTTP. `budgets` decides how much may
go out, `holds` what a 429 stops beyond its chat.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

import trio

from doradura.telegram.budgets import FLIGHT_SECONDS, ChatBudget, Pace, SlidingWindow
from doradura.telegram.holds import LONGEST_HOLD_SECONDS, ActiveHold, Hold, Refusals

__all__ = [
    "FLIGHT_SECONDS",
    "RANKS",
    "SWEEP_EVERY",
    "Pace",
    "Pacer",
    "Permit",
    "PermitTooLateError",
    "Priority",
]

Priority = Literal["alert", "reply", "file", "progress"]
RANKS: dict[Priority, int] = {"alert": 0, "reply": 1, "file": 2, "progress": 3}

EVERY_CHAT = "messages to every chat"
"""The name of a hold on the whole bot, beside the names of methods."""

SWEEP_EVERY = 256
"""After this many new chats, those whose budget is full again are forgotten."""

Key = int | str
"""A chat's id, or the name of a method that concerns no chat."""

logger = logging.getLogger(__name__)


class PermitTooLateError(Exception):
    """The permit would come, or came, after the call's time; `seconds` is how much longer the chat would have to wait.

    `told` means that Telegram told that very chat to wait beyond the call's time.
    """

    def __init__(self, seconds: float, *, told: bool) -> None:
        super().__init__(f"its turn is {seconds:.1f} s away")
        self.seconds = seconds
        self.told = told


@dataclass(slots=True, order=True)
class _Waiter:
    rank: tuple[int, int]
    woken: trio.Event = field(compare=False, default_factory=trio.Event)
    permit: Permit | None = field(compare=False, default=None)

    @property
    def is_alert(self) -> bool:
        return self.rank[0] == RANKS["alert"]


@dataclass(slots=True)
class _Chat:
    """One chat: its budget, and the calls that wait for it."""

    budget: ChatBudget
    held_until: float = -math.inf
    waiting: list[_Waiter] = field(default_factory=list)

    def free_at(self, now: float) -> float:
        """Return when the next call may go out; `now` if it may at once."""
        return max(self.budget.free_at(now), self.held_until)

    def is_fresh(self, now: float) -> bool:
        """Return whether this chat is no different from a new one."""
        return self.held_until <= now and not self.waiting and self.budget.is_fresh(now)


class Permit:
    """Permission to make one call. The call is made in the `with` block, whose end releases the permit."""

    def __init__(self, key: Key, hold: Hold, now: float, *, proves: bool, release: Callable[[], None]) -> None:
        self.key = key
        self.waited = False
        """Whether the call had to wait for it."""
        self.proves = proves
        """Whether success shows that nothing is held: Telegram counts messages, but hardly counts chat actions."""
        self.number = hold.let_out(now)
        """The number of the hold that this call's answer belongs to."""
        self._release: Callable[[], None] | None = release

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the permit: the budgets' time runs from now on. Idempotent."""
        if self._release is not None:
            release, self._release = self._release, None
            release()


class Pacer:
    """Grants permits to every client of one bot. Chats whose budget is full again are forgotten."""

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._bot = SlidingWindow(self._pace.bot_per_second, 1.0)
        self._bot_hold = Hold()
        self._methods: dict[str, Hold] = {}
        self._hold_changed = trio.Event()
        """Set when a hold or a probe ends: the calls that wait check again."""
        self._refusals = Refusals()
        self._chats: dict[int, _Chat] = {}
        self._busy: dict[int, _Chat] = {}
        """Chats with waiting calls."""
        self._numbers = itertools.count()
        self._timekeeper: _Waiter | None = None
        """The call that waits for the clock; the others wait to be woken."""

    def hold(self, key: Key, *, until: float, permit: Permit | None = None) -> None:
        """Record a 429: no call to a chat, or of a method that concerns no chat, goes out before `until`.

        `permit` is that of the refused call. A chat is held as long as Telegram said, and only that chat; but
        MANY_CHATS refused in a row hold all of them. A hold on all chats or on a method lasts LONGEST_HOLD_SECONDS at
        most; a 429 to one chat in that time extends the hold on all only as far as the refusal before it said too.
        """
        now = trio.current_time()
        number = None if permit is None else permit.number
        if not isinstance(key, int):
            self._begin(self._methods.setdefault(key, Hold()), key, number, until - now)
            return
        chat = self._chat(key, now)
        chat.held_until = max(chat.held_until, until)
        if self._bot_hold.is_on:
            seconds: float | None = self._refusals.add_while_held(until - now, tried=self._bot_hold.is_of(number))
        else:
            seconds = self._refusals.add(key, until - now, now)
        if seconds is not None:
            self._begin(self._bot_hold, EVERY_CHAT, number, seconds)

    def _begin(self, hold: Hold, what: str, number: int | None, seconds: float) -> None:
        if hold.refused(number, seconds, trio.current_time()):
            logger.warning(
                "Telegram asks to wait with %s; one call tries again in %.0f s",
                what,
                min(seconds, LONGEST_HOLD_SECONDS),
            )
        self._look_at_holds()

    def answered(self, permit: Permit) -> None:
        """Record that Telegram accepted a call or refused it for its content; this may end a hold."""
        hold = self._hold_of(permit.key)
        if not permit.proves:
            return  # releasing the permit lets the next call try
        if isinstance(permit.key, int):
            self._refusals.clear()
        if hold.answered(permit.number):
            logger.info("%s is taken again", permit.key if isinstance(permit.key, str) else EVERY_CHAT)
            self._look_at_holds()

    def moved(self, old_id: int, new_id: int) -> None:
        """Move a group's hold to the id that it has now."""
        if old_id in self._chats:
            chat = self._chat(new_id, trio.current_time())
            chat.held_until = max(chat.held_until, self._chats[old_id].held_until)

    def holds(self) -> list[ActiveHold]:
        """Return the holds on methods and on all chats, the longest first."""
        now = trio.current_time()
        found = []
        for what, hold in [(EVERY_CHAT, self._bot_hold), *self._methods.items()]:
            seconds = hold.seconds_left(now)
            if seconds is not None:
                found.append(ActiveHold(what, seconds))
        return sorted(found, key=lambda held: -held.seconds_left)

    def held_chats(self) -> list[int]:
        """Return the chats that were told to wait, each for itself."""
        now = trio.current_time()
        return [chat_id for chat_id, chat in self._chats.items() if chat.held_until > now]

    def _hold_of(self, key: Key) -> Hold:
        return self._bot_hold if isinstance(key, int) else self._methods.get(key) or Hold()

    def _look_at_holds(self) -> None:
        self._hold_changed.set()
        self._hold_changed = trio.Event()
        self._look_again()

    async def pass_hold(self, key: Key, *, deadline: float, alert: bool = False) -> Permit:
        """Wait while a chat or a method is held, without using a budget. Return a permit, which the caller releases.

        An `alert` waits for its own chat only. Raises PermitTooLateError, at once if that is known beforehand.
        """
        waited = False
        while (at := self._passes_at(key, now := trio.current_time(), alert=alert)) > now:
            self._raise_if_late(key, at, deadline, alert=alert)
            waited = True
            with trio.move_on_at(min(at, deadline)):
                await self._hold_changed.wait()
        hold = self._hold_of(key)
        permit = Permit(key, hold, now, proves=not isinstance(key, int), release=lambda: self._ended(permit))
        permit.waited = waited
        return permit

    def _passes_at(self, key: Key, now: float, *, alert: bool) -> float:
        """Return when the holds that concern a call end, as far as that is known."""
        chat = self._chats.get(key) if isinstance(key, int) else None
        own = now if chat is None else max(now, chat.held_until)
        return own if alert else max(own, self._hold_of(key).free_at(now))

    def _raise_if_late(self, key: Key, at: float, deadline: float, *, alert: bool) -> None:
        """Raise PermitTooLateError if the holds surely outlast the call's time; a probe may end one at any moment."""
        now = trio.current_time()
        chat = self._chats.get(key) if isinstance(key, int) else None
        own = now if chat is None else chat.held_until
        sure = max(own, now) if alert or self._hold_of(key).is_tried else at
        if now >= deadline or (sure > now and sure >= deadline):
            raise PermitTooLateError(max(0.0, at - now), told=own >= deadline)

    def _ended(self, permit: Permit) -> None:
        """Let another call try if this one was the probe and showed nothing."""
        if self._hold_of(permit.key).unanswered(permit.number, trio.current_time()):
            self._look_at_holds()

    async def take_permit(self, key: int, priority: Priority, *, deadline: float) -> Permit:
        """Wait for a permit and return it; the caller releases it. Raises PermitTooLateError.

        If cancelled while it waits, it has used nothing; if cancelled in the very moment it gets the permit, the permit
        counts.
        """
        now = trio.current_time()
        chat = self._chat(key, now)
        waiter = _Waiter((RANKS[priority], next(self._numbers)))
        if (at := self._passes_at(key, now, alert=waiter.is_alert)) > now:
            self._raise_if_late(key, at, deadline, alert=waiter.is_alert)
        heapq.heappush(chat.waiting, waiter)
        self._busy[key] = chat
        if (permit := self._grant(now, waiter)) is not None:
            return permit
        try:
            permit = await self._wait(waiter, deadline)
        except BaseException:  # cancelled just as the permit came
            if waiter.permit is not None:
                waiter.permit.release()
            raise
        finally:
            self._leave(key, chat, waiter)
        if permit is None:
            now = trio.current_time()
            seconds = max(0.0, self._free_at(chat, now, alert=waiter.is_alert) - now)
            raise PermitTooLateError(seconds, told=chat.held_until >= deadline)
        permit.waited = True
        return permit

    async def _wait(self, waiter: _Waiter, deadline: float) -> Permit | None:
        # A new call may be free to go earlier than the one that the timekeeper waits for.
        self._look_again()
        while self._grant(trio.current_time(), waiter) is None and trio.current_time() < deadline:
            if self._timekeeper is None:
                self._timekeeper = waiter
            until = self._next_at() if self._timekeeper is waiter else math.inf
            with trio.move_on_at(min(until, deadline)):
                await waiter.woken.wait()
            waiter.woken = trio.Event()
        return waiter.permit

    def _look_again(self) -> None:
        """Wake the timekeeper; if there is none, wake a call that becomes it."""
        if self._timekeeper is not None:
            self._timekeeper.woken.set()
            return
        for chat in self._busy.values():
            chat.waiting[0].woken.set()
            break

    def _leave(self, key: int, chat: _Chat, waiter: _Waiter) -> None:
        if waiter.permit is None:
            chat.waiting.remove(waiter)
            heapq.heapify(chat.waiting)
            self._forget_if_idle(key, chat)
        if self._timekeeper is waiter:
            self._timekeeper = None
        if self._timekeeper is None:  # this call may have been the one woken as timekeeper
            self._look_again()

    def _grant(self, now: float, asking: _Waiter) -> Permit | None:
        """Grant every permit that is due, the most urgent first. Return the one of `asking`, if any."""
        while self._busy and self._bot.free_at(now) <= now:
            held = self._bot_hold.free_at(now) > now
            found: tuple[tuple[int, int], int, _Chat] | None = None
            for key, chat in self._busy.items():
                # The chats that have waited longest come first, so few chats' budgets are checked.
                first = chat.waiting[0]
                passes = (not held or first.is_alert) and (found is None or first.rank < found[0])
                if passes and chat.free_at(now) <= now:
                    found = first.rank, key, chat
            if found is None:
                break
            _, key, chat = found
            waiter = heapq.heappop(chat.waiting)
            waiter.permit = self._let_out(key, chat, now)
            waiter.woken.set()
            self._forget_if_idle(key, chat)
        return asking.permit

    def _let_out(self, key: int, chat: _Chat, now: float) -> Permit:
        of_bot, of_chat = self._bot.let_out(now), chat.budget.let_out(now)

        def release() -> None:
            landed_at = trio.current_time()
            self._bot.landed(of_bot, landed_at)
            chat.budget.landed(of_chat, landed_at)
            self._ended(permit)
            self._look_again()

        permit = Permit(key, self._bot_hold, now, proves=True, release=release)
        return permit

    def _forget_if_idle(self, key: int, chat: _Chat) -> None:
        if not chat.waiting:
            self._busy.pop(key, None)

    def _free_at(self, chat: _Chat, now: float, *, alert: bool) -> float:
        at = max(chat.free_at(now), self._bot.free_at(now))
        return at if alert else max(at, self._bot_hold.free_at(now))

    def _next_at(self) -> float:
        """Return when the next permit is due."""
        now = trio.current_time()
        bot_at, held_at = self._bot.free_at(now), self._bot_hold.free_at(now)
        earliest = math.inf
        for chat in self._busy.values():
            at = chat.free_at(now)
            earliest = min(earliest, at if chat.waiting[0].is_alert else max(at, held_at))
            if earliest <= bot_at:
                return bot_at  # in a long backlog the first chat decides already
        return earliest

    def _chat(self, key: int, now: float) -> _Chat:
        chat = self._chats.get(key)
        if chat is None:
            if len(self._chats) % SWEEP_EVERY == SWEEP_EVERY - 1:
                self._chats = {known: held for known, held in self._chats.items() if not held.is_fresh(now)}
            window = SlidingWindow(self._pace.group_per_minute, 60.0) if key < 0 else None
            chat = self._chats[key] = _Chat(ChatBudget(self._pace, self._pace.chat_burst, now, window))
        return chat
