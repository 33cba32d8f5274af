"""Downloads that start from what a probe found, in real child processes against a real site."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from doradura.media.protocol import FINDING_FILE, Failure, Metadata, Order, Result
from doradura.workers.fork import ForkWorkers
from tests.integration.child.conftest import Ended, Jobs
from tests.integration.child.raw_site import Answer, RawSite, answer, serving
from tests.integration.child.studio import served

GONE = answer("text/plain", b"", status="410 Gone")
REFUSED = answer("text/plain", b"", status="403 Forbidden")
LIST = "application/vnd.apple.mpegurl"


def page(source: str) -> bytes:
    """Answer with a page that has a film."""
    head = "<!doctype html><html><head><title>A fine film</title></head>"
    return answer("text/html", f"{head}<body><video src='{source}'></video></body></html>".encode())


@dataclass
class Link:
    """A page on a site that can be changed, which is probed, and then downloaded from what the probe found."""

    jobs: Jobs
    site: RawSite
    answers: dict[str, Answer]
    finding: Path
    count: int = 0
    asked: list[str] = field(default_factory=list)
    """What the site was asked for by the last order."""

    async def run(self, order: Order) -> Ended:
        """Run an order."""
        self.site.asked.clear()
        async with self.jobs.workers.work(order) as conversation:
            end = Ended([message async for message in conversation])
        self.asked = list(self.site.asked)
        return end

    def order(self, **more: Any) -> Order:
        """Return an order in a directory of its own."""
        self.count += 1
        self.jobs.directory = self.jobs.directory.with_name(f"job{self.count}")
        order = self.jobs.order("/", "mp4", "best", allowed_private=(self.site.url.removeprefix("http://"),), **more)
        return msgspec.structs.replace(order, url=f"{self.site.url}/page.html")

    async def probe(self) -> Metadata:
        """Probe the link, and take what was found as the bot does."""
        order = self.order(task="probe")
        end = await self.run(order)
        shutil.move(Path(order.directory) / FINDING_FILE, self.finding)
        assert isinstance(end.last, Metadata)
        return end.last

    async def download(self, *, finding: bool = True, **more: Any) -> Ended:
        """Download it."""
        order = msgspec.structs.replace(self.order(), finding=finding, **more)
        if finding:
            shutil.copyfile(self.finding, Path(order.directory) / FINDING_FILE)
        return await self.run(order)

    def kept(self) -> dict[str, Any]:
        """Return the content of what was found."""
        found: dict[str, Any] = json.loads(self.finding.read_bytes())
        return found


@pytest.fixture
async def link(jobs: Jobs, tmp_path: Path) -> AsyncIterator[Link]:
    """A page with a film."""
    film = served(jobs.site.media / "sample.mp4")
    answers: dict[str, Answer] = {"/page.html": page("/film.mp4"), "/film.mp4": film, "/other.mp4": film}
    workers = ForkWorkers(environment=os.environ)
    jobs.workers = workers
    with serving(answers) as site:
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.run)
            yield Link(jobs, site, answers, tmp_path / "found")
            nursery.cancel_scope.cancel()


async def test_the_page_is_asked_for_once(link: Link) -> None:
    """The download makes the same file as one that looks itself, and tells the same of the link."""
    await link.probe()
    assert link.asked.count("/page.html") == 1
    end = await link.download()
    assert link.asked == ["/film.mp4"]
    fresh = await link.download(finding=False)
    assert link.asked.count("/page.html") == 1
    assert isinstance(end.last, Result)
    assert msgspec.structs.replace(end.last, path="", thumbnail_path=None) == msgspec.structs.replace(
        fresh.last, path="", thumbnail_path=None
    )
    assert end.content == fresh.content
    assert (end.metadata.kept, fresh.metadata.kept) == (True, False)
    assert msgspec.structs.replace(end.metadata, kept=False) == msgspec.structs.replace(
        fresh.metadata, extraction_seconds=0.0
    )


async def test_nobody_else_may_read_it(link: Link) -> None:
    """It can hold cookies."""
    await link.probe()
    assert link.finding.stat().st_mode & 0o777 == 0o600


async def test_a_playlist_too_starts_from_it(link: Link) -> None:
    """Its text and its segments are fetched; the page is not."""
    media = link.jobs.site.media / "ts"
    link.answers["/page.html"] = page("/film.m3u8")
    link.answers["/film.m3u8"] = served(media / "index.m3u8", LIST)
    for path in media.glob("*.ts"):
        link.answers[f"/{path.name}"] = served(path, "video/mp2t")
    await link.probe()
    end = await link.download()
    assert isinstance(end.last, Result)
    assert "/page.html" not in link.asked
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("now", [REFUSED, GONE, answer("text/html", b"<html>This link has expired.</html>")])
async def test_an_address_that_no_longer_works_is_looked_up_once_more(link: Link, now: bytes) -> None:
    """A refusal, or a page in the film's place: the page is asked for again, and has the new address."""
    await link.probe()
    link.answers |= {"/film.mp4": now, "/page.html": page("/other.mp4")}
    end = await link.download()
    assert isinstance(end.last, Result)
    assert link.asked.count("/page.html") == 1
    assert [message.kept for message in end.messages if isinstance(message, Metadata)] == [True, False]
    assert end.last.size_bytes == len((await link.download(finding=False)).content)


async def test_an_address_that_stops_working_half_way(link: Link) -> None:
    """Segments that were fetched before the first refusal are left out of the new file."""
    media = link.jobs.site.media / "ts"
    playlist = (media / "index.m3u8").read_bytes()
    link.answers["/page.html"] = page("/film.m3u8")
    link.answers["/film.m3u8"] = answer(LIST, playlist)
    for path in media.glob("*.ts"):
        link.answers[f"/{path.name}"] = served(path, "video/mp2t")
        link.answers[f"/new-{path.name}"] = served(path, "video/mp2t")
    await link.probe()
    link.answers["/index2.ts"] = REFUSED
    link.answers["/page.html"] = page("/new.m3u8")
    link.answers["/new.m3u8"] = answer(LIST, playlist.replace(b"index", b"new-index"))
    end = await link.download()
    assert isinstance(end.last, Result)
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.2)
    assert link.asked.count("/page.html") == 1


async def test_it_is_looked_up_only_once(link: Link) -> None:
    """If the fresh look's address does not work either, the job ends as it always did."""
    await link.probe()
    link.answers["/film.mp4"] = GONE
    end = await link.download()
    assert isinstance(end.last, Failure)
    assert end.last.reason == "gone"
    assert link.asked.count("/page.html") == 1


async def test_an_address_that_says_it_has_expired_is_not_asked(link: Link) -> None:
    """The page is asked for its successor instead."""
    link.answers["/page.html"] = page(f"/film.mp4?expire={int(time.time()) + 10}")
    await link.probe()
    link.answers |= {"/film.mp4": GONE, "/page.html": page("/other.mp4")}
    end = await link.download()
    assert isinstance(end.last, Result)
    assert "/film.mp4" not in link.asked
    assert not end.metadata.kept


async def test_a_busy_site_is_not_asked_again_at_once(link: Link) -> None:
    """429 is answered by a pause, not by another look."""
    await link.probe()
    link.answers["/film.mp4"] = answer("text/plain", b"", "Retry-After: 7", status="429 Too Many Requests")
    end = await link.download()
    assert isinstance(end.last, Failure)
    assert (end.last.reason, end.last.retry_after_seconds) == ("rate_limited", 7.0)
    assert "/page.html" not in link.asked


def odd_ones(found: dict[str, Any]) -> dict[str, bytes]:
    """Return findings that are damaged, foreign, or made by an enemy."""
    item, content = found["item"], json.dumps(found).encode()
    changes: dict[str, Any] = {
        "list": [],
        "other link": {**found, "url": "https://a.example/"},
        "version": {**found, "item": {**item, "_version": {"version": "2001.01.01"}}},
        "no formats": {**found, "item": {**item, "formats": []}},
        "formats": {**found, "item": {**item, "formats": {"url": 7}}},
        "numbers": {**found, "item": dict.fromkeys(item, 7) | {"_type": "video", "_version": item["_version"]}},
        "program": {**found, "item": {**item, "formats": [{**item["formats"][0], "protocol": "rtmp"}]}},
        "live": {**found, "item": {**item, "is_live": True}},
    }
    cut_off = {f"cut off at {at}": content[:at] for at in (0, len(content) // 2, len(content) - 1)}
    return {name: json.dumps(change).encode() for name, change in changes.items()} | cut_off


async def test_an_odd_finding_means_a_fresh_look(link: Link) -> None:
    """Nothing in it fails the job: the link is looked at as if there were none, also after a kill in mid-writing."""
    await link.probe()
    for name, content in odd_ones(link.kept()).items():
        link.finding.write_bytes(content)
        end = await link.download()
        assert isinstance(end.last, Result), (name, end.last)
        assert link.asked.count("/page.html") == 1, name
        assert not end.metadata.kept, name


async def test_a_finding_leads_to_no_private_address(link: Link) -> None:
    """Its addresses are judged as a page's are."""
    await link.probe()
    found = link.kept()
    for entry in found["item"]["formats"]:
        entry["url"] = "http://127.0.0.1:9/film.mp4"
    link.finding.write_text(json.dumps(found))
    end = await link.download()
    assert isinstance(end.last, Failure)
    assert end.last.reason == "refused_address"


async def test_a_probe_that_cant_write_answers_all_the_same(link: Link) -> None:
    """No finding is no failure: here something lies in its place, as on a disk that is full."""
    order = link.order(task="probe")
    (Path(order.directory) / FINDING_FILE).symlink_to("/dev/full")
    end = await link.run(order)
    assert isinstance(end.last, Metadata)
    assert FINDING_FILE not in {entry.name for entry in link.jobs.directory.iterdir()}
