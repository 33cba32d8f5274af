"""YouTube's players, solved by yt-dlp's own means behind a wall, and kept between jobs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from doradura.media.protocol import Order, Result, WallKind
from doradura.workers.gate import GatedWorkers
from doradura.workers.interface import Conversation
from doradura.workers.players import KEPT, KEPT_SECONDS, lend, take
from doradura.workers.youtube import YoutubeWorkers
from tests.integration.gated import gate_and_workers

NewOrder = Callable[..., Order]
HERE = str(Path(__file__).parent)
VIDEO = "https://www.youtube.com/watch?v=x"
NAME = "player,3Ahttps,3A,2F,2Fwww.youtube.com,2Fs,2Fplayer,2F00000000,2Fplayer_es6.vflset,2Fen_US,2Fbase.js.json"
WRITTEN = '{"yt-dlp_version": "2026.08.19", "data": "solved"}'
Solve = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def solve(new_order: NewOrder, tmp_path: Path) -> AsyncIterator[Solve]:
    """Return what a job says whose runtime solves a puzzle."""
    environment = {**os.environ, "PYTHONPATH": HERE}

    async def run(wall: WallKind, url: str = VIDEO) -> dict[str, Any]:
        workers.wall = wall
        order = new_order(url, memory_bytes=1_000_000_000)
        with trio.fail_after(120):
            async with keeping.work(order) as conversation:
                end = [message async for message in conversation][-1]
        assert isinstance(end, Result), end
        return cast("dict[str, Any]", json.loads(end.title))

    async with gate_and_workers(environment=environment, job="solving_job:run_job") as (gate, children):
        workers = GatedWorkers(children, gate)
        keeping = YoutubeWorkers(workers, tmp_path / "players")
        yield run


@pytest.mark.parametrize("wall", ["notify", "port", "hook"])
async def test_a_player_is_worked_out_once(solve: Solve, wall: WallKind, tmp_path: Path) -> None:
    """By the real runtime, behind the wall: 3 s the first time, and of the next job it takes a fraction."""
    first, second = await solve(wall), await solve(wall)
    assert first["solved"] == second["solved"] == [{"abcdefgh": "hgfedcba"}], first
    assert (first["found"], second["found"]) == ([], [NAME])
    assert first["seconds"] > 3.0 > 3 * second["seconds"] > 0.0
    assert json.loads((tmp_path / "players" / NAME).read_text())["data"] == "solved"
    assert (tmp_path / "players").stat().st_mode & 0o777 == 0o700


async def test_the_runtime_gets_nowhere(solve: Solve) -> None:
    """Behind the wall, with every permission of its own, it has the job's directory and nothing else."""
    told = await solve("port", f"{VIDEO}#out")
    assert json.loads(told["out"]) == {
        **dict.fromkeys(("read", "write", "listen", "run"), False),
        "own": True,
    }


async def test_a_job_can_t_spoil_what_is_kept(solve: Solve, tmp_path: Path) -> None:
    """It has a copy; what it writes there is its own, and what it leaves behind has to look like yt-dlp's."""
    await solve("hook", f"{VIDEO}#poison")
    assert not (tmp_path / "players").exists()
    await solve("hook", f"{VIDEO}#link")
    assert not (tmp_path / "players").exists()
    await solve("hook")
    before = (tmp_path / "players" / NAME).read_bytes()
    assert (await solve("port", f"{VIDEO}#poison"))["found"] == [NAME]
    assert (tmp_path / "players" / NAME).read_bytes() == before


class Nobody:
    """Workers that do nothing."""

    @asynccontextmanager
    async def work(self, order: Order) -> AsyncIterator[Conversation]:
        """Start nothing."""
        assert order.players
        yield cast("Conversation", None)


async def test_one_job_at_a_time_adds(new_order: NewOrder, tmp_path: Path) -> None:
    """What one leaves behind that began while another had that right is not kept; the next may again."""
    keeping, kept = YoutubeWorkers(Nobody(), tmp_path / "players"), tmp_path / "players" / NAME
    first, second, third = new_order(VIDEO), new_order("https://youtu.be/x"), new_order(VIDEO)
    async with keeping.work(first):
        async with keeping.work(second):
            left(Path(second.directory), NAME)
        assert not kept.exists()
    async with keeping.work(third):
        left(Path(third.directory), NAME)
    assert kept.exists()


async def test_other_sites_jobs_have_none_of_it(solve: Solve, tmp_path: Path) -> None:
    """Their directory has no players, and nothing of it is taken."""
    told = await solve("hook", "https://example.com/")
    assert (told["found"], (tmp_path / "players").exists()) == ([], False)


def left(job: Path, name: str, content: str = WRITTEN) -> None:
    """Leave a player as yt-dlp does."""
    place = job / "players" / "challenge-solver"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(content)


def test_an_old_player_is_not_lent(tmp_path: Path) -> None:
    """It is worked out anew once a day, and the new one takes its place."""
    kept = tmp_path / "kept"
    left(tmp_path / "1", NAME)
    take(tmp_path / "1", frozenset(), kept)
    assert lend(kept, tmp_path / "2") == {NAME}
    os.utime(kept / NAME, (0, time.time() - KEPT_SECONDS - 60))
    assert lend(kept, tmp_path / "3") == frozenset()
    left(tmp_path / "3", NAME)
    take(tmp_path / "3", frozenset(), kept)
    assert lend(kept, tmp_path / "4") == {NAME}


def test_only_a_few_are_kept(tmp_path: Path) -> None:
    """yt-dlp would keep each for good; the newest stay."""
    for number in range(KEPT + 2):
        left(tmp_path / str(number), NAME.replace("00000000", f"{number:08}"))
        take(tmp_path / str(number), frozenset(), tmp_path / "kept")
        os.utime(max((tmp_path / "kept").iterdir(), key=lambda path: path.name), (0, time.time() - 100 + number))
    assert sorted(path.name[54:62] for path in (tmp_path / "kept").iterdir()) == ["00000002", "00000003"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("player,3Ahttps,3A,2F,2Fevil.example,2Fs,2Fplayer,2Fx.json", WRITTEN),
        ("lib.json", WRITTEN),
        (NAME, '{"yt-dlp_version": "2026.08.19", "data": {"code": 1}}'),
        (NAME, '{"data": "x"}'),
        (NAME, "[" * 100_000),
        (NAME, '{"yt-dlp_version": "1", "data": "' + "x" * 2**24 + '"}'),
    ],
)
def test_what_is_odd_is_not_kept(tmp_path: Path, name: str, content: str) -> None:
    """Other names, other shapes, and what is too large."""
    left(tmp_path / "1", name, content)
    take(tmp_path / "1", frozenset(), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
