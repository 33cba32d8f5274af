"""What unit tests of the bot's middle share: a world on an autojump clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doradura.media import interfaces
from tests.databases import close_all
from tests.wiring import World, without_threads_and_chance


@pytest.fixture(autouse=True)
def _databases() -> Iterator[None]:
    """No database in memory outlives its test."""
    yield
    close_all()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """What the program runs in, before its first start. A test asks for autojump_clock besides."""
    without_threads_and_chance(monkeypatch)
    return World(tmp_path)


@pytest.fixture(autouse=True)
def _no_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test asks this machine for its addresses."""
    monkeypatch.setattr(interfaces, "ask_kernel", lambda _literal: None)


@pytest.fixture(autouse=True)
def _no_text_is_lacking(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What shows a text that no catalogue has fails its test, as the bot itself goes on."""
    yield
    assert [vars(record)["key"] for record in caplog.get_records("call") if record.msg == "text lacking"] == []
