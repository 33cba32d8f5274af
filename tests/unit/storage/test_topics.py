"""Topics: whoever waits for what a change touched wakes after its commit, and by itself once a period."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from doradura.storage import Connection, Topic
from doradura.storage.topics import Topics, Watch
from tests.doubles import MemoryStorage

PERIOD_SECONDS = 5.0


async def waited(watch: Watch, period_seconds: float = PERIOD_SECONDS) -> float:
    """Wait with a watch; return for how many seconds."""
    began = trio.current_time()
    await watch.next(period_seconds)
    return trio.current_time() - began


async def test_a_touch_before_the_look_is_not_lost(autojump_clock: MockClock) -> None:
    """What was touched while a part was busy ends its next wait at once, and that one alone."""
    topics = Topics()
    watch = topics.watch(Topic.QUEUE)
    topics.touched([Topic.QUEUE])
    topics.touched([Topic.QUEUE])
    assert await waited(watch) == 0
    assert await waited(watch) == PERIOD_SECONDS


async def test_what_was_touched_before_the_watch_is_the_first_looks_affair(autojump_clock: MockClock) -> None:
    """A watch counts from its making: its owner looks first and waits then."""
    topics = Topics()
    topics.touched([Topic.QUEUE])
    assert await waited(topics.watch(Topic.QUEUE)) == PERIOD_SECONDS


async def test_another_topic_wakes_nobody(autojump_clock: MockClock) -> None:
    """A wait goes on through others' touches, with its own period."""
    topics = Topics()
    watch = topics.watch(Topic.QUEUE, Topic.OUTBOX)
    async with trio.open_nursery() as nursery:

        async def touch_others() -> None:
            for topic in set(Topic) - {Topic.QUEUE, Topic.OUTBOX}:
                await trio.sleep(0.1)
                topics.touched([topic])

        nursery.start_soon(touch_others)
        assert await waited(watch) == PERIOD_SECONDS


async def test_two_waiters_wake_from_one_touch(autojump_clock: MockClock) -> None:
    """Each has seen what it has seen: one's look takes nothing from the other."""
    topics = Topics()
    one, other = topics.watch(Topic.OFFERS), topics.watch(Topic.OFFERS, Topic.QUEUE)
    times: list[float] = []

    async def wait(watch: Watch) -> None:
        times.append(await waited(watch))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, one)
        nursery.start_soon(wait, other)
        await trio.sleep(2)
        topics.touched([Topic.OFFERS])
    assert times == [2, 2]


async def test_a_cancelled_wait_has_seen_nothing(autojump_clock: MockClock) -> None:
    """A touch before its first step or after the cancel ends the next wait at once; another's wait goes on."""
    topics = Topics()
    watch, other = topics.watch(Topic.QUEUE), topics.watch(Topic.QUEUE)
    with trio.CancelScope() as scope:
        topics.touched([Topic.QUEUE])
        scope.cancel()
        await watch.next(PERIOD_SECONDS)
    assert scope.cancelled_caught
    assert await waited(watch) == await waited(other) == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.next, PERIOD_SECONDS)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    topics.touched([Topic.QUEUE])
    assert await waited(watch) == await waited(other) == 0


async def test_a_wait_that_is_over_at_once_lets_others_run() -> None:
    """A part that is woken again and again does not keep the loop for itself."""
    topics = Topics()
    watch = topics.watch(Topic.QUEUE)
    topics.touched([Topic.QUEUE])
    with trio.testing.assert_checkpoints():
        await watch.next(PERIOD_SECONDS)


@pytest.mark.parametrize("undone", [False, True])
async def test_a_change_that_is_undone_wakes_nobody(autojump_clock: MockClock, *, undone: bool) -> None:
    """What is committed does."""
    storage = MemoryStorage()
    watch = storage.watch(Topic.QUEUE)

    def change(db: Connection) -> None:
        db.touch(Topic.QUEUE)
        if undone:
            raise KeyError

    try:
        await storage.write(change)
    except KeyError:
        assert undone
    await storage.write(lambda _db: None)
    assert await waited(watch) == (PERIOD_SECONDS if undone else 0)
