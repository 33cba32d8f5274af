"""The worker slots and the line for them: who gets the next one, and who gives one up."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from doradura.downloads.worker_slots import Candidate, Slot, WorkerSlots

HOG, OTHER, THIRD = 1, 2, 3


async def held(worker_slots: WorkerSlots, *users: int) -> list[Slot]:
    """Let users acquire slots in this order, and return the slots."""
    slots = [Slot(worker_slots, user) for user in users]
    for slot in slots:
        await slot.acquire()
    return slots


def runs(slots: list[Slot], *given_up: int) -> list[Candidate]:
    """Return the downloads in these slots. A job's id is its slot's number."""
    return [
        Candidate(
            job_id=number,
            user_id=slot.user_id or 0,
            held_at=slot.held_at or 0.0,
            given_up=given_up[number] if given_up else 0,
        )
        for number, slot in enumerate(slots)
    ]


async def waited(
    worker_slots: WorkerSlots, slots: list[Slot], seconds: float, *users: int, given_up: tuple[int, ...] = ()
) -> int:
    """Let users wait for so many seconds. Return the job that gives its slot up, or -1."""
    worker_slots.note_waiting(users)
    await trio.sleep(seconds)
    chosen = worker_slots.choose_to_give_up(runs(slots, *given_up))
    return -1 if chosen is None else chosen.job_id


@pytest.mark.parametrize(
    ("total", "holders", "waiting", "seconds", "job"),
    [
        (2, [1, 1], [2], 14.9, -1),
        (2, [1, 1], [2], 15, 1),
        (2, [1, 1], [1], 9999, -1),
        (2, [1, 2], [3], 9999, -1),
        (2, [1, 2], [1, 2], 9999, -1),
        (1, [1], [2], 59.9, -1),
        (1, [1], [2], 60, 0),
        (3, [1, 1, 2], [3], 15, 1),
        (3, [1, 1, 2], [2], 9999, -1),
        (4, [1, 1, 1, 2], [2], 15, 2),
        (4, [1, 1, 2, 2], [3], 59.9, -1),
        (4, [1, 1, 2, 2], [3], 60, 3),
        (4, [1, 1, 2, 3], [4], 60, 1),
        (4, [1, 2, 3, 4], [5], 9999, -1),
        (5, [1, 1, 1, 2, 2], [2], 9999, -1),
        (8, [1, 1, 2, 2, 3, 3, 4, 4], [5], 59.9, -1),
    ],
)
async def test_who_gives_a_place_up(  # noqa: PLR0917 - a row of the table above
    autojump_clock: MockClock, total: int, holders: list[int], waiting: list[int], seconds: float, job: int
) -> None:
    """A user gives one up who holds more than half, after 15 s, or more than an equal share, after a minute.

    No slot goes to a user who would then hold as many.
    """
    worker_slots = WorkerSlots(total)
    assert await waited(worker_slots, await held(worker_slots, *holders), seconds, *waiting) == job


async def test_while_a_place_is_free_or_on_its_way_nobody_gives_one_up(autojump_clock: MockClock) -> None:
    """The next in line takes the free slot."""
    worker_slots = WorkerSlots(3)
    slots = await held(worker_slots, HOG, HOG)
    assert await waited(worker_slots, slots, 100, OTHER) == -1
    await Slot(worker_slots).acquire()
    assert await waited(worker_slots, slots, 100, OTHER) == -1


@pytest.mark.parametrize(("total", "first"), [(2, 15.0), (1, 60.0)])
async def test_who_gave_a_place_up_keeps_the_next_one_longer(
    autojump_clock: MockClock, total: int, first: float
) -> None:
    """The first three slots are kept for the same time, every further one for twice as long, without an overflow."""
    worker_slots = WorkerSlots(total)
    assert [worker_slots.shortest_run_seconds(n) for n in range(6)] == [first * k for k in (1, 1, 1, 2, 4, 8)]
    assert worker_slots.shortest_run_seconds(10**6) > 24 * 3600
    slots = await held(worker_slots, *[HOG] * total)
    assert await waited(worker_slots, slots, first * 4 - 1, OTHER, given_up=(4,) * total) == -1
    assert await waited(worker_slots, slots, 1, OTHER, given_up=(4,) * total) == total - 1


async def test_an_older_one_gives_its_place_up_where_the_youngest_may_stay(autojump_clock: MockClock) -> None:
    """The youngest download has given its slot up five times, so the other one does."""
    worker_slots = WorkerSlots(2)
    slots = await held(worker_slots, HOG, HOG)
    assert await waited(worker_slots, slots, 15, OTHER, given_up=(0, 5)) == 0


async def test_a_place_goes_to_whose_user_holds_fewest(autojump_clock: MockClock) -> None:
    """Among these to whoever came first, and not back to the user who gave it up while others wait."""
    worker_slots = WorkerSlots(2)
    one, _ = await held(worker_slots, HOG, HOG)
    got: list[int | None] = []

    async def want(user: int) -> None:
        await Slot(worker_slots, user).acquire()
        got.append(user)

    async with trio.open_nursery() as nursery:
        for user in (HOG, OTHER, THIRD):
            nursery.start_soon(want, user)
            await wait_all_tasks_blocked()
        one.release()
        await wait_all_tasks_blocked()
        assert got == [OTHER]
        nursery.cancel_scope.cancel()

    only = WorkerSlots(1)
    (mine,) = await held(only, HOG)
    only.next_user = OTHER
    async with trio.open_nursery() as nursery:
        retry, queue = Slot(only, HOG), Slot(only)
        nursery.start_soon(retry.acquire)
        await wait_all_tasks_blocked()
        nursery.start_soon(queue.acquire)
        await wait_all_tasks_blocked()
        only.give_up(HOG)
        assert only.at_share() == {HOG}
        mine.release()
        await wait_all_tasks_blocked()
        assert (retry.held_at, queue.held_at is not None) == (None, True)
        nursery.cancel_scope.cancel()


async def test_who_stops_waiting_leaves_no_place_taken(autojump_clock: MockClock) -> None:
    """Whether the cancel comes before the slot is granted or at that very moment."""
    worker_slots = WorkerSlots(1)

    async def hold() -> None:
        slot = Slot(worker_slots, OTHER)
        try:
            await slot.acquire()
            await trio.sleep_forever()
        finally:
            slot.release()

    for released_first in (False, True):
        (first,) = await held(worker_slots, HOG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold)
            await wait_all_tasks_blocked()
            if released_first:
                first.release()
            nursery.cancel_scope.cancel()
        first.release()
        assert worker_slots.free == 1
    with trio.CancelScope() as scope:
        scope.cancel()
        await Slot(worker_slots, OTHER).acquire()
    assert worker_slots.free == 1


async def test_a_place_is_charged_for_while_it_is_held(autojump_clock: MockClock) -> None:
    """A second acquire or release changes nothing, and the used time adds up."""
    worker_slots = WorkerSlots(1)
    slot = Slot(worker_slots, HOG)
    for _ in range(2):
        await slot.acquire()
        await slot.acquire()
        await trio.sleep(10)
        slot.release()
        slot.release()
        await trio.sleep(5)
    assert slot.used_seconds == 20
    assert (worker_slots.free, worker_slots.taken) == (1, 0)


async def test_only_who_holds_no_place_is_said_to_wait(autojump_clock: MockClock) -> None:
    """A user who has one and wants a second does not count as waiting."""
    worker_slots = WorkerSlots(2)
    slot, _ = await held(worker_slots, HOG, OTHER)
    worker_slots.note_waiting([HOG, THIRD])
    await trio.sleep(7)
    assert worker_slots.longest_wait() == (1, 7.0)
    worker_slots.note_waiting([HOG])
    assert worker_slots.longest_wait() == (0, 0.0)
    worker_slots.note_waiting([THIRD])
    await trio.sleep(7)
    slot.release()
    assert worker_slots.longest_wait() == (0, 0.0), "there is a place for whoever wants one"
    await held(worker_slots, HOG)
    worker_slots.note_waiting([THIRD])
    assert worker_slots.longest_wait() == (1, 0.0), "somebody whose job was cancelled meanwhile waits anew"


@settings(deadline=None)
@given(st.integers(2, 8), st.lists(st.integers(1, 6), min_size=8, max_size=8), st.sets(st.integers(1, 9), min_size=1))
def test_giving_up_comes_to_an_end(total: int, holders: list[int], waiting: set[int]) -> None:
    """With several slots, slots do not change hands for ever, however long all wait and whoever takes a free one."""
    worker_slots, begun = WorkerSlots(total), list(holders[:total])

    async def circle() -> None:
        slots = await held(worker_slots, *begun)
        for _ in range(total * total):
            worker_slots.note_waiting(waiting)
            await trio.sleep(1000)
            chosen = worker_slots.choose_to_give_up(runs(slots))
            if chosen is None:
                return
            worker_slots.give_up(chosen.user_id)
            slots[chosen.job_id].release()
            counts = worker_slots.held_by_user()
            taker = min(waiting - {chosen.user_id}, key=lambda user: (counts[user], user))
            slots[chosen.job_id] = (await held(worker_slots, taker))[0]
        raise AssertionError(Counter(slot.user_id for slot in slots))

    trio.run(circle, clock=MockClock(autojump_threshold=0))
