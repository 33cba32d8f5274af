"""Looks at plain files of servers that are slow, refuse ranges or lie, and streams that have no end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import msgspec
import pytest

from doradura.downloads.workspace import PROBE_SECONDS
from doradura.media.protocol import Failure, Metadata, Result
from tests.integration.child.conftest import LIMITS, Jobs
from tests.integration.child.raw_site import RawSite, serving
from tests.integration.child.studio import FASTSTART, H264, change, make, run, served

Jobber = Callable[..., Awaitable[Any]]


def head(kind: str, more: str = "", status: str = "200 OK") -> bytes:
    """The head of an answer; the connection ends with it."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}\r\n".encode()


def endless(kind: str, more: str = "") -> Callable[[socket.socket, threading.Event], None]:
    """Sound that goes on until nobody listens."""

    def answer(connection: socket.socket, released: threading.Event) -> None:
        connection.sendall(head(kind, more))
        while not released.wait(0.05):
            connection.sendall(b"\xff\xfb\x90\x64" + bytes(413))

    return answer


class Slow:
    """A film at 25 kB a second, that knows how much of it was ever sent at once."""

    def __init__(self, film: bytes) -> None:
        self.film = film
        self.most_bytes = 0

    def __call__(self, connection: socket.socket, released: threading.Event) -> None:
        connection.sendall(head("video/mp4", f"Content-Length: {len(self.film)}\r\n"))
        for at in range(0, len(self.film), 2_500):
            connection.sendall(self.film[at : at + 2_500])
            self.most_bytes = max(self.most_bytes, at + 2_500)
            if released.wait(0.1):
                return


@pytest.fixture
def raw(media: Path) -> Iterator[RawSite]:
    """Servers of every odd kind."""
    film = (media / "sample.mp4").read_bytes()
    length = f"Content-Length: {len(film)}\r\n"
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.5,\n{url}/a.ts\n#EXTINF:2.5,\n{url}/a.ts\n"
    text = playlist.encode()
    segment = (media / "ts" / "index0.ts").read_bytes()
    half = len(film) // 2

    def playlist_of(name: str, more: str = "") -> bytes:
        lines = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{more}#EXTINF:4,\n{{url}}/{name}\n#EXT-X-ENDLIST\n"
        return head("application/vnd.apple.mpegurl") + lines.encode()

    with serving(
        {
            "/slow.mp4": Slow(film),
            "/false.mp4": head("video/mp4", f"Content-Range: bytes 0-{len(film) - 1}/1000\r\n", "206 Partial Content")
            + film,
            "/part.mp4": head("video/mp4", length, "206 Partial Content") + film,
            "/long.mp4": head("video/mp4", f"Content-Length: {10 * len(film)}\r\n") + film,
            "/short.mp4": head("video/mp4", f"Content-Range: bytes 0-{half - 1}/{half}\r\n", "206 Partial Content")
            + film[:half],
            "/unnamed": endless("application/octet-stream"),
            "/finite-unnamed": head("application/octet-stream") + (media / "low.wav").read_bytes(),
            "/silent.m3u8": playlist_of("silent.ts"),
            "/sound.m3u8": playlist_of("sound.ts"),
            "/locked.m3u8": playlist_of("silent.ts", '#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"\n'),
            "/holed.m3u8": playlist_of("missing.ts"),
            **{f"/{name}": head("video/mp2t") + (media / name).read_bytes() for name in ("silent.ts", "sound.ts")},
            "/radio": endless("audio/mpeg", "icy-name: Radio\r\nicy-br: 128\r\n"),
            "/nolength.mp3": endless("audio/mpeg"),
            "/shoutcast": b"ICY 200 OK\r\nicy-name: Radio\r\ncontent-type: audio/mpeg\r\n\r\n" + bytes(5000),
            "/finite.mp3": head("audio/mpeg") + (media / "low.wav").read_bytes(),
            "/vod.m3u8": head("application/vnd.apple.mpegurl") + text,
            "/a.ts": head("video/mp2t", f"Content-Length: {len(segment)}\r\n") + segment,
            "/plain.mp4": head("video/mp4", length) + film,
            "/busy.mp4": b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        }
    ) as opened:
        yield opened


@pytest.fixture
def ask(raw: RawSite, jobs: Jobs) -> Jobber:
    """The last word of a job on one of them."""
    jobs.site.url = raw.url

    async def run(task: str, path: str, fmt: str = "mp4", quality: str = "720p", **more: Any) -> Any:
        return (await jobs.run(path, fmt, quality, task=task, **more)).last

    return run


async def test_a_slow_host_is_known_as_far_as_it_came(ask: Jobber, raw: RawSite) -> None:
    """25 kB a second: what is known within seconds has to do, and nothing is refused."""
    assert isinstance(await ask("probe", "/slow.mp4"), Metadata)
    slow = raw.answers["/slow.mp4"]
    assert isinstance(slow, Slow)
    assert 0 < slow.most_bytes < len(slow.film)


@pytest.mark.parametrize("status", [403, 416, 501])
async def test_a_server_that_refuses_a_range_is_asked_without(jobs: Jobs, status: int) -> None:
    """All is known of the film."""
    known = (await jobs.run(f"/range{status}.mp4", task="probe")).last
    assert (known.has_video, known.has_audio, known.height) == (True, True, 360)
    assert known.sizes


async def test_a_machine_that_encodes_slowly_does_not_hold_the_look(jobs: Jobs, tmp_path: Path) -> None:
    """All tries of an encode together end in time: what is known by then is told, with what would arrive."""
    short = make(tmp_path / "short.mp4", *H264, size="1920x1080", seconds=5.0)
    film = change(tmp_path / "f.mp4", "-stream_loop", "199", "-i", str(short), "-c", "copy", *FASTSTART)
    assert film.stat().st_size > 4 * 1024 * 1024
    slow = tmp_path / "slow"
    real = imageio_ffmpeg.get_ffmpeg_exe()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *sample*) exec /bin/sleep 600;; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    limits = msgspec.structs.replace(LIMITS, upload_bytes=film.stat().st_size + 1)
    began = time.monotonic()
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", task="probe", ffmpeg=str(slow), limits=limits)
    # Its ffmpeg sleeps for ten minutes a try. On a quiet machine it is 5 s, at load up to the look's 10 s and more.
    assert time.monotonic() - began < 3 * PROBE_SECONDS
    assert isinstance(end.last, Metadata), end.last
    heights = {size.variant.quality: size.height for size in end.last.sizes if size.variant.format == "mp4"}
    assert {"best", "1080p", "720p"} <= heights.keys()
    assert (heights["1080p"], heights["720p"]) == (None, 1080)


async def test_a_server_that_hangs_up_on_a_range_is_asked_without(jobs: Jobs) -> None:
    """It breaks the connection, and delivers the film all the same."""
    known = (await jobs.run("/range000.mp4", task="probe")).last
    assert (known.has_video, known.height) == (True, 360)


async def test_a_page_in_place_of_a_range_is_not_believed(jobs: Jobs) -> None:
    """The film is there for whoever asks for all of it, as the download does."""
    known = (await jobs.run("/range200.mp4", task="probe")).last
    assert (known.has_video, known.height) == (True, 360)


async def test_a_connection_that_breaks_is_told_as_that(ask: Jobber) -> None:
    """Less came than was promised, without a range too: a download would meet the same, and its buttons stay."""
    end = await ask("probe", "/long.mp4")
    assert (end.reason, end.final) == ("network", False)


@pytest.mark.parametrize("path", ["/false.mp4", "/part.mp4"])
async def test_a_false_total_is_not_believed(ask: Jobber, path: str) -> None:
    """A total below what came is none: no "mp4 720p · 1 kB"; nor is the length of a part that says not of what."""
    known = await ask("probe", path)
    assert known.height == 360
    assert [size for size in known.sizes if size.variant.format == "mp4"] == []


@pytest.mark.parametrize("task", ["probe", "download"])
@pytest.mark.parametrize("path", ["/radio", "/nolength.mp3", "/shoutcast", "/unnamed"])
async def test_a_stream_without_an_end_is_live_at_once(ask: Jobber, task: str, path: str) -> None:
    """In the look and in the download alike."""
    end = await ask(task, path, "mp3", "320k")
    assert isinstance(end, Failure)
    assert end.reason == "live"


@pytest.mark.parametrize("path", ["/finite.mp3", "/finite-unnamed"])
async def test_sound_without_a_length_that_ends_is_a_song(ask: Jobber, path: str) -> None:
    """A server that tells no length and closes the connection is no radio."""
    assert isinstance(await ask("download", path, "mp3", "320k"), Result)


async def test_a_total_that_the_file_itself_denies_is_not_believed(ask: Jobber) -> None:
    """As if the first half were the whole: no sizes come of it."""
    known = await ask("probe", "/short.mp4")
    assert (known.height, known.sizes) == (360, ())


async def test_a_false_total_refuses_nothing(jobs: Jobs) -> None:
    """Told with a part as larger than is taken, without one as what it is: the download would deliver it."""
    known = (await jobs.run("/range206.mp4", task="probe")).last
    assert isinstance(known, Metadata)
    assert known.height == 360


@pytest.mark.parametrize(
    ("path", "has"),
    [
        ("/silent.m3u8", (True, False, 360)),
        ("/sound.m3u8", (False, True, None)),
        ("/locked.m3u8", (None, None, None)),
        ("/holed.m3u8", (None, None, None)),
    ],
)
async def test_a_bare_playlist_is_known_by_its_first_segment(
    ask: Jobber, path: str, has: tuple[bool | None, bool | None, int | None]
) -> None:
    """So that no button brings nothing; where that can't be read, nothing is said, and nothing refused."""
    known = await ask("probe", path)
    assert (known.has_video, known.has_audio, known.height) == has
    assert known.duration_seconds == 4


async def test_a_playlist_with_a_head_apart_is_known_too(jobs: Jobs) -> None:
    """Fragments of MP4 can't be read without the map that the playlist names."""
    known = (await jobs.run("/fmp4/index.m3u8", task="probe")).last
    assert (known.has_video, known.has_audio, known.height) == (True, True, 360)


async def test_a_film_whose_playlist_lacks_its_last_line(ask: Jobber) -> None:
    """What does not grow is whole."""
    assert isinstance(await ask("download", "/vod.m3u8"), Result)


async def test_the_pause_a_site_asks_for_is_told(ask: Jobber) -> None:
    """Retry-After goes along with the failure."""
    end = await ask("download", "/busy.mp4")
    assert (end.reason, end.retry_after_seconds) == ("rate_limited", 1.0)


@pytest.mark.parametrize(("guessed", "end"), [(True, Metadata), (False, Failure)])
async def test_a_guessed_scheme_is_given_up_for_http(ask: Jobber, jobs: Jobs, *, guessed: bool, end: type) -> None:
    """Where only http answers; a scheme that was written is kept."""
    jobs.site.url = jobs.site.url.replace("http:", "https:")
    assert isinstance(await ask("probe", "/plain.mp4", guessed_scheme=guessed, read_seconds=2.0), end)


@pytest.mark.parametrize(("path", "fmt", "lacks"), [("/low.wav", "mp4", "video"), ("/silent.mp4", "mp3", "audio")])
async def test_what_a_link_lacks_is_told(jobs: Jobs, path: str, fmt: str, lacks: str) -> None:
    """Sound asked for as a film, and a silent film asked for as a song."""
    end = (await jobs.run(path, fmt, "720p" if fmt == "mp4" else "320k")).last
    assert (end.reason, end.lacks) == ("unsupported", lacks)
    assert end.lines == (360 if lacks == "audio" else None)


async def test_a_host_without_an_address_is_named(jobs: Jobs) -> None:
    """It is not there, and its name says so; it may be misspelt."""
    # The C library knows that no host is called so, and needs no name server for it.
    jobs.site.url = "http://-no-such-host.invalid"
    end = (await jobs.run("/film.mp4", task="probe", allowed_private=())).last
    assert (end.reason, end.unresolved) == ("gone", "-no-such-host.invalid")
