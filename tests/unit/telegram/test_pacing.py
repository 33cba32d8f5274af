"""The budgets and the order of those that wait for them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from doradura.sandbox.state.floods import Floods
from doradura.telegram.budgets import FLIGHT_SECONDS, Pace
from doradura.telegram.coordination import Coordination
from doradura.telegram.holds import MANY_CHATS, TOGETHER_SECONDS
from doradura.telegram.pacing import EVERY_CHAT, SWEEP_EVERY, Pacer, PermitTooLateError, Priority

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
        """Wait for a permit, note it, and be on the way for so long."""
        with await self.pacer.take_permit(chat, priority, deadline=trio.current_time() + seconds):
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
    for permit in range(22):
        await calls.make(str(permit), 5)
    assert calls.times() == [0.0] * 20 + [1.0, 2.0]
    await trio.sleep(58)
    for permit in range(21):
        await calls.make(str(permit), 5)
    assert calls.times()[22:] == [60.0] * 20 + [61.0]


async def test_a_group_has_twenty_in_any_minute(autojump_clock: MockClock) -> None:
    """However they are spread: the twenty-first goes out a minute after the first."""
    calls = Calls(Pacer())
    for permit in range(21):
        await calls.make(str(permit), -5)
        await trio.sleep(2 if permit == 0 else 0)
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
        for permit in range(4):
            nursery.start_soon(partial(calls.make, str(permit), 5, flight=0.4))
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
        with await pacer.take_permit(chat, "reply", deadline=PLENTY):
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
    """When others come, go, are let out or are cancelled in the same moment, all who stay get their permit."""
    rng = random.Random(seed)
    pacer = Pacer(Pace(bot_per_second=3, chat_burst=2))
    got: set[int] = set()

    async def call(number: int, chat: int, patience: float) -> None:
        with trio.move_on_after(patience):
            with await pacer.take_permit(chat, "reply", deadline=PLENTY):
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
            for permit in range(100):
                nursery.start_soon(calls.make, "busy", 5)
                if permit % 10 == 0:
                    await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(1.5)
            nursery.start_soon(calls.make, "other", 6)
    assert calls.out.count(("other", 1.5)) == 1
    assert [at for name, at in calls.out if name == "busy"] == [0.0] * 20 + [1.0, 2.0, 3.0]


async def test_who_is_cancelled_or_too_late_takes_nothing(autojump_clock: MockClock) -> None:
    """Their permit is the next one's; the one who kept the time may be among them."""
    pacer = Pacer(Pace(chat_burst=1))
    calls = Calls(pacer)
    await calls.make("first", 5)

    async def cancelled() -> None:
        with trio.move_on_after(0.5):
            await calls.make("never", 5)

    async def too_late() -> None:
        with pytest.raises(PermitTooLateError) as caught:
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


@pytest.mark.parametrize("told", [61, 3600, 86_400, 1e300])
async def test_a_method_is_held_for_a_minute_at_most(told: float, autojump_clock: MockClock) -> None:
    """What one query's answer was told must not silence everybody's for an hour; a chat is held as long as is said."""
    pacer = Pacer()
    pacer.hold("answerCallbackQuery", until=trio.current_time() + told)
    pacer.hold(5, until=trio.current_time() + 3600)
    assert pacer.holds() == [("answerCallbackQuery", 60)]
    assert (await pacer.pass_hold("answerCallbackQuery", deadline=PLENTY)).waited
    assert trio.current_time() == 60
    assert (await pacer.pass_hold(5, deadline=PLENTY)).waited
    assert trio.current_time() == 3600


async def test_two_chats_429s_hold_those_two_alone(autojump_clock: MockClock) -> None:
    """An hour for one and a second for another, within moments: everybody else is answered, alerts too."""
    pacer = Pacer()
    calls = Calls(pacer)
    pacer.hold(5, until=trio.current_time() + 3600)
    await trio.sleep(1)
    pacer.hold(6, until=trio.current_time() + 1)
    await all_of(lambda: calls.make("other", 7), lambda: calls.make("alert", 8, "alert"), lambda: calls.make("six", 6))
    assert not (await pacer.pass_hold(9, deadline=PLENTY)).waited
    assert calls.out == [("other", 1.0), ("alert", 1.0), ("six", 2.0)]
    assert pacer.holds() == []
    assert pacer.held_chats() == [5]


class Crowd:
    """A bot whose limit is reached: MANY_CHATS chats were refused in a row."""

    def __init__(self, *told: float, apart: float = 0.0) -> None:
        self.pacer = Pacer()
        self.calls = Calls(self.pacer)
        self.told = told
        self.apart = apart

    async def refuse(self) -> Crowd:
        """Let every chat's message be refused."""
        for chat, seconds in enumerate(self.told, 101):
            permit = await self.pacer.take_permit(chat, "reply", deadline=PLENTY)
            self.pacer.hold(chat, until=trio.current_time() + seconds, permit=permit)
            permit.release()
            await trio.sleep(self.apart)
        return self


async def test_many_chats_429s_in_a_row_hold_the_bot_for_the_shortest(autojump_clock: MockClock) -> None:
    """Then one call tries, and the others wait for its answer; an alert never waits."""
    crowd = await Crowd(40, 30, 40, 40, 90).refuse()
    pacer, calls = crowd.pacer, crowd.calls
    assert pacer.holds() == [(EVERY_CHAT, 30)]

    async def probe() -> None:
        with await pacer.take_permit(7, "reply", deadline=PLENTY) as permit:
            calls.out.append(("probe", trio.current_time()))
            await trio.sleep(4)
            assert pacer.holds() == [(EVERY_CHAT, 0)]
            pacer.answered(permit)

    await all_of(
        probe,
        lambda: calls.make("other", 8),
        lambda: calls.make("file", 9, "file"),
        lambda: calls.make("alert", 10, "alert"),
    )
    assert calls.out == [("alert", 0.0), ("probe", 30.0), ("other", 34.0), ("file", 34.0)]
    assert pacer.holds() == []


async def test_a_probe_that_is_refused_holds_the_bot_again(autojump_clock: MockClock) -> None:
    """For a minute at most, however long it was told; its own chat waits as long as that."""
    crowd = await Crowd(*[3600.0] * MANY_CHATS).refuse()
    pacer = crowd.pacer
    for number in (1, 2):
        permit = await pacer.take_permit(number, "reply", deadline=PLENTY)
        assert trio.current_time() == 60 * number
        pacer.hold(number, until=trio.current_time() + 3600, permit=permit)
        permit.release()
    await crowd.calls.make("other", 3)
    assert crowd.calls.out == [("other", 180.0)]
    assert len(pacer.held_chats()) == MANY_CHATS + 2


async def test_one_chats_long_wait_prolongs_the_bots_hold_as_far_as_was_said_before(autojump_clock: MockClock) -> None:
    """A probe's refusal may be its chat's own: what it says counts for all once the next chat's says so too."""
    crowd = await Crowd(*[2.0] * MANY_CHATS).refuse()
    pacer, tried = crowd.pacer, []
    for chat, seconds in ((1, 3600.0), (2, 30.0), (3, 3600.0), (4, 3600.0)):
        permit = await pacer.take_permit(chat, "reply", deadline=PLENTY)
        tried.append(trio.current_time())
        pacer.hold(chat, until=trio.current_time() + seconds, permit=permit)
        permit.release()
    await crowd.calls.make("other", 5)
    assert tried == [2.0, 4.0, 34.0, 64.0]
    assert crowd.calls.out == [("other", 124.0)]


async def test_a_late_refusal_of_one_chat_prolongs_the_bots_hold_no_further(autojump_clock: MockClock) -> None:
    """A call that went out before the hold and is told to wait an hour: that is its chat's wait alone."""
    crowd = Crowd(*[2.0] * MANY_CHATS)
    early = await crowd.pacer.take_permit(1, "reply", deadline=PLENTY)
    await crowd.refuse()
    for _ in range(2):
        crowd.pacer.hold(1, until=trio.current_time() + 3600, permit=early)
    early.release()
    assert crowd.pacer.holds() == [(EVERY_CHAT, 2)]
    await crowd.calls.make("other", 3)
    assert crowd.calls.out == [("other", 2.0)]


async def test_a_429_of_a_call_from_before_the_hold_prolongs_it_to_its_longest_only(autojump_clock: MockClock) -> None:
    """Calls that were on their way when the hold began say nothing new, whenever their refusals come."""
    pacer = Pacer()
    early = [await pacer.pass_hold("getChat", deadline=PLENTY) for _ in range(3)]
    for permit in early:
        pacer.hold("getChat", until=trio.current_time() + 50, permit=permit)
        permit.release()
        await trio.sleep(20)
    await pacer.pass_hold("getChat", deadline=PLENTY)
    assert trio.current_time() == 60


async def test_an_answer_from_before_the_hold_does_not_end_it(autojump_clock: MockClock) -> None:
    """Of calls that went out together some may be taken and some refused; only a later one shows that it is over."""
    pacer = Pacer()
    taken, refused = [await pacer.pass_hold("getChat", deadline=PLENTY) for _ in range(2)]
    pacer.hold("getChat", until=trio.current_time() + 50, permit=refused)
    pacer.answered(taken)
    assert pacer.holds() == [("getChat", 50)]


@pytest.mark.parametrize("told", [[9.0] * (MANY_CHATS - 1), [9.0] * 20])
async def test_few_refusals_in_a_row_hold_nobody_else(told: list[float], autojump_clock: MockClock) -> None:
    """Fewer chats, or as many over a longer time: each waits for itself."""
    crowd = await Crowd(*told, apart=0 if len(told) < MANY_CHATS else TOGETHER_SECONDS / (MANY_CHATS - 2)).refuse()
    assert crowd.pacer.holds() == []


async def test_a_message_that_is_taken_between_refusals_shows_that_the_bot_is_not_held(
    autojump_clock: MockClock,
) -> None:
    """However many chats are told to wait, each for itself."""
    crowd = Crowd(*[9.0] * (MANY_CHATS - 1))
    for _ in range(3):
        await crowd.refuse()
        with await crowd.pacer.take_permit(7, "reply", deadline=PLENTY) as permit:
            crowd.pacer.answered(permit)
        crowd.told = tuple(9.0 for _ in crowd.told)
        await trio.sleep(10)
    assert crowd.pacer.holds() == []


@pytest.mark.parametrize("end", ["cut off", "without an answer", "slow"])
async def test_a_probe_without_an_answer_lets_the_next_one_try(end: str, autojump_clock: MockClock) -> None:
    """At once when it ended, and after ten seconds when it is on its way still, as an upload may be for minutes."""
    pacer = Pacer()
    out: list[float] = []

    async def call(seconds: float, *, patience: float = math.inf, after: float = 0) -> None:
        await trio.sleep(after)
        with trio.move_on_after(patience), await pacer.pass_hold("getChat", deadline=PLENTY):
            out.append(trio.current_time())
            await trio.sleep(seconds)

    pacer.hold("getChat", until=trio.current_time() + 20)
    patience = 21 if end == "cut off" else math.inf
    seconds = 2 if end == "without an answer" else 99
    await all_of(partial(call, seconds, patience=patience), partial(call, 0, after=20.5))
    assert out == [20, {"cut off": 21, "without an answer": 22, "slow": 30}[end]]


async def test_a_chat_action_waits_for_the_bot_and_does_not_end_its_hold(autojump_clock: MockClock) -> None:
    """It is no message: that Telegram takes it shows nothing. An alert's waits for its own chat alone."""
    crowd = await Crowd(*[30.0] * MANY_CHATS).refuse()
    assert not (await crowd.pacer.pass_hold(7, deadline=PLENTY, alert=True)).waited
    with await crowd.pacer.pass_hold(7, deadline=PLENTY) as permit:
        assert trio.current_time() == 30
        crowd.pacer.answered(permit)
        assert crowd.pacer.holds() == [(EVERY_CHAT, 0)]
    await crowd.calls.make("message", 7)
    assert crowd.calls.out == [("message", 30.0)]


async def test_a_group_that_moves_takes_its_wait_along(autojump_clock: MockClock) -> None:
    """It is the same chat under another id."""
    coordination = Coordination()
    coordination.pacer.hold(-5, until=trio.current_time() + 40)
    await coordination.record_move(-5, -1005)
    await coordination.pacer.pass_hold(-1005, deadline=PLENTY)
    assert trio.current_time() == 40


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
        pacer.take_permit(5, "reply", deadline=trio.current_time() + 39),
        pacer.pass_hold(5, deadline=trio.current_time() + 39),
    ):
        with pytest.raises(PermitTooLateError) as caught:
            await wait
        assert caught.value.seconds == 40
    assert trio.current_time() == 0
    assert (await pacer.pass_hold(5, deadline=41)).waited
    assert trio.current_time() == 40
    assert not (await pacer.pass_hold(5, deadline=41)).waited


async def test_idle_chats_are_forgotten(autojump_clock: MockClock) -> None:
    """Ten thousand chats that wrote once do not stay; one that is held does."""
    pacer = Pacer(Pace(bot_per_second=math.inf, chat_per_second=math.inf))
    pacer.hold(1, until=trio.current_time() + 1000)
    for chat in range(2, 10_002):
        (await pacer.take_permit(chat, "reply", deadline=PLENTY)).release()
    assert len(pacer._chats) <= SWEEP_EVERY
    assert 1 in pacer._chats
