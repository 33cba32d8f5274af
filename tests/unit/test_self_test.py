"""The worker's self-test: when it is done, and what it says."""

from __future__ import annotations

import errno
from pathlib import Path

import trio
from trio.testing import MockClock

from doradura.downloads.worker_slots import Slot, WorkerSlots
from doradura.health_checks import SELF_TEST_RETRY_SECONDS, SELF_TEST_SECONDS, SELF_TEST_TIMEOUT_SECONDS, WorkerSelfTest
from doradura.media.protocol import Failure, Order, SelfTest
from doradura.media.reasons import Reason
from doradura.storage.ids import IdMaker
from tests.doubles import FakeWorkers

WORKS = SelfTest(yt_dlp="1", ffmpeg="7", guarded=True)


class Directories:
    """A workspace without a disk."""

    root = Path("/data/jobs")

    async def fresh(self, number: int) -> Path:
        await trio.lowlevel.checkpoint()
        return self.root / str(number)

    def selftest(self, number: int, directory: Path) -> Order:
        return Order(job_id=number, task="selftest", directory=str(directory), limits=None, ffmpeg="")  # type: ignore[arg-type]

    async def remove(self, number: int) -> None:  # noqa: ARG002 - the workspace's signature
        await trio.lowlevel.checkpoint()


def self_test(workers: FakeWorkers, worker_slots: WorkerSlots) -> WorkerSelfTest:
    """The test, with workers that follow scripts."""
    return WorkerSelfTest(workers, worker_slots, Directories(), IdMaker(lambda: 1))  # type: ignore[arg-type]


async def test_a_suspicion_is_looked_into_at_once(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """With every place taken as well; the fault is told until a test a few seconds later goes well."""
    workers = FakeWorkers(usual=(WORKS,))
    worker_slots = WorkerSlots(1)
    test = self_test(workers, worker_slots)
    await nursery.start(test.run)
    assert (await test.check()).status == "ok"
    job = Slot(worker_slots)
    await job.acquire()
    workers.follow((Failure(reason=Reason.TOOL_CRASH, detail="ffmpeg (/x) is not there"),))
    test.suspect()
    await trio.sleep(1)
    found = await test.check()
    assert found.status == "failing"
    assert "ffmpeg (/x) is not there" in str(found.message)
    job.release()
    await trio.sleep(SELF_TEST_RETRY_SECONDS)
    assert (await test.check()).status == "ok"
    assert len(workers.orders) == 3
    await trio.sleep(SELF_TEST_SECONDS)
    assert len(workers.orders) == 4


async def test_a_test_slept_through_is_done_again(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A process that was stopped during its test finds no fault in it."""
    workers = FakeWorkers(usual=(WORKS,))

    def stopped(_order: Order) -> SelfTest:
        autojump_clock.jump(SELF_TEST_TIMEOUT_SECONDS + 60)
        raise OSError(errno.EIO, "the time is over")

    workers.follow((stopped,))
    test = self_test(workers, WorkerSlots(1))
    await nursery.start(test.run)
    assert ((await test.check()).status, len(workers.orders)) == ("ok", 2)
