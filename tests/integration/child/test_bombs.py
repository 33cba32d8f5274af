"""Answers that do not end, or unpack into more than anybody has, end as the link's fault at a small cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import trio

from doradura.child.failures import classify
from doradura.child.ffmpeg import FfmpegError
from doradura.child.stills import Stills
from doradura.media.protocol import Failure, Limits, Order, WorkerMessage
from doradura.media.variant import Variant
from doradura.workers.fork import ForkWorkers
from tests.integration.child import bombs
from tests.integration.child.raw_site import RawSite, serving

LIMITS = Limits(
    file_bytes=10**9, upload_bytes=5 * 10**7, cpu_seconds=240, memory_bytes=300 * bombs.MEGABYTE, processes=20
)


@pytest.fixture(scope="module")
def site() -> Iterator[RawSite]:
    """A site of all of them."""
    with serving(bombs.answers()) as opened:
        yield opened


@pytest.fixture
async def workers(nursery: trio.Nursery) -> ForkWorkers:
    """The bot's own fork server."""
    workers = ForkWorkers(environment=os.environ)
    await nursery.start(workers.run)
    return workers


async def end_of(workers: ForkWorkers, url: str, directory: Path, task: str = "download") -> WorkerMessage:
    """How a job for the link ends."""
    await trio.Path(directory).mkdir(exist_ok=True)
    order = Order(
        job_id=1,
        task=task,  # type: ignore[arg-type]  # the protocol's words
        directory=str(directory),
        url=url,
        variant=Variant("mp4", "720p") if task == "download" else None,
        limits=LIMITS,
        ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
        allowed_private=(url.split("/")[2],),
    )
    async with workers.work(order) as conversation:
        return [message async for message in conversation][-1]


async def test_bombs_are_the_links_fault(workers: ForkWorkers, site: RawSite, tmp_path: Path) -> None:
    """Each ends as unsupported, which is not tried again, within 300 MB.

    A manifest of two billion segments alone is killed for its memory; it still is the link's fault.
    """
    wrong = []
    for path in site.answers:
        if path in {"/patterns.html", "/redirect.html", "/gzip-redirect.html"}:
            continue
        site.asked.clear()
        end = await end_of(workers, site.url + path, tmp_path / "job")
        killed = isinstance(end, Failure) and "killed" in end.detail
        right = isinstance(end, Failure) and end.reason == "unsupported" and killed == (path == "/segments.mpd")
        if not right or len(site.asked) > 2:
            wrong.append((path, end, site.asked[:]))
    probed = await end_of(workers, site.url + "/gzip.html", tmp_path / "job", "probe")
    assert isinstance(probed, Failure)
    assert probed.reason == "unsupported"
    assert wrong == []


@pytest.mark.parametrize("path", ["/redirect.html", "/gzip-redirect.html"])
async def test_a_redirects_body_is_not_read(workers: ForkWorkers, site: RawSite, tmp_path: Path, path: str) -> None:
    """A redirect whose body does not end leads on all the same."""
    site.asked.clear()
    end = await end_of(workers, site.url + path, tmp_path / "job")
    assert isinstance(end, Failure)
    assert (end.reason, site.asked) == ("gone", [path, "/gone"])


@pytest.mark.long
async def test_a_page_that_patterns_do_not_get_through(workers: ForkWorkers, site: RawSite, tmp_path: Path) -> None:
    """A page made to keep yt-dlp's patterns busy for hours ends after twenty seconds of processor time."""
    end = await end_of(workers, site.url + "/patterns.html", tmp_path / "job")
    assert isinstance(end, Failure)
    assert (end.reason, "processor time" in end.detail) == ("unsupported", True)


@pytest.mark.parametrize("side", [16_000, 50_000])
def test_a_picture_of_too_many_pixels_is_left_out(tmp_path: Path, side: int) -> None:
    """A small file that claims more pixels than a frame of 8K is no cover, and ffmpeg never makes room for them."""
    (tmp_path / "picture").write_bytes(bombs.png(side))
    stills = Stills(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path)
    with pytest.raises(FfmpegError) as refused:
        bombs.decode(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path / "picture")
    assert classify(refused.value, generic=True)[0] == "unsupported"
    assert stills._still(tmp_path / "picture") is None
