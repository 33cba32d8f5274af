"""Real jobs behind each kind of wall: what they make, what they may not reach, and what becomes of them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import msgspec
import pytest
import trio

from doradura.child import walling
from doradura.media.protocol import Failure, Metadata, Progress, Result, SelfTest, WallKind, WorkerMessage
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate, GatedWorkers
from doradura.workers.plain import PlainWorkers
from doradura.workers.wall import Standing, find_wall
from tests.integration.gated import gate_and_workers

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs, Task


def _stands() -> bool:
    try:
        walling.prepare().close()
    except walling.WallError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _stands(), reason="Linux 6.7 with Landlock, and x86-64 or arm64")


class Walled:
    """Jobs behind a wall, one after the other."""

    def __init__(self, jobs: Jobs, gate: Gate, workers: ForkWorkers, kind: WallKind) -> None:
        self._jobs = jobs
        self.gate = gate
        self.kind: WallKind = kind
        jobs.workers = GatedWorkers(workers, gate, kind)
        self._count = 0

    async def end(
        self,
        path: str,
        form: str = "mp4",
        quality: str = "720p",
        *,
        task: Task = "download",
        url: str = "",
        fetching: Callable[[], None] = lambda: None,
        **more: Any,
    ) -> WorkerMessage:
        """What a job says last; `fetching` is called with each word on what came in so far."""
        self._count += 1
        self._jobs.directory = self._jobs.directory.parent / f"job{self._count}"
        order = self._jobs.order(path, form, quality, task=task, ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(), **more)
        if url:
            order = msgspec.structs.replace(order, url=url)
        with trio.fail_after(120):
            async with self._jobs.workers.work(order) as conversation:
                async for message in conversation:
                    last = message
                    if isinstance(message, Progress) and message.stage == "fetching" and message.fetched_bytes:
                        fetching()
        return last


@pytest.fixture(params=["notify", "port"])
async def walled(request: pytest.FixtureRequest, jobs: Jobs) -> AsyncIterator[Walled]:
    """Workers behind a kind of wall."""
    async with gate_and_workers() as (gate, workers):
        yield Walled(jobs, gate, workers, request.param)


async def found_wall(
    root: Path,
    *,
    ffmpeg: str = imageio_ffmpeg.get_ffmpeg_exe(),
    environment: Mapping[str, str] = os.environ,
    is_set: bool = True,
) -> Standing:
    """Return the best wall that is proven to stand; with `is_set` false, workers set none."""
    async with gate_and_workers(environment=environment) as (gate, workers):
        return await find_wall(lambda kind: GatedWorkers(workers, gate, kind if is_set else "hook"), ffmpeg, root)


@pytest.mark.parametrize(
    ("path", "form", "quality"),
    [
        ("/sample.mp4", "mp3", "320k"),
        ("/sample.mp4", "m4a", "default"),
        ("/sample.mp4", "mp4", "720p"),
        ("/other.webm", "mp4", "360p"),
        ("/master.m3u8", "mp4", "720p"),
        ("/ts/index.m3u8", "mp3", "128k"),
        ("/fmp4/index.m3u8", "mp4", "720p"),
        ("/dash/manifest.mpd", "mp4", "720p"),
        ("/dash/manifest.mpd", "m4a", "default"),
        ("/page.html", "mp3", "320k"),
    ],
)
async def test_all_is_made_behind_it(walled: Walled, path: str, form: str, quality: str) -> None:
    """Films, sounds, streams in segments, and a page with a picture to embed."""
    end = await walled.end(path, form, quality)
    assert isinstance(end, Result), end
    assert end.size_bytes == (await trio.Path(end.path).stat()).st_size > 1000
    assert end.duration_seconds is not None


async def test_it_looks_and_tests_itself_behind_it(walled: Walled) -> None:
    """A probe, and the self-test, which says what was set."""
    assert isinstance(await walled.end("/page.html", task="probe"), Metadata)
    end = await walled.end("/", task="selftest")
    assert isinstance(end, SelfTest), end
    assert (end.guarded, end.wall) == (True, walled.kind)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.0.0.1/film.mp4", "refused_address"),
        ("http://127.0.0.2:80/film.mp4", "refused_address"),
        ("http://[::1]/film.mp4", "refused_address"),
        ("http://localhost:9/film.mp4", "refused_address"),
        ("http://nowhere.invalid/film.mp4", "gone"),
    ],
)
async def test_private_addresses_are_refused_as_ever(walled: Walled, url: str, reason: str) -> None:
    """In the words of a job without a wall."""
    end = await walled.end("/", url=url)
    assert isinstance(end, Failure)
    assert end.reason == reason, end.detail


@pytest.mark.parametrize("path", ["/redirect", "/inward.html", "/inward.m3u8"])
async def test_no_detour_leads_inward(walled: Walled, path: str) -> None:
    """A redirect, a page's film and a playlist's segment are judged by the gate like the link itself."""
    end = await walled.end(path)
    assert isinstance(end, Failure)
    assert end.reason == "refused_address", end.detail


async def test_cookies_lie_outside_and_are_there(walled: Walled, jobs: Jobs, tmp_path: Path) -> None:
    """The file is copied before the wall is set, else every job would fail."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tname\tvalue\n")
    end = await walled.end("/sample.mp4", "m4a", "default", cookies_file=str(cookies))
    assert isinstance(end, Result), end
    assert (jobs.directory / "cookies.txt").read_text() == cookies.read_text()


async def test_a_gate_that_is_killed_costs_no_walled_job(walled: Walled) -> None:
    """Its connects wait for the next gate, which is told of the job with the listener that the bot has kept."""
    killed: list[int] = []

    def kill_once() -> None:
        if not killed and walled.gate.pid is not None:
            os.kill(walled.gate.pid, signal.SIGKILL)
            killed.append(walled.gate.pid)

    end = await walled.end("/ts/index.m3u8", "mp4", "720p", fetching=kill_once)
    assert isinstance(end, Result), end
    assert killed
    with trio.fail_after(20):
        while walled.gate.starts < 2:  # noqa: ASYNC110 - happens in another process
            await trio.sleep(0.05)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_twenty_at_once(walled: Walled, jobs: Jobs) -> None:
    """And none of what they had is left in this process."""
    ends: list[WorkerMessage] = []
    before = _descriptors()

    async def one(number: int) -> None:
        directory = jobs.directory.parent / f"at-once-{number}"
        directory.mkdir()
        order = msgspec.structs.replace(
            jobs.order("/sample.mp4", "m4a", "default", ffmpeg=imageio_ffmpeg.get_ffmpeg_exe()),
            directory=str(directory),
        )
        jobs.directory.rmdir()
        async with jobs.workers.work(order) as conversation:
            ends.append([message async for message in conversation][-1])

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)
    assert [type(end) for end in ends] == [Result] * 20
    assert _descriptors() <= before + 1


async def test_a_wall_that_can_t_be_set_ends_the_job(jobs: Jobs) -> None:
    """A process that has none to set does not go on without."""
    gate = Gate(environment=os.environ)
    async with trio.open_nursery() as nursery:
        await nursery.start(gate.run)
        jobs.workers = GatedWorkers(PlainWorkers(), gate, "port")
        end = (await jobs.run("/sample.mp4")).last
        nursery.cancel_scope.cancel()
    assert isinstance(end, Failure)
    assert (end.reason, end.detail) == ("tool_crash", "only the fork server's children have a wall")


async def test_a_second_listener_is_refused_by_the_kernel(jobs: Jobs, tmp_path: Path) -> None:
    """Where a container's manager answers notifications itself, the port rule is taken, and said why."""
    taken = r"""
import ctypes
from doradura.wall import bpf
from doradura.wall.architectures import this_architecture
from doradura.wall.kernel import Filter, Kernel
kernel = Kernel(this_architecture())
kernel.give_up_privileges()
kernel.set_filter(Filter(bpf.encoded(bpf.load(bpf.NUMBER_AT) + bpf.ends_with(bpf.ALLOW))), listening=True)
"""
    (tmp_path / "sitecustomize.py").write_text(taken)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    found = await found_wall(tmp_path, environment=environment)
    assert found.kind == "port"
    assert "Device or resource busy" in found.why


async def test_a_wall_that_is_only_said_to_stand_is_seen_through(tmp_path: Path) -> None:
    """Workers that set none: what they reached is named, and no wall is said to stand."""
    found = await found_wall(tmp_path, is_set=False)
    assert found.kind == "hook"
    said = found.why.removeprefix("behind it, these got through: ").split(", ")
    assert {"connect", "fast open", "udp", "datagram pair", "listen", "read a file", "write a file"} <= set(said)
    assert {"make a file", "change a file", "signal the bot"} <= set(said)


async def test_data_among_what_workers_read_has_no_wall(tmp_path: Path) -> None:
    """Nothing else gets through, and whoever reads of it is told what to do."""
    environment = {**os.environ, "SSL_CERT_DIR": str(tmp_path)}
    root = tmp_path / "jobs"
    root.mkdir()
    found = await found_wall(root, environment=environment)
    assert found.kind == "hook"
    assert found.why == (
        f"workers have to read libraries and our own code, and {root} lies among them: put DORADURA_DATA_DIR elsewhere"
    )


async def test_a_wall_that_keeps_ffmpeg_out_is_none(tmp_path: Path) -> None:
    """Here because its interpreter may not be run: a wall that no job can work behind is not taken."""
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec "{imageio_ffmpeg.get_ffmpeg_exe()}" "$@"\n')
    script.chmod(0o755)
    found = await found_wall(tmp_path, ffmpeg=str(script))
    assert found.kind == "hook"
    assert f"ffmpeg ({script}) may not be executed" in found.why
