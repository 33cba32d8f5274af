"""The jobs' directories: what is removed, and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wiring import RoomyWorkspace, World


@pytest.fixture
async def workspace(world: World) -> RoomyWorkspace:
    """A workspace with its root directory."""
    workspace = RoomyWorkspace(world.settings, "ffmpeg", tuple)
    await workspace.open()
    return workspace


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "media.mp3").write_bytes(b"a song")


def _file(path: Path) -> None:
    path.write_bytes(b"a song")


def _link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "kept")


def _broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.mark.parametrize("put", [_directory, _file, _link, _broken_link, _pipe])
@pytest.mark.parametrize("name", ["7", "7.ready"])
@pytest.mark.parametrize("by", ["remove", "fresh", "clear"])
async def test_what_stands_for_a_jobs_directory_is_removed(
    workspace: RoomyWorkspace, world: World, put: Callable[[Path], None], name: str, by: str
) -> None:
    """Whatever a worker put there, and by whatever way it goes; what a link leads to stays."""
    kept = world.directory / "kept"
    _directory(kept)
    put(workspace.root / name)
    if by == "remove":
        await workspace.remove(7)
    elif by == "clear":
        await workspace.clear(keep=[8])
    else:
        made = await workspace.fresh(7)
        assert (made.is_symlink(), list(made.iterdir())) == (False, [])
        made.rmdir()
    assert _names(workspace.root) == []
    assert (kept / "media.mp3").read_bytes() == b"a song"


async def test_other_jobs_directories_stay(workspace: RoomyWorkspace) -> None:
    """A job's end touches only its own directories, and a start keeps those of the files that were being sent."""
    for name in ("7", "7.ready", "8", "8.ready", "77"):
        _directory(workspace.root / name)
    await workspace.remove(7)
    assert _names(workspace.root) == ["77", "8", "8.ready"]
    await workspace.clear(keep=[8])
    assert _names(workspace.root) == ["8", "8.ready"]
