"""The database when this process may open nothing more."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from doradura.descriptors import out_of_descriptors
from doradura.storage import StorageError
from doradura.storage.sqlite import SqliteStorage


@pytest.fixture
def use_up() -> Iterator[Callable[[], None]]:
    """Open files until no more can be, when called; they are closed at the end."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []

    def use() -> None:
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers are what is wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, before[1]))
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))

    yield use
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_too_many_open_files_are_called_so(
    tmp_path: Path, nursery: trio.Nursery, use_up: Callable[[], None]
) -> None:
    """A reader that can't be opened for want of descriptors is no full disk and no damaged file."""
    storage = SqliteStorage(tmp_path / "test.db")
    await nursery.start(storage.run)
    assert not out_of_descriptors()
    use_up()
    assert out_of_descriptors()
    with pytest.raises(StorageError, match="too many files open") as caught:
        await storage.read(lambda db: db.execute("SELECT 1").fetchone())
    assert caught.value.reason == "other"
