"""The segments of streams: four at a time, in their order, and gently."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from doradura.child.fragments import Destination
from doradura.media.protocol import Failure, Result
from tests.integration.child.conftest import LIMITS, Jobs
from tests.integration.child.raw_site import Answer, answer
from tests.integration.child.studio import FASTSTART, H264, change, make, run

LIST = "application/vnd.apple.mpegurl"
SEGMENTS = 12
BUSY = answer("text/plain", b"", status="429 Too Many Requests")
MISSING = answer("text/plain", b"", status="404 Not Found")


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a film of twelve segments."""
    place = tmp_path_factory.mktemp("stream")
    film = make(place / "film.mp4", *H264, *FASTSTART, size="320x180", seconds=SEGMENTS)
    change(
        place / "index.m3u8", "-i", str(film), "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod"
    )
    change(place / "manifest.mpd", "-i", str(film), "-c", "copy", "-f", "dash", "-seg_duration", "1")
    return place


@dataclass
class Origin:
    """The stream's server: it knows how many segments were under way at once, and does as the test says before each."""

    stream: Path
    before: Callable[[str, int], bytes | None] = lambda _name, _times: None
    """Gets a segment's name and how often it was asked for; returns an answer in its place, or None."""
    most: int = 0
    under_way: int = 0
    order: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: Counter[str] = field(default_factory=Counter)

    def answers(self) -> dict[str, Answer]:
        """Return the answers by path."""
        paths = [path for path in self.stream.iterdir() if path.suffix in {".ts", ".m4s"}]
        segments = {f"/{path.name}": self._segment(path) for path in paths}
        return {
            "/index.m3u8": answer(LIST, (self.stream / "index.m3u8").read_bytes()),
            "/manifest.mpd": answer("application/dash+xml", (self.stream / "manifest.mpd").read_bytes()),
            **segments,
        }

    def _segment(self, path: Path) -> Answer:
        content = answer("video/mp2t" if path.suffix == ".ts" else "video/mp4", path.read_bytes())

        def send(connection: socket.socket, released: threading.Event) -> None:
            with self.lock:
                self.under_way += 1
                self.times[path.name] += 1
                self.order.append(path.name)
                self.most = max(self.most, self.under_way)
            try:
                instead = self.before(path.name, self.times[path.name])
                if instead == b"":
                    released.wait(90)
                else:
                    connection.sendall(content if instead is None else instead)
            finally:
                with self.lock:
                    self.under_way -= 1

        return send


async def test_four_at_a_time_in_their_order(jobs: Jobs, stream: Path) -> None:
    """Never more, whichever comes first, and the film is the same as of a site that is asked for one by one."""

    def uneven(name: str, _times: int) -> None:
        time.sleep(0.6 if int(name[5:-3]) % 4 == 0 else 0.1)

    origin = Origin(stream, uneven)
    end = await run(jobs, origin.answers(), "/index.m3u8")
    assert isinstance(end.last, Result)
    assert origin.most == 4
    assert set(origin.times.values()) == {1}
    jobs.directory = jobs.directory.with_name("whole")
    whole = await run(jobs, {"/film.ts": _whole(stream)}, "/film.ts")
    assert whole.last.duration_seconds == pytest.approx(end.last.duration_seconds, abs=0.1)
    assert whole.last.size_bytes == pytest.approx(end.last.size_bytes, rel=0.02)


async def test_dash_too(jobs: Jobs, stream: Path) -> None:
    """Four at a time, each once, and the film is whole."""
    origin = Origin(stream, lambda _name, _times: time.sleep(0.2))
    end = await run(jobs, origin.answers(), "/manifest.mpd")
    assert isinstance(end.last, Result)
    assert end.last.duration_seconds == pytest.approx(SEGMENTS, abs=0.3)
    assert origin.most == 4
    assert set(origin.times.values()) == {1}


def _whole(stream: Path) -> bytes:
    paths = sorted(stream.glob("*.ts"), key=lambda path: int(path.stem[5:]))
    return answer("video/mp2t", b"".join(path.read_bytes() for path in paths))


async def test_a_busy_site_is_asked_for_one_at_a_time(jobs: Jobs, stream: Path) -> None:
    """After a 429 the segment is asked for again a second later, and from then on there is one at a time."""
    seen: list[int] = []
    at: list[float] = []

    def busy(name: str, times: int) -> bytes | None:
        if name == "index2.ts":
            at.append(time.monotonic())
        if name == "index2.ts" and times == 1:
            return BUSY
        if int(name[5:-3]) > 6:
            seen.append(origin.under_way)
        time.sleep(0.05)
        return None

    origin = Origin(stream, busy)
    end = await run(jobs, origin.answers(), "/index.m3u8")
    assert isinstance(end.last, Result)
    assert end.last.duration_seconds == pytest.approx(SEGMENTS, abs=0.3)
    assert set(seen) == {1}
    assert at[1] - at[0] >= 1.0


async def test_the_first_failure_stops_the_others(jobs: Jobs, stream: Path) -> None:
    """A segment that is missing ends the job, although others hang; those after them are not asked for."""

    def fails(name: str, _times: int) -> bytes | None:
        return MISSING if name == "index1.ts" else b"" if int(name[5:-3]) > 1 else None

    origin = Origin(stream, fails)
    began = time.monotonic()
    end = await run(jobs, origin.answers(), "/index.m3u8")
    assert isinstance(end.last, Failure)
    assert (end.last.reason, "a segment is missing" in end.last.detail) == ("site_error", True)
    assert time.monotonic() - began < 45, "the hanging segments were waited for"
    assert {int(name[5:-3]) for name in origin.order} <= set(range(6))


def test_the_thread_of_a_failed_fragment_leaves_the_file_open(tmp_path: Path) -> None:
    """Another may be writing an earlier fragment: "write to closed file" would stand for what failed."""
    with (tmp_path / "film").open("wb") as file:
        destination = Destination(file)
        closing = threading.Thread(target=destination.close)
        closing.start()
        closing.join()
        destination.write(b"an earlier fragment")
        destination.close()
        assert file.closed
    assert (tmp_path / "film").read_bytes() == b"an earlier fragment"


async def test_what_is_too_large_stops_in_the_middle(jobs: Jobs, stream: Path) -> None:
    """The bytes of all threads count together."""
    whole = len(_whole(stream))
    limits = msgspec.structs.replace(LIMITS, file_bytes=whole // 3)

    def slow(_name: str, _times: int) -> None:
        time.sleep(0.1)

    origin = Origin(stream, slow)
    end = await run(jobs, origin.answers(), "/index.m3u8", limits=limits)
    assert isinstance(end.last, Failure)
    assert end.last.reason == "too_large"
    assert len(set(origin.order)) < SEGMENTS
