"""The real job under the fork server and its egress guard: what the bot runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from doradura.media.protocol import Failure, Metadata, Result, SelfTest
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate, GatedWorkers

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs


@pytest.fixture(params=["alone", "gate"])
async def guarded(jobs: Jobs, request: pytest.FixtureRequest) -> AsyncIterator[Jobs]:
    """Jobs in children of a fork server, without a gate and with one."""
    workers = ForkWorkers(environment=os.environ)
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        jobs.workers = workers
        if request.param == "gate":
            gate = Gate(environment=os.environ)
            await nursery.start(gate.run)
            jobs.workers = GatedWorkers(workers, gate)
        yield jobs
        nursery.cancel_scope.cancel()


def opened(jobs: Jobs) -> tuple[str, ...]:
    """The site, as what may be reached although private."""
    return (jobs.site.url.removeprefix("http://"),)


@pytest.mark.parametrize(
    ("path", "form", "quality"),
    [
        ("/page.html", "mp3", "320k"),
        ("/ts/index.m3u8", "mp4", "720p"),
        ("/dash/manifest.mpd", "mp4", "360p"),
        ("/sample.mp4", "m4a", "default"),
    ],
)
async def test_a_guarded_job_does_all_it_should(guarded: Jobs, path: str, form: str, quality: str) -> None:
    """Nothing a job needs is in the guard's way."""
    end = await guarded.run(path, form, quality, allowed_private=opened(guarded))
    assert isinstance(end.last, Result), end.last
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.15)


async def test_a_guarded_probe(guarded: Jobs) -> None:
    """Looking works under the guard too."""
    end = await guarded.run("/sample.mp4", task="probe", allowed_private=opened(guarded))
    assert isinstance(end.last, Metadata), end.last
    assert end.last.title == "Doradura sample"


async def test_the_selftest_sees_the_guard(guarded: Jobs) -> None:
    """The self-test says that the guard is in place."""
    end = await guarded.run("/", task="selftest")
    assert isinstance(end.last, SelfTest), end.last
    assert end.last.guarded is True


async def refused(jobs: Jobs, url: str) -> None:
    """Run a job on a link of one's own, and see it refused."""
    order = msgspec.structs.replace(jobs.order("/"), url=url, allowed_private=opened(jobs))
    async with jobs.workers.work(order) as conversation:
        messages = [message async for message in conversation]
    assert isinstance(messages[-1], Failure)
    assert messages[-1].reason == "refused_address", messages[-1].detail


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9", "localhost:9", "169.254.169.254", "[::1]:9", "10.0.0.1", "0177.0.0.1:9"]
)
async def test_private_addresses_are_refused(guarded: Jobs, host: str) -> None:
    """A link to an address that is not public ends as refused_address, at once."""
    with trio.fail_after(30):
        await refused(guarded, f"http://{host}/film.mp4")


async def test_a_redirect_to_a_private_address_is_refused(guarded: Jobs) -> None:
    """An address that is allowed may not lead to one that is not."""
    await refused(guarded, f"{guarded.site.url}/redirect")
    assert guarded.site.asked == ["/redirect"]


async def test_a_page_cannot_lead_to_a_private_film(guarded: Jobs) -> None:
    """A page that embeds a film on a private address does not get it fetched."""
    await refused(guarded, f"{guarded.site.url}/inward.html")
    assert "/inward.html" in guarded.site.asked


async def test_a_playlist_cannot_lead_to_private_segments(guarded: Jobs) -> None:
    """Nor does an HLS playlist."""
    await refused(guarded, f"{guarded.site.url}/inward.m3u8")
    assert "/inward.m3u8" in guarded.site.asked
