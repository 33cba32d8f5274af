"""The database's file, damaged, deleted, replaced or cut off under the program that has it open."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from doradura.clock import wall_clock
from doradura.health import CheckResult
from doradura.storage import Connection, Storage, StorageError
from doradura.storage.sqlite import SqliteStorage
from doradura.storage.sqlite.integrity import IntegrityCheck
from doradura.storage_check import StorageCheck

LIMIT_SECONDS = 30
PAGE_BYTES = 4096
ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[tuple[Storage, StorageCheck]]:
    """An open database with a table of numbers, and its health check."""
    storage = SqliteStorage(path)
    check = StorageCheck(storage, clock=wall_clock)
    with trio.fail_after(LIMIT_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(storage.run)
            await storage.write(lambda db: db.execute("CREATE TABLE IF NOT EXISTS n (n INTEGER PRIMARY KEY, x TEXT)"))
            await nursery.start(check.run)
            yield storage, check
            nursery.cancel_scope.cancel()


def put(db: Connection) -> None:
    """Store a number."""
    db.execute("INSERT INTO n (x) VALUES ('x')")


def put_and_fail(db: Connection) -> None:
    """Store a number, then fail."""
    put(db)
    db.execute("INSERT INTO nothing VALUES (1)")


def count(db: Connection) -> int:
    """Count what is stored."""
    return int(db.execute("SELECT COUNT(*) FROM n").fetchone()[0])


async def until(check: StorageCheck, wanted: Callable[[CheckResult], bool]) -> CheckResult:
    """Look until the check says what is wanted."""
    while True:
        found = await check.check()
        if wanted(found):
            return found
        await trio.sleep(0.02)


async def make(path: Path, rows: int) -> None:
    """Make a database that fills pages of its own with numbers."""
    async with watched(path) as (storage, _check):
        await storage.write(lambda db: [db.execute("INSERT INTO n (x) VALUES (?)", ("x" * 500,)) for _ in range(rows)])


def spoil(path: Path) -> None:
    """Overwrite a page of the table of numbers, not its first one."""
    with closing(sqlite3.connect(path)) as db:
        page = db.execute(
            "SELECT pageno FROM dbstat WHERE name = 'n' AND pagetype = 'leaf' LIMIT 1 OFFSET 3"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page[0] - 1) * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)


async def test_a_sound_database(tmp_path: Path) -> None:
    """It is read once beside the start, and the check says how long that took."""
    async with watched(tmp_path / "test.db") as (storage, check):
        found = await until(check, lambda result: result.facts.get("integrity_check_seconds") is not None)
        assert found.status == "ok"
        assert storage.damage is None
        assert not storage.was_touched


async def test_a_damaged_page_is_found_beside_the_start(tmp_path: Path) -> None:
    """Before anybody asks for it: the check fails and says what to do, while the rest of the database works."""
    await make(tmp_path / "test.db", 200)
    spoil(tmp_path / "test.db")
    async with watched(tmp_path / "test.db") as (storage, check):
        found = await until(check, lambda result: result.status == "failing")
        assert found.facts["reason"] == "corrupt"
        assert "see StorageFailing in the runbooks" in str(found.message)
        await storage.write(lambda db: db.execute("CREATE TABLE works (n INTEGER)"))


@pytest.mark.parametrize(
    ("begin", "end", "filling"),
    [
        (0, None, b"x"),
        (0, None, b"\0"),
        (16, 100, b"\xa5"),
        (100, PAGE_BYTES, b"\xa5"),
        (PAGE_BYTES, 2 * PAGE_BYTES, b"\xa5"),
        (PAGE_BYTES, None, b"\0"),
        (100, None, b""),
        (PAGE_BYTES, None, b""),
    ],
    ids=["no database", "zeros", "header", "schema", "a table's first page", "all but one", "cut to 100 B", "one page"],
)
async def test_damage_that_hinders_the_start_is_called_damage(
    begin: int, end: int | None, filling: bytes, tmp_path: Path
) -> None:
    """However much of the file is gone, the error names it and its reason, by which the program says what to do."""
    path = tmp_path / "test.db"
    await make(path, 200)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(filling * ((end or size) - begin))
        file.truncate(size if filling else begin)
    with pytest.RaisesGroup(pytest.RaisesExc(StorageError), flatten_subgroups=True) as caught:
        async with watched(path):
            pytest.fail("it started")
    (error,) = caught.value.exceptions
    while isinstance(error, ExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, StorageError)
    assert error.reason == "corrupt"
    assert str(error).startswith(f"{path} is damaged (")


async def test_damage_that_a_query_meets_fails_the_check(tmp_path: Path) -> None:
    """Though the row that the check itself writes is committed; until the database was read again and is sound."""
    await make(tmp_path / "test.db", 200)
    sound = (tmp_path / "test.db").read_bytes()
    (tmp_path / "spoilt.db").write_bytes(sound)
    spoil(tmp_path / "spoilt.db")
    async with watched(tmp_path / "test.db") as (storage, check):
        await until(check, lambda result: result.facts.get("integrity_check_seconds") is not None)
        (tmp_path / "test.db").write_bytes((tmp_path / "spoilt.db").read_bytes())  # the same file, with a bad page
        with pytest.raises(StorageError) as caught:
            await storage.read(lambda db: db.execute("SELECT SUM(LENGTH(x)) FROM n").fetchone())
        assert caught.value.reason == "corrupt"
        assert (await check.check()).status == "failing"
        (tmp_path / "test.db").write_bytes(sound)
        assert await storage.check_integrity() is None
        assert (await check.check()).status == "ok"


def delete(path: Path) -> None:
    """Delete the database."""
    path.unlink()


def move(path: Path) -> None:
    """Move it away."""
    path.rename(path.with_name("elsewhere.db"))


def replace(path: Path) -> None:
    """Put another database in its place, as a restore does."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE n (n INTEGER PRIMARY KEY, x TEXT)")
    other.rename(path)


def delete_log(path: Path) -> None:
    """Delete what was committed lately."""
    path.with_name(path.name + "-wal").unlink()


def replace_index(path: Path) -> None:
    """Replace the log's index."""
    index = path.with_name(path.name + "-shm")
    shutil.copy(index, index.with_name("copy"))
    index.with_name("copy").rename(index)


def move_directory(path: Path) -> None:
    """Move the whole data directory away."""
    path.parent.rename(path.parent.with_name("moved"))


def cut(path: Path) -> None:
    """Empty the file."""
    os.truncate(path, 0)


def cut_log(path: Path) -> None:
    """Empty the log."""
    os.truncate(path.with_name(path.name + "-wal"), 0)


@pytest.mark.parametrize(
    "act",
    [delete, move, replace, delete_log, replace_index, move_directory, cut, cut_log],
    ids=lambda act: act.__name__,
)
async def test_nothing_is_stored_where_no_start_would_find_it(tmp_path: Path, act: Callable[[Path], None]) -> None:
    """A write is refused once the files are not those that were opened, and the check says so."""
    directory = tmp_path / "data"
    directory.mkdir()
    async with watched(directory / "test.db") as (storage, check):
        await storage.write(put)
        act(directory / "test.db")
        with pytest.raises(StorageError) as caught:
            await storage.write(put)
        assert caught.value.reason == "lost"
        found = await check.check()
        assert (found.status, found.facts["reason"]) == ("failing", "lost")
        assert "test.db" in str(found.message)
        assert "see StorageFailing in the runbooks" in str(found.message)


async def test_a_file_that_vanishes_during_a_commit(tmp_path: Path) -> None:
    """What was committed into a file that has no name any more is told as not stored."""
    path = tmp_path / "test.db"

    def change(db: Connection) -> None:
        put(db)
        path.unlink()

    async with watched(path) as (storage, _check):
        with pytest.raises(StorageError, match="deleted or moved away") as caught:
            await storage.write(change)
        assert caught.value.reason == "lost"


async def test_a_file_put_back_is_gone_on_with(tmp_path: Path) -> None:
    """What a person moved away and back is the same file: no restart is needed, and nothing is missing."""
    path = tmp_path / "test.db"
    async with watched(path) as (storage, check):
        await storage.write(put)
        path.rename(tmp_path / "away.db")
        with pytest.raises(StorageError):
            await storage.read(count)
        (tmp_path / "away.db").rename(path)
        await storage.write(put)
        assert await storage.read(count) == 2
        assert (await check.check()).status == "ok"


async def test_what_sqlite_itself_makes_smaller_is_no_fault(tmp_path: Path) -> None:
    """Another program may compact the database and empty its log; that it wrote is a reason to read it again."""
    path = tmp_path / "test.db"
    await make(path, 2000)
    async with watched(path) as (storage, check):
        await until(check, lambda result: result.facts.get("integrity_check_seconds") is not None)
        size = path.stat().st_size
        await storage.write(lambda db: db.execute("DELETE FROM n"))
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size < size
        await storage.write(put)
        assert await storage.read(count) == 1
        assert storage.was_touched
        assert (await check.check()).status == "ok"


async def test_a_foreign_lock_is_told_in_time(tmp_path: Path) -> None:
    """The check answers while a write waits for another program, and once more when the write has failed."""
    path = tmp_path / "test.db"
    async with watched(path) as (_storage, check):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            found = await check.check()
            assert (found.status, found.facts["reason"]) == ("failing", "waits")
            assert "another program locked the database" in str(found.message)
            await until(check, lambda result: result.facts["reason"] == "locked")
            db.execute("ROLLBACK")
        await until(check, lambda result: result.status == "ok")


async def test_permissions_that_the_next_start_would_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open can be written to still; the check says that it could not be opened again."""
    path = tmp_path / "test.db"
    async with watched(path) as (storage, check):
        monkeypatch.setattr(os, "access", lambda name, _mode: Path(name) != path)
        found = await check.check()
        assert (found.status, found.facts["reason"]) == ("failing", "unusable")
        await storage.write(put)
        monkeypatch.setattr(os, "access", lambda name, _mode: Path(name) != tmp_path)
        assert "can't be written to by this user" in str((await check.check()).message)


async def test_a_check_of_the_whole_is_cut_off_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving waits for no reading of the database: it is interrupted, and its connection closed before the log."""
    path = tmp_path / "test.db"
    await make(path, 10)
    monkeypatch.setattr("doradura.storage.sqlite.integrity.CHECK", ENDLESS)
    async with watched(path):
        await trio.sleep(0.1)  # the reading is on its way, or begins meanwhile: both must end
    assert await trio.to_thread.run_sync(lambda: [name.name for name in tmp_path.iterdir()]) == ["test.db"]


async def test_a_check_that_has_not_begun_to_read_is_cut_off_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel that comes while its connection is being opened is not lost."""
    await make(tmp_path / "test.db", 10)
    monkeypatch.setattr("doradura.storage.sqlite.integrity.CHECK", ENDLESS)
    opening, cancelled = threading.Event(), threading.Event()

    def connect() -> sqlite3.Connection:
        opening.set()
        cancelled.wait()
        return sqlite3.connect(tmp_path / "test.db", check_same_thread=False)

    with trio.fail_after(LIMIT_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(IntegrityCheck(connect).run)
            await trio.to_thread.run_sync(opening.wait)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
            cancelled.set()


async def test_a_change_on_a_file_nobody_has_open(tmp_path: Path) -> None:
    """It is made at once, whole or not at all; where there is no file, none is made."""
    await make(tmp_path / "test.db", 1)
    SqliteStorage(tmp_path / "test.db").write_after_end(put)
    with pytest.raises(StorageError):
        SqliteStorage(tmp_path / "test.db").write_after_end(put_and_fail)
    async with watched(tmp_path / "test.db") as (storage, _check):
        assert await storage.read(count) == 2
    with pytest.raises(StorageError):
        SqliteStorage(tmp_path / "nowhere.db").write_after_end(put)
    assert not (tmp_path / "nowhere.db").exists()
