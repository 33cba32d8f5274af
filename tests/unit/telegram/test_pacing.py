"""The budgets and the order of those that wait for them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from doradura.sandbox.floods import Floods
from doradura.telegram.pacing import FLIGHT_SECONDS, SWEEP_EVERY, Pace, Pacer, Priority, TurnTooLateError

PLENTY = 1e9


class Calls:
    """Calls that were let out: (what, when)."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.out: list[tuple[str, float]] = []
        self.began = trio.current_time()

    async def make(
        self, name: str, chat: int, priority: Priority = "reply", *, seconds: float = PLENTY, flight: float = 0
    ) -> None:
        """Wait for a turn, note it, and be on the way for so long."""
        with await self.pacer.take_turn(chat, priority, deadline=trio.current_time() + seconds):
            self.out.append((name, round(trio.current_time() - self.began, 3)))
            if flight:
                await trio.sleep(flight)

    def times(self) -> list[float]:
        """When each went out."""
        return [at for _, at in self.out]


async def all_of(*tasks: Callable[[], object]) -> None:
    """Start tasks in this order, and wait for all."""
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task)  # type: ignore[arg-type]
            await trio.testing.wait_all_tasks_blocked()


async def test_a_chat_has_a_burst_and_then_one_a_second(autojump_clock: MockClock) -> None:
    """Twenty at once, then each a second after the other; a minute's rest and there is a burst again."""
    calls = Calls(Pacer())
    for turn in range(22):
        await calls.make(str(turn), 5)
    assert calls.times() == [0.0] * 20 + [1.0, 2.0]
    await trio.sleep(58)
    for turn in range(21):
        await calls.make(str(turn), 5)
    assert calls.times()[22:] == [60.0] * 20 + [61.0]


async def test_a_group_has_twenty_in_any_minute(autojump_clock: MockClock) -> None:
    """However they are spread: the twenty-first goes out a minute after the first."""
    calls = Calls(Pacer())
    for turn in range(21):
        await calls.make(str(turn), -5)
        await trio.sleep(2 if turn == 0 else 0)
    assert calls.times()[0] == 0.0
    assert calls.times()[19] < 12
    assert calls.times()[20] == 60.0


async def test_the_bot_has_thirty_in_any_second(autojump_clock: MockClock) -> None:
    """Over all chats: a hundred calls take three seconds, and no second holds more than thirty."""
    calls = Calls(Pacer())
    async with trio.open_nursery() as nursery:
        for chat in range(1, 101):
            nursery.start_soon(calls.make, str(chat), chat)
    assert {at: calls.times().count(at) for at in calls.times()} == {0.0: 30, 1.0: 30, 2.0: 30, 3.0: 10}


async def test_a_call_counts_from_its_answer(autojump_clock: MockClock) -> None:
    """It may have landed in its last moment: the bot's second, and a full chat's first, begin with the answer."""
    calls = Calls(Pacer(Pace(bot_per_second=2)))
    async with trio.open_nursery() as nursery:
        for chat in (1, 2, 3):
            nursery.start_soon(partial(calls.make, str(chat), chat, flight=0.4))
    assert calls.times() == [0.0, 0.0, 1.4]
    calls = Calls(Pacer(Pace(chat_burst=2)))
    async with trio.open_nursery() as nursery:
        for turn in range(4):
            nursery.start_soon(partial(calls.make, str(turn), 5, flight=0.4))
    assert calls.times() == [0.0, 0.0, 1.4, 2.4]


async def test_a_long_flight_holds_up_nobody(autojump_clock: MockClock) -> None:
    """An upload of minutes is no longer counted after a while, and again when it has landed."""
    calls = Calls(Pacer(Pace(bot_per_second=1)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(calls.make, "upload", 1, "file", flight=60.5))
        await trio.sleep(0.1)
        await calls.make("second", 2)
        await trio.sleep_until(calls.began + 60.6)
        await calls.make("third", 3)
    assert calls.times() == [0.0, FLIGHT_SECONDS + 1, 61.5]


@pytest.mark.parametrize("seed", range(8))
async def test_the_server_never_sees_too_many(seed: int, autojump_clock: MockClock) -> None:
    """Whenever a call lands within its flight, a server that counts landings by the same numbers refuses none."""
    rng = random.Random(seed)
    pacer = Pacer()
    floods = Floods(trio.current_time, enabled=True)
    landed = 0

    async def call(chat: int, flight: float, share: float) -> None:
        nonlocal landed
        with await pacer.take_turn(chat, "reply", deadline=PLENTY):
            await trio.sleep(flight * share)
            floods.check("1:A", "sendMessage", chat)
            landed += 1
            await trio.sleep(flight * (1 - share))

    async with trio.open_nursery() as nursery:
        for _ in range(600):
            chat = rng.choice([*range(1, 15), -1, -2, -3])
            nursery.start_soon(call, chat, rng.choice((0.0, 0.02, 0.4, FLIGHT_SECONDS)), rng.random())
            await trio.sleep(rng.choice((0.0, 0.0, 0.0, 0.5)))
    assert landed == 600


@pytest.mark.parametrize("seed", range(8))
async def test_nobody_is_forgotten(seed: int, autojump_clock: MockClock) -> None:
    """Whoever comes, goes, is let out or cancelled in the same moment as others, those who stay all have their turn."""
    rng = random.Random(seed)
    pacer = Pacer(Pace(bot_per_second=3, chat_burst=2))
    got: set[int] = set()

    async def call(number: int, chat: int, patience: float) -> None:
        with trio.move_on_after(patience):
            with await pacer.take_turn(chat, "reply", deadline=PLENTY):
                got.add(number)
                await trio.sleep(rng.choice((0, 0, 1)))

    staying = set()
    with trio.fail_after(10_000):
        async with trio.open_nursery() as nursery:
            for number in range(200):
                patience = rng.choice((math.inf, 1, 2, 3))
                if patience == math.inf:
                    staying.add(number)
                nursery.start_soon(call, number, rng.randrange(1, 8), patience)
                await trio.sleep(rng.choice((0, 0, 0, 1)))
    assert staying <= got


async def test_alerts_before_replies_before_files_before_progress(autojump_clock: MockClock) -> None:
    """In one chat and over all of them, whatever came first; each kind in the order it came."""
    calls = Calls(Pacer(Pace(bot_per_second=1, chat_burst=1)))
    await calls.make("first", 1)
    async with trio.open_nursery() as nursery:
        waiting: list[tuple[str, int, Priority]] = [
            ("progress", 2, "progress"),
            ("file", 3, "file"),
            ("reply", 1, "reply"),
            ("reply too", 4, "reply"),
            ("alert", 1, "alert"),
        ]
        for name, chat, priority in waiting:
            nursery.start_soon(calls.make, name, chat, priority)
            await trio.testing.wait_all_tasks_blocked()
    assert calls.out == [
        *[("first", 0.0), ("alert", 1.0), ("reply", 2.0), ("reply too", 3.0), ("file", 4.0), ("progress", 5.0)]
    ]


async def test_a_chat_over_its_budget_holds_up_no_other(autojump_clock: MockClock) -> None:
    """Others go out at once while a hundred wait for their own chat."""
    calls = Calls(Pacer())
    with trio.move_on_after(3.5):
        async with trio.open_nursery() as nursery:
            for turn in range(100):
                nursery.start_soon(calls.make, "busy", 5)
                if turn % 10 == 0:
                    await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(1.5)
            nursery.start_soon(calls.make, "other", 6)
    assert calls.out.count(("other", 1.5)) == 1
    assert [at for name, at in calls.out if name == "busy"] == [0.0] * 20 + [1.0, 2.0, 3.0]


async def test_who_is_cancelled_or_too_late_takes_nothing(autojump_clock: MockClock) -> None:
    """Their turn is the next one's; the one who kept the time may be among them."""
    pacer = Pacer(Pace(chat_burst=1))
    calls = Calls(pacer)
    await calls.make("first", 5)

    async def cancelled() -> None:
        with trio.move_on_after(0.5):
            await calls.make("never", 5)

    async def too_late() -> None:
        with pytest.raises(TurnTooLateError) as caught:
            await calls.make("never", 5, "alert", seconds=0.6)
        assert caught.value.seconds == pytest.approx(0.4)

    await all_of(cancelled, too_late, lambda: calls.make("second", 5), lambda: calls.make("third", 5))
    assert calls.out == [("first", 0.0), ("second", 1.0), ("third", 2.0)]


async def test_a_429_holds_its_chat_alone(autojump_clock: MockClock) -> None:
    """Other chats go on; the held one waits it out, and an alert is the first to go then."""
    pacer = Pacer(Pace(chat_burst=1))
    calls = Calls(pacer)
    pacer.hold(5, until=trio.current_time() + 30)
    await all_of(lambda: calls.make("held", 5), lambda: calls.make("alert", 5, "alert"), lambda: calls.make("other", 6))
    assert calls.out == [("other", 0.0), ("alert", 30.0), ("held", 31.0)]


async def test_a_method_is_held_for_a_quarter_of_an_hour_at_most(autojump_clock: MockClock) -> None:
    """What one query's answer was told must not silence everybody's for a day; a chat is held as long as is said."""
    pacer = Pacer()
    pacer.hold("answerCallbackQuery", until=trio.current_time() + 86_400)
    pacer.hold(5, until=trio.current_time() + 86_400)
    assert await pacer.pass_hold("answerCallbackQuery", deadline=PLENTY)
    assert trio.current_time() == 900
    assert await pacer.pass_hold(5, deadline=PLENTY)
    assert trio.current_time() == 86_400


@pytest.mark.parametrize(("apart", "other_at"), [(5.0, 40.0), (5.1, 5.1)])
async def test_429s_of_two_chats_close_together_hold_all(
    apart: float, other_at: float, autojump_clock: MockClock
) -> None:
    """Within five seconds they mean the bot, for the longer of the two waits; later they mean two chats."""
    pacer = Pacer()
    calls = Calls(pacer)
    pacer.hold(5, until=trio.current_time() + 40)
    await trio.sleep(apart)
    pacer.hold(6, until=trio.current_time() + 10)
    await pacer.pass_hold(8, deadline=PLENTY)  # what takes nothing of the budgets waits with them
    assert trio.current_time() == other_at
    assert not await pacer.pass_hold("answerCallbackQuery", deadline=PLENTY)
    await calls.make("other", 7)
    assert calls.out == [("other", other_at)]


async def test_two_429s_of_one_chat_hold_no_other(autojump_clock: MockClock) -> None:
    """Nor do those of methods that concern no chat."""
    pacer = Pacer()
    calls = Calls(pacer)
    for key in (5, 5, "setMyCommands", "getMe"):
        pacer.hold(key, until=trio.current_time() + 40)
    await calls.make("other", 7)
    assert calls.out == [("other", 0.0)]


async def test_a_hold_beyond_the_deadline_is_said_at_once(autojump_clock: MockClock) -> None:
    """Nobody waits for what they cannot get; also where nothing of the budget is taken."""
    pacer = Pacer()
    pacer.hold(5, until=trio.current_time() + 40)
    for wait in (
        pacer.take_turn(5, "reply", deadline=trio.current_time() + 39),
        pacer.pass_hold(5, deadline=trio.current_time() + 39),
    ):
        with pytest.raises(TurnTooLateError) as caught:
            await wait
        assert caught.value.seconds == 40
    assert trio.current_time() == 0
    assert await pacer.pass_hold(5, deadline=41)
    assert trio.current_time() == 40
    assert not await pacer.pass_hold(5, deadline=41)


async def test_idle_chats_are_forgotten(autojump_clock: MockClock) -> None:
    """Ten thousand chats that wrote once do not stay; one that is held does."""
    pacer = Pacer(Pace(bot_per_second=math.inf, chat_per_second=math.inf))
    pacer.hold(1, until=trio.current_time() + 1000)
    for chat in range(2, 10_002):
        (await pacer.take_turn(chat, "reply", deadline=PLENTY)).over()
    assert len(pacer._chats) <= SWEEP_EVERY
    assert 1 in pacer._chats
