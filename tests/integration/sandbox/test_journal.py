from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from doradura.sandbox.state.journal import Journal, JournalError

Group = dict[tuple[str, str], bytes | None]


async def test_a_flush_waits_for_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told of a change before the thread has committed it."""
    journal = Journal(tmp_path / "x.sqlite3")
    await journal.load()
    gate, write = threading.Event(), journal._write
    order: list[str] = []

    def late(group: Group) -> None:
        gate.wait()
        write(group)
        order.append("committed")

    monkeypatch.setattr(journal, "_write", late)

    async def flush() -> None:
        await journal.flush()
        order.append("flushed")

    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        try:
            journal.put("kind", "key", b"1")
            nursery.start_soon(flush)
            await trio.testing.wait_all_tasks_blocked()
            assert order == []
        finally:
            gate.set()
        await journal.flush()
        nursery.cancel_scope.cancel()
    assert order == ["committed", "flushed"]


async def test_records_come_back_in_their_last_form(tmp_path: Path) -> None:
    """Of a record put twice the later value is kept, of a deleted one nothing, also what nobody flushed."""
    path = tmp_path / "x.sqlite3"
    journal = Journal(path)
    assert await journal.load() == []
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        for value in (b"1", b"2"):
            journal.put("kind", "kept", value)
        journal.put("kind", "gone", b"1")
        await journal.flush()
        journal.delete("kind", "gone")
        journal.put("kind", "last", b"3")
        nursery.cancel_scope.cancel()
    again = Journal(path)
    assert sorted(await again.load()) == [("kind", "kept", b"2"), ("kind", "last", b"3")]
    async with trio.open_nursery() as nursery:
        await nursery.start(again.run)
        nursery.cancel_scope.cancel()


async def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that is no database is named, not overwritten."""
    path = tmp_path / "x.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(JournalError, match=r"x\.sqlite3 cannot be opened"):
        await Journal(path).load()
