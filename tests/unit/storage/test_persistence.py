"""A change that must not be lost is written until it is stored."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.storage import Connection, StorageError
from doradura.storage.errors import StorageReason
from doradura.storage.persistence import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, write_until_stored
from tests.doubles import MemoryStorage


def change(db: Connection) -> int:
    """Something to store."""
    return int(db.execute("SELECT 7").fetchone()[0])


async def test_it_is_written_once_the_database_works(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After pauses that grow up to a bound; each failure is a line of the log."""
    storage = MemoryStorage()
    storage.faults.extend([StorageError("full", reason="full")] * 10)
    assert await write_until_stored(storage, change, what="a job's end") == 7
    pauses = [min(FIRST_PAUSE_SECONDS * 2**tries, LONGEST_PAUSE_SECONDS) for tries in range(10)]
    assert trio.current_time() == sum(pauses)
    assert caplog.messages == ["a job's end is not stored yet"] * 10


@pytest.mark.parametrize(("reason", "stopped"), [("corrupt", False), ("unreadable", False), ("full", True)])
async def test_what_the_next_start_finds_is_given_up(
    autojump_clock: MockClock, reason: StorageReason, *, stopped: bool
) -> None:
    """Where the database is damaged or the program is to end; without `stopping` it goes on all the same."""
    storage, stopping = MemoryStorage(), trio.Event()
    error = StorageError("no", reason=reason)
    if stopped:
        stopping.set()
    storage.faults.extend([error] * 100)
    with pytest.raises(StorageError):
        await write_until_stored(storage, change, what="it", stopping=stopping)
    storage.fault = error
    with trio.move_on_after(100) as scope:
        await write_until_stored(storage, change, what="it")
    assert scope.cancelled_caught


async def test_a_stop_is_noticed_in_the_pause(autojump_clock: MockClock) -> None:
    """The program is not held up by a pause."""
    storage, stopping = MemoryStorage(), trio.Event()
    storage.faults.extend([StorageError("full", reason="full")] * 100)
    async with trio.open_nursery() as nursery:

        async def stop() -> None:
            await trio.sleep(FIRST_PAUSE_SECONDS * 1.5)
            stopping.set()

        nursery.start_soon(stop)
        with pytest.raises(StorageError):
            await write_until_stored(storage, change, what="it", stopping=stopping)
    assert trio.current_time() == FIRST_PAUSE_SECONDS * 1.5
