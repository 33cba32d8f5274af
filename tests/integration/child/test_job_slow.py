"""Sites that drag a transfer out, with a floor that looks at less than a minute."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from doradura.media.protocol import READ_SECONDS, Failure, Metadata, Result, WorkerMessage
from tests.integration.child.raw_site import Answer, RawSite, answer, drip, ends, serving

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs, Task

PAGE = b"<!doctype html><html><head><title>Long</title></head><body>" + b"word " * 20_000
LIST = "application/vnd.apple.mpegurl"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1000000\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
SEGMENTS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + "#EXTINF:1.0,\nslow.ts\n" * 50 + "#EXT-X-ENDLIST\n"

SLOW = {
    "/body.mp4": drip(HEAD + b"\r\n" + bytes(1_000_000), at_once=len(HEAD) + 2),
    "/page.html": drip(answer("text/html", PAGE), at_once=200),
    "/packed.html": drip(answer("text/html", gzip.compress(PAGE * 50), "Content-Encoding: gzip"), at_once=150),
    "/chunked.mp4": drip(
        b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000,
        size=6,
    ),
    "/status-line.mp4": drip(b"HTTP/1.1 200 " + b"O" * 60_000),
    "/header.mp4": drip(HEAD + b"X-Long: " + b"a" * 60_000, at_once=40),
    "/headers.mp4": drip(HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(90)) * 100, at_once=40),
    "/continue.mp4": drip(CONTINUE * 10_000, size=len(CONTINUE)),
    "/hints.mp4": drip(HINTS * 10_000, size=len(HINTS)),
    "/list.m3u8": drip(answer(LIST, SEGMENTS.encode()), at_once=130),
    "/segments.m3u8": answer(LIST, SEGMENTS.encode()),
    "/slow.ts": drip(answer("video/mp2t", b"G" + bytes(187)), size=40),
    "/jumps.mp4": drip(b"HTTP/1.1 302 Found\r\nLocation: /jumps.mp4?" + b"x" * 60_000),
}


async def run(
    jobs: Jobs,
    site: RawSite,
    tasks: dict[str, Task],
    floor_seconds: float = 1.0,
    read_seconds: float = READ_SECONDS,
) -> dict[str, WorkerMessage]:
    """The last word of a job for each path, with a floor that looks at so many seconds."""
    near = site.url.removeprefix("http://")
    order = jobs.order("/", "mp4", "720p", allowed_private=(near,))
    order = msgspec.structs.replace(order, floor_seconds=floor_seconds, read_seconds=read_seconds)
    place = jobs.directory
    return await ends(
        {
            path: msgspec.structs.replace(order, url=site.url + path, task=task, directory=str(place / str(number)))
            for number, (path, task) in enumerate(tasks.items())
        }
    )


async def test_a_transfer_under_the_floor(jobs: Jobs) -> None:
    """Whatever part of an answer is slow, the job ends as too slow; a look too."""
    with serving(SLOW) as site:
        tasks: dict[str, Task] = dict.fromkeys(sorted(SLOW.keys() - {"/slow.ts"}), "download")
        told = await run(jobs, site, {**tasks, "/body.mp4?": "probe", "/page.html?": "probe"})
    for path, end in told.items():
        assert isinstance(end, Failure), path
        assert end.reason == "too_slow", (path, end.detail)
        assert "s of waiting for the site" in end.detail


async def test_slow_and_fine(jobs: Jobs) -> None:
    """A film at 25 kB a second is fetched to its end, over several windows; a busy machine may stop for a second."""
    film = (jobs.site.media / "small.mp4").read_bytes()
    assert len(film) > 25_000 * 2 * 2
    pieces = drip(answer("video/mp4", film), size=2_500, pause_seconds=0.1)
    with serving({"/film.mp4": pieces}) as site:
        told = await run(jobs, site, {"/film.mp4": "download", "/film.mp4?": "probe"}, floor_seconds=2.0)
    assert isinstance(told["/film.mp4"], Result), told
    assert isinstance(told["/film.mp4?"], Metadata), told


def late(content: bytes, seconds: float) -> Answer:
    """An answer whose first byte comes after so many seconds."""

    def send(connection: socket.socket, released: threading.Event) -> None:
        if not released.wait(seconds):
            connection.sendall(content)

    return send


async def test_a_server_that_is_slow_to_begin(jobs: Jobs) -> None:
    """An answer that begins after several timeouts of its socket is waited for; one that never does is too slow."""
    film = answer("video/mp4", (jobs.site.media / "small.mp4").read_bytes())
    began = time.monotonic()
    with serving({"/late.mp4": late(film, 1.5), "/hung.mp4": late(film, 600)}) as site:
        tasks: dict[str, Task] = {"/late.mp4": "download", "/hung.mp4": "download"}
        told = await run(jobs, site, tasks, floor_seconds=4.0, read_seconds=0.5)
        assert site.asked.count("/hung.mp4") == 1
    assert isinstance(told["/late.mp4"], Result), told
    hung = told["/hung.mp4"]
    assert isinstance(hung, Failure)
    assert hung.reason == "too_slow", hung.detail
    assert time.monotonic() - began < 60


async def test_a_slow_picture_is_left_out(jobs: Jobs) -> None:
    """A poster that does not come costs its window once, and not the film."""
    page = (
        b"<html><head><title>Film</title><meta property='og:image' content='{url}/slow.jpg'></head>"
        b"<body><video src='/film.mp4'></video></body></html>"
    )
    answers = {
        "/page.html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page,
        "/film.mp4": answer("video/mp4", (jobs.site.media / "sample.mp4").read_bytes()),
        "/slow.jpg": drip(answer("image/jpeg", bytes(100_000)), at_once=120),
    }
    with serving(answers) as site:
        told = await run(jobs, site, {"/page.html": "download"})
        assert site.asked.count("/slow.jpg") == 1
    assert isinstance(told["/page.html"], Result), told


async def test_interim_answers_are_passed_over(jobs: Jobs) -> None:
    """A server may send hints before the answer itself, asked or not."""
    before = CONTINUE + HINTS + b"HTTP/1.1 102 Processing\r\n\r\n"
    film = answer("video/mp4", (jobs.site.media / "small.mp4").read_bytes())
    with serving({"/film.mp4": before + film}) as site:
        told = await run(jobs, site, {"/film.mp4": "download"}, floor_seconds=30.0)
    assert isinstance(told["/film.mp4"], Result), told
