from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from doradura.sandbox.state.updates import DEFAULT_KINDS, DisplacedError, Update, UpdateQueue, wanted_kinds


def queue(next_id: int | None = 100) -> UpdateQueue:
    """Make a queue that keeps nothing."""
    return UpdateQueue(lambda _id, _update: None, next_id)


def ids(updates: UpdateQueue, now: float = 0, limit: int = 100) -> list[int]:
    """Return the ids of the updates a poll would get."""
    return [msgspec.json.decode(update)["update_id"] for update in updates.take(limit, now)]


def test_the_first_id_is_random_and_large() -> None:
    """A new queue starts between two million and a billion."""
    assert 2_000_000 <= queue(None).next_id < 1_000_000_000
    assert queue(None).next_id != queue(None).next_id


def test_updates_stay_until_confirmed() -> None:
    """Taking changes nothing; an offset forgets all below it."""
    updates = queue()
    for _ in range(3):
        updates.add("message", {}, 0)
    assert ids(updates) == ids(updates) == [100, 101, 102]
    assert ids(updates, limit=2) == [100, 101]
    updates.confirm(102)
    assert ids(updates) == [102]


def test_a_negative_offset_keeps_the_newest() -> None:
    """-N keeps N and forgets the rest, also when there are fewer."""
    updates = queue()
    for _ in range(3):
        updates.add("message", {}, 0)
    updates.confirm(-5)
    assert ids(updates) == [100, 101, 102]
    updates.confirm(-1)
    assert ids(updates) == [102]


def test_an_offset_far_above_the_next_id_is_ignored() -> None:
    """Up to ten above the next id everything is forgotten; beyond, nothing."""
    updates = queue()
    updates.add("message", {}, 0)
    updates.confirm(112)
    assert ids(updates) == [100]
    updates.confirm(111)
    assert ids(updates) == []


def test_old_updates_are_gone() -> None:
    """A message lives for a day, a pressed button for 150 seconds."""
    updates = queue()
    updates.add("callback_query", {}, 0)
    updates.add("message", {}, 0)
    assert ids(updates, now=149) == [100, 101]
    assert ids(updates, now=151) == [101]
    assert ids(updates, now=24 * 3600 + 1) == []


def test_kinds_are_judged_when_the_update_is_made() -> None:
    """What was queued before a kind was given up is still delivered."""
    updates = queue()
    updates.add("message", {}, 0)
    updates.kinds = ("callback_query",)
    updates.add("message", {}, 0)
    assert ids(updates) == [100]


def test_allowed_updates() -> None:
    """Known names count; none of them means the default; what is no list changes nothing."""
    assert wanted_kinds(["callback_query", "nonsense", "message"]) == ("message", "callback_query")
    assert wanted_kinds([]) == wanted_kinds(["nonsense"]) == DEFAULT_KINDS
    assert "chat_member" not in DEFAULT_KINDS
    assert wanted_kinds("message") is None
    assert wanted_kinds([1]) is None


def test_what_was_kept_comes_back_and_no_id_is_given_twice() -> None:
    """After a restore the next id is above every restored one."""
    updates = queue(50)
    updates.restore([Update(71, 1e9, b'{"update_id":71}'), Update(70, 1e9, b'{"update_id":70}')])
    assert ids(updates) == [70, 71]
    assert updates.next_id == 72


async def test_a_waiting_poll_wakes_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """An update ends the wait when it comes, not when the time is over."""
    updates = queue()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(updates.wait, 50)
        await trio.sleep(7)
        updates.add("message", {}, 0)
    assert trio.current_time() == pytest.approx(7)


async def test_a_second_waiting_poll_sends_the_first_away(autojump_clock: trio.testing.MockClock) -> None:
    """The older of two waiting polls ends with an error at once; the newer one gets the update."""
    updates = queue()
    ended: list[str] = []

    async def first() -> None:
        with pytest.raises(DisplacedError):
            await updates.wait(50)
        ended.append(f"displaced at {trio.current_time():.0f}")

    async def second() -> None:
        await updates.wait(50)
        ended.append(f"woken at {trio.current_time():.0f}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.sleep(1)
        nursery.start_soon(second)
        await trio.sleep(1)
        updates.add("message", {}, 0)
    assert ended == ["displaced at 1", "woken at 2"]


def test_who_asks_the_same_again_is_slowed_down() -> None:
    """The same offset within 3 s waits 3 s, within 0.5 s gets one update; another offset or a longer wait is let be."""
    updates = queue()
    polls = [(0, 0, 10.0), (0, 0, 10.4), (0, 2, 13.3), (0, 50, 13.9), (0, 0, 17.0), (5, 0, 17.1), (5, 50, 17.2)]
    assert [updates.pace(offset, 100, timeout, now) for offset, timeout, now in polls] == [
        (100, 0),
        (1, 3),
        (100, 3),
        (100, 50),
        (100, 0),
        (100, 0),
        (1, 50),
    ]


def test_further_conflicts_are_told_late() -> None:
    """Of two bots that fight, the first to lose hears of it at once, the next ones 3 s later."""
    updates = queue()
    assert [updates.conflict_delay(now) for now in (0, 1, 2.9, 3, 4)] == [0, 3, 3, 0, 3]
