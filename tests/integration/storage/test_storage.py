"""The database as it really is: a file, a writer thread, commits in groups."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from doradura.storage import Change, Connection, NewerDatabaseError, Storage, StorageError
from doradura.storage.sqlite import SqliteStorage
from doradura.storage.sqlite.changing import Changing
from doradura.storage.sqlite.storage import GROUP_LIMIT, connect

LIMIT_SECONDS = 30


@asynccontextmanager
async def running(path: Path, errors: list[StorageError] | None = None) -> AsyncIterator[Storage]:
    """An open database with a table of numbers."""
    storage = SqliteStorage(path, on_error=None if errors is None else errors.append)
    with trio.fail_after(LIMIT_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(storage.run)
            await storage.write(lambda db: db.execute("CREATE TABLE IF NOT EXISTS n (n INTEGER PRIMARY KEY, x BLOB)"))
            yield storage
            nursery.cancel_scope.cancel()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """A fresh one."""
    async with running(tmp_path / "test.db") as opened:
        yield opened


def put(number: int) -> Change[int]:
    """A change that stores a number."""
    return lambda db: int(db.execute("INSERT INTO n (n) VALUES (?)", (number,)).rowcount)


def numbers(db: Connection) -> list[int]:
    """What is stored."""
    return [row[0] for row in db.execute("SELECT n FROM n ORDER BY n")]


class Gate:
    """Holds the writer thread in a change until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def change(self, _db: Connection) -> str:
        """The change."""
        self.entered.set()
        assert self.opened.wait(LIMIT_SECONDS)
        return "passed"

    async def held(self) -> None:
        """Wait until the writer is in it."""
        assert await trio.to_thread.run_sync(self.entered.wait, LIMIT_SECONDS)


async def test_a_write_gives_what_its_change_gave(storage: Storage) -> None:
    """And a read that comes after it sees it, on another connection."""
    assert await storage.write(put(7)) == 1
    assert await storage.read(numbers) == [7]


async def test_what_waits_together_is_committed_together(storage: Storage) -> None:
    """While the writer is busy with one change others gather, and one commit serves up to 256 of them."""
    told: list[str] = []
    gate = Gate()

    def trace(db: Connection, note: Callable[[str], None] | None) -> None:
        assert isinstance(db, Changing)
        db._connection.set_trace_callback(note)

    def traced(db: Connection) -> object:
        trace(db, told.append)
        return gate.change(db)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(storage.write, traced)
        await gate.held()
        for number in range(GROUP_LIMIT + 10):
            nursery.start_soon(storage.write, put(number))
        await wait_all_tasks_blocked()
        gate.opened.set()
    await storage.write(lambda db: trace(db, None))
    assert len(await storage.read(numbers)) == GROUP_LIMIT + 10
    assert 2 <= told.count("COMMIT") <= 4


async def test_one_failing_change_leaves_its_neighbours(storage: Storage) -> None:
    """In one group: its own effects are undone, theirs are stored, and each caller gets its own outcome."""
    gate = Gate()
    outcomes: dict[str, object] = {}

    def half(db: Connection) -> None:
        db.execute("INSERT INTO n (n) VALUES (50)")
        raise ZeroDivisionError("boom")

    async def write(name: str, change: Change[object]) -> None:
        try:
            outcomes[name] = await storage.write(change)
        except (StorageError, ZeroDivisionError) as error:
            outcomes[name] = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, "gate", gate.change)
        await gate.held()
        nursery.start_soon(write, "first", put(1))
        nursery.start_soon(write, "python", half)
        nursery.start_soon(write, "sql", lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
        nursery.start_soon(write, "null", lambda db: db.execute("INSERT INTO jobs (job_id) VALUES (1)"))
        nursery.start_soon(write, "last", put(2))
        await wait_all_tasks_blocked()
        gate.opened.set()
    assert await storage.read(numbers) == [1, 2]
    assert (outcomes["first"], outcomes["last"], outcomes["gate"]) == (1, 1, "passed")
    assert isinstance(outcomes["python"], ZeroDivisionError)
    assert isinstance(outcomes["sql"], StorageError)
    assert isinstance(outcomes["null"], StorageError)
    assert isinstance(outcomes["null"].__cause__, sqlite3.IntegrityError)


async def cancel_when_blocked(scope: trio.CancelScope) -> None:
    """Cancel once everybody waits."""
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_a_cancel_before_the_writer_took_it(storage: Storage) -> None:
    """The change does not happen, and the caller leaves at once."""
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(storage.write, gate.change)
        await gate.held()
        with trio.CancelScope() as scope:
            scope.cancel()
            await storage.write(put(1))
        assert scope.cancelled_caught
        with trio.CancelScope() as late:
            nursery.start_soon(cancel_when_blocked, late)
            await storage.write(put(2))
        assert late.cancelled_caught
        gate.opened.set()
    assert await storage.read(numbers) == []


async def test_a_cancel_after_the_writer_took_it(storage: Storage) -> None:
    """The outcome is waited for, so that nobody is told "cancelled" of what happened."""
    gate = Gate()

    def change(db: Connection) -> int:
        gate.change(db)
        return int(db.execute("INSERT INTO n (n) VALUES (3)").rowcount)

    async def open_gate() -> None:
        await gate.held()
        scope.cancel()
        await wait_all_tasks_blocked()
        assert done == []
        gate.opened.set()

    done: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_gate)
        with trio.CancelScope() as scope:
            done.append(await storage.write(change))
    assert done == [1]
    assert await storage.read(numbers) == [3]


async def test_closing_commits_what_was_handed_over(tmp_path: Path) -> None:
    """What a caller gave before the end is stored; what comes later is refused as closed; no thread is left."""
    threads = {thread.name for thread in threading.enumerate()}
    gate = Gate()
    gave: list[object] = []
    async with running(tmp_path / "test.db") as storage, trio.open_nursery() as nursery:

        async def shielded() -> None:
            with trio.CancelScope(shield=True):
                gave.append(await storage.write(put(1)))

        nursery.start_soon(storage.write, gate.change)
        await gate.held()
        nursery.start_soon(shielded)
        await wait_all_tasks_blocked()
        gate.opened.set()
    assert gave == [1]
    with pytest.raises(StorageError) as caught:
        await storage.write(put(2))
    assert caught.value.reason == "closed"
    with pytest.raises(StorageError):
        await storage.read(numbers)
    assert "storage writer" not in {thread.name for thread in threading.enumerate()} - threads
    async with running(tmp_path / "test.db") as again:
        assert await again.read(numbers) == [1]


async def test_a_full_disk_fails_the_change_and_passes(tmp_path: Path) -> None:
    """It is told as "full" and reported; what was stored stays, and when there is room writing goes on."""
    errors: list[StorageError] = []
    async with running(tmp_path / "test.db", errors) as storage:
        await storage.write(put(1))
        pages = await storage.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await storage.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
        with pytest.raises(StorageError) as caught:
            await storage.write(lambda db: db.execute("INSERT INTO n VALUES (2, zeroblob(1000000))"))
        assert caught.value.reason == "full"
        assert errors == [caught.value]
        assert await storage.read(numbers) == [1]
        await storage.write(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())
        await storage.write(lambda db: db.execute("INSERT INTO n VALUES (2, zeroblob(1000000))"))
        assert await storage.read(numbers) == [1, 2]


async def test_a_full_disk_answers_every_change_of_the_group_truly(tmp_path: Path) -> None:
    """Whatever the database rolls back with the change that found no room: who is told "stored" is stored."""
    async with running(tmp_path / "test.db") as storage:
        pages = await storage.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await storage.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 3}").fetchone())
        gate = Gate()
        stored: list[int] = []

        async def write(number: int) -> None:
            size = 1_000_000 if number % 3 == 1 else 10
            try:
                await storage.write(lambda db: db.execute("INSERT INTO n VALUES (?, zeroblob(?))", (number, size)))
            except StorageError:
                return
            stored.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.write, gate.change)
            await gate.held()
            for number in range(9):
                nursery.start_soon(write, number)
            await wait_all_tasks_blocked()
            gate.opened.set()
        assert sorted(stored) == await storage.read(numbers)
        assert not {1, 4, 7} & set(stored)


async def test_a_read_cannot_write(storage: Storage) -> None:
    """The connection it is given refuses."""
    with pytest.raises(StorageError, match="readonly"):
        await storage.read(put(1))
    assert await storage.read(numbers) == []


async def test_a_read_that_fails_leaves_its_connection_sound(storage: Storage) -> None:
    """More failing reads than there are connections, and the next one works and sees the newest write."""

    def fail(db: Connection) -> None:
        numbers(db)
        raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await storage.read(fail)
    await storage.write(put(1))
    assert await storage.read(numbers) == [1]


async def test_a_thousand_writers_at_once(storage: Storage) -> None:
    """Each gets its own answer, each sees its own write, none is lost."""
    answers: list[int] = []

    async def write(number: int) -> None:
        answers.append(
            await storage.write(
                lambda db: db.execute("INSERT INTO n (n) VALUES (?) RETURNING n", (number,)).fetchone()[0]
            )
        )
        assert answers[-1] == number
        if number % 50 == 0:
            assert number in await storage.read(numbers)

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(write, number)
    assert sorted(answers) == list(range(1000))
    assert await storage.read(numbers) == list(range(1000))


async def test_no_database_at_all(tmp_path: Path) -> None:
    """A file that is none, a directory that is not there, and a newer program's database are said at the start."""
    (tmp_path / "text.db").write_text("this is no database, but long enough to be looked at" * 100)
    for path in (tmp_path / "text.db", tmp_path / "nowhere" / "test.db"):
        with pytest.raises(StorageError):
            await SqliteStorage(path).run()
    async with running(tmp_path / "new.db") as storage:
        await storage.write(lambda db: db.execute("INSERT INTO schema_version VALUES (999)"))
    with pytest.raises(NewerDatabaseError):
        await SqliteStorage(tmp_path / "new.db").run()


async def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    """A name that an address would read otherwise is that name."""
    odd = tmp_path / "50% of #1?mode=memory"
    odd.mkdir()
    async with running(odd / "a b.db") as storage:
        await storage.write(put(1))
        assert await storage.read(numbers) == [1]
    assert (odd / "a b.db").exists()


async def test_commits_are_on_disk(storage: Storage) -> None:
    """WAL with synchronous=FULL: an answer means that a power cut changes nothing."""
    pragmas = await storage.write(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert pragmas == ["wal", 2, 1]


KILLED = """
import sys, trio
from pathlib import Path
from doradura.storage.sqlite import SqliteStorage

async def write(storage, start):
    for number in range(start, 10**9, 8):
        await storage.write(lambda db: db.execute("INSERT INTO n (n) VALUES (?)", (number,)))
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()

async def main():
    storage = SqliteStorage(Path(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        await nursery.start(storage.run)
        await storage.write(lambda db: db.execute("CREATE TABLE n (n INTEGER PRIMARY KEY)"))
        for start in range(8):
            nursery.start_soon(write, storage, start)

trio.run(main)
"""


async def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """A process killed in the middle of its writes: every number it had printed as stored is there afterwards."""
    path = tmp_path / "test.db"
    process = await trio.lowlevel.open_process([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    printed = b""
    try:
        with trio.fail_after(LIMIT_SECONDS):
            while printed.count(b"\n") < 200:
                piece = await process.stdout.receive_some()
                assert piece, "the writing process ended by itself"
                printed += piece
            process.send_signal(signal.SIGKILL)
            while piece := await process.stdout.receive_some():
                printed += piece
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()
    answered = {int(line) for line in printed[: printed.rfind(b"\n")].split(b"\n")}
    connection = connect(path)
    try:
        stored = set(numbers(Changing(connection)))
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        connection.close()
    assert len(answered) >= 200
    assert answered <= stored


async def test_a_commit_that_fails_is_told_to_the_whole_group(storage: Storage) -> None:
    """Changes that ran are not stored when COMMIT itself is refused, and no caller is told otherwise."""
    await storage.write(
        lambda db: db.execute("CREATE TABLE child (n INTEGER REFERENCES n (n) DEFERRABLE INITIALLY DEFERRED)")
    )
    gate, failed = Gate(), []

    async def fails(change: Change[object]) -> None:
        try:
            await storage.write(change)
        except StorageError as error:
            failed.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(storage.write, gate.change)
        await gate.held()
        nursery.start_soon(fails, put(1))
        nursery.start_soon(fails, lambda db: db.execute("INSERT INTO child (n) VALUES (99)"))
        await wait_all_tasks_blocked()
        gate.opened.set()
    assert len(failed) == 2
    assert await storage.read(numbers) == []
    assert await storage.write(put(2)) == 1
