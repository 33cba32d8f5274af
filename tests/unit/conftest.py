"""What unit tests of the bot's middle share: a world on an autojump clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wiring import World, without_threads_and_chance


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """What the program runs in, before its first start. A test asks for autojump_clock besides."""
    without_threads_and_chance(monkeypatch)
    return World(tmp_path)
