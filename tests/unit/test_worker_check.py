"""What /health says of workers and of those who wait for a place."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.worker_slots import Slot, WorkerSlots
from doradura.health_checks import WorkerSelfTest
from doradura.media.protocol import SelfTest, WallKind
from doradura.storage.ids import IdMaker
from doradura.workers.gate import Gate
from doradura.workers.wall import Standing
from tests.wiring import RoomyWorkspace, World


async def check_of(
    world: World, worker_slots: WorkerSlots, nursery: trio.Nursery, gate: Gate | None = None
) -> WorkerSelfTest:
    """Start the check, with workers that are well."""
    world.workers.usual = (SelfTest(yt_dlp="1", ffmpeg="1", guarded=True),)
    workspace = RoomyWorkspace(world.settings, "ffmpeg", tuple)
    await workspace.open()
    check = WorkerSelfTest(world.workers, worker_slots, workspace, IdMaker(world.clock), gate=gate)
    await nursery.start(check.run)
    return check


async def test_who_waits_is_told_and_is_a_fault_after_ten_minutes(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """With every place held: how many users have none and for how long; well again once they have one."""
    worker_slots = WorkerSlots(2)
    self_test = await check_of(world, worker_slots, nursery)
    assert worker_slots.free == 2
    slots = [Slot(worker_slots, 1), Slot(worker_slots, 2)]
    for slot in slots:
        await slot.acquire()
    worker_slots.note_waiting([1, 3, 4])
    await trio.sleep(599)
    found = await self_test.check()
    assert found.status == "ok"
    assert {key: found.facts[key] for key in ("busy", "places", "users_waiting", "longest_wait_seconds")} == {
        "busy": 2,
        "places": 2,
        "users_waiting": 2,
        "longest_wait_seconds": 599.0,
    }
    await trio.sleep(1)
    found = await self_test.check()
    assert found.status == "degraded"
    assert "every worker slot is taken, and 2 users have waited up to 10 min" in str(found.message)
    worker_slots.note_waiting([1])
    assert (await self_test.check()).status == "ok"


@pytest.mark.parametrize("users", [1, 2])
async def test_one_user_is_said_in_the_singular(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery, users: int
) -> None:
    """Small, and read by people."""
    worker_slots = WorkerSlots(1)
    self_test = await check_of(world, worker_slots, nursery)
    await Slot(worker_slots, 1).acquire()
    worker_slots.note_waiting(range(2, 2 + users))
    await trio.sleep(700)
    assert ("1 user has" in str((await self_test.check()).message)) == (users == 1)


@pytest.mark.parametrize(
    ("wall", "impersonation", "advice"),
    [
        ("notify", True, None),
        ("port", False, "requests can't look like a browser's"),
        ("hook", False, "the kernel has no wall for workers"),
    ],
)
async def test_what_instagram_needs_is_a_wish(
    *,
    world: World,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    wall: WallKind,
    impersonation: bool,
    advice: str | None,
) -> None:
    """Where a wall stands, the extra; where none does, the wall, without which the extra is of no use."""
    self_test = await check_of(world, WorkerSlots(1), nursery)
    self_test.standing = Standing(wall, "old kernel")
    answer = SelfTest(yt_dlp="1", ffmpeg="1", guarded=True, wall=wall, impersonation=impersonation)
    world.workers.usual = (answer,)
    self_test.suspect()
    await trio.sleep(301)
    found = await self_test.check()
    assert (found.status, found.facts["impersonation"]) == ("ok", impersonation)
    assert found.advice is None if advice is None else str(found.advice).startswith(advice)


async def test_two_wishes_are_one_sentence(world: World, autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """An old yt-dlp and a missing wall are both told."""
    self_test = await check_of(world, WorkerSlots(1), nursery)
    self_test.standing = Standing("hook", "old kernel")
    world.workers.usual = (SelfTest(yt_dlp="2020.01.01", ffmpeg="1", guarded=True),)
    self_test.suspect()
    await trio.sleep(301)
    advice = str((await self_test.check()).advice)
    assert advice.startswith("yt-dlp is ")
    assert "; the kernel has no wall for workers, so the audit hook alone guards them (old kernel)" in advice


class PlayedGate(Gate):
    """A gate without a process, whose state the test sets."""

    why: str | None = None

    def __init__(self) -> None:
        super().__init__(environment={})

    @property
    def fault(self) -> str | None:
        return self.why


async def test_a_gate_that_is_gone_is_a_fault_of_the_workers(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Without it no worker can fetch anything; its last output is shown, and how often one was started."""
    gate = PlayedGate()
    self_test = await check_of(world, WorkerSlots(1), nursery, gate)
    gate.starts = 3
    found = await self_test.check()
    assert (found.status, found.facts["gate_starts"]) == ("ok", 3)
    gate.why = "it ended with status -9"
    found = await self_test.check()
    assert found.status == "failing"
    assert "is not running: it ended with status -9 - see the log" in str(found.message)
