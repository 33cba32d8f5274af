"""Topics over the real database: the wake comes after the commit, from the writer's thread into trio's."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from doradura.storage import Connection, StorageError, Topic
from tests.integration.storage.test_storage import Gate, numbers, put, running


def put_and_touch(number: int, topic: Topic, error: Exception | None = None) -> Callable[[Connection], None]:
    """A change that stores a number and touches a topic; with an error it is undone."""

    def change(db: Connection) -> None:
        put(number)(db)
        db.touch(topic)
        if error is not None:
            raise error

    return change


async def test_who_is_woken_reads_what_was_written(tmp_path: Path) -> None:
    """Never before the commit: a part that looks at once finds the row each time."""
    async with running(tmp_path / "test.db") as storage, trio.open_nursery() as nursery:
        watch = storage.watch(Topic.QUEUE)
        found: list[int] = []

        async def look() -> None:
            while len(found) < 50:
                await watch.next(math.inf)
                found.append(max(await storage.read(numbers)))

        nursery.start_soon(look)
        for number in range(1, 51):
            await storage.write(put_and_touch(number, Topic.QUEUE))
            with trio.fail_after(5):
                while len(found) < number:
                    await trio.lowlevel.checkpoint()
    assert found == list(range(1, 51))


async def test_an_undone_change_wakes_nobody_and_its_neighbours_do(tmp_path: Path) -> None:
    """In one commit with it: what a change touched before it failed is forgotten with it."""
    gate = Gate()
    async with running(tmp_path / "test.db") as storage, trio.open_nursery() as nursery:
        failed, went_on = storage.watch(Topic.QUEUE), storage.watch(Topic.OFFERS)

        async def fail(error: Exception) -> None:
            with pytest.raises((KeyError, StorageError)):
                await storage.write(put_and_touch(1, Topic.QUEUE, error))

        nursery.start_soon(storage.write, gate.change)
        await gate.held()
        nursery.start_soon(fail, KeyError())
        nursery.start_soon(fail, sqlite3.IntegrityError("no"))
        nursery.start_soon(storage.write, put_and_touch(2, Topic.OFFERS))
        await wait_all_tasks_blocked()
        gate.opened.set()
        await went_on.next(math.inf)
        assert await storage.read(numbers) == [2]
        with trio.move_on_after(0.05) as waiting:
            await failed.next(math.inf)
        assert waiting.cancelled_caught


async def test_a_commit_that_fails_wakes_nobody(tmp_path: Path) -> None:
    """Every change of its group is undone, and what each touched is forgotten."""
    async with running(tmp_path / "test.db") as storage:
        watch = storage.watch(Topic.QUEUE)

        def leave(db: Connection) -> None:
            put_and_touch(1, Topic.QUEUE)(db)
            db.execute("ROLLBACK")  # as a full disk makes SQLite do by itself

        with pytest.raises(StorageError):
            await storage.write(leave)
        with trio.move_on_after(0.05) as waiting:
            await watch.next(math.inf)
        assert waiting.cancelled_caught
        assert await storage.read(numbers) == []
