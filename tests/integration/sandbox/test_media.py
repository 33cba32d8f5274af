from __future__ import annotations

from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest
import trio

from doradura.sandbox.media.probe import probe, run_tool
from doradura.sandbox.media.samples import VERSION
from tests.integration.sandbox.conftest import Client

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


async def test_the_sample_is_what_it_says(client: Client, media_directory: Path) -> None:
    """The sample has picture, sound and subtitles, ten seconds, a title and an artist."""
    path = media_directory / VERSION / "sample.mp4"
    assert (await client.http.get("/media/sample.mp4")).content == path.read_bytes()
    found = await probe(FFMPEG, path)
    assert (found.duration, found.width, found.height) == (10, 640, 360)
    assert (found.title, found.performer) == ("Doradura sample", "Sandbox")
    report = (await run_tool([FFMPEG, "-hide_banner", "-nostdin", "-i", path], seconds=10)).stderr
    for stream in (b"Video: h264", b"Audio: aac", b"(eng): Subtitle: mov_text"):
        assert stream in report


async def test_a_start_makes_the_samples_once(client: Client, media_directory: Path) -> None:
    """Nothing half-made is left beside the finished folder."""
    assert [path.name for path in await trio.to_thread.run_sync(lambda: list(media_directory.iterdir()))] == [VERSION]


async def test_big_is_playable_and_exactly_as_large(client: Client, media_directory: Path, tmp_path: Path) -> None:
    """big.mp4 has N MiB, begins with the sample, plays, and gives any range without having been written to disk."""
    sample = (media_directory / VERSION / "sample.mp4").read_bytes()
    whole = (await client.http.get("/media/big.mp4?mb=2")).content
    assert len(whole) == 2 * 1024 * 1024
    assert whole.startswith(sample)
    saved = tmp_path / "big.mp4"
    saved.write_bytes(whole)
    assert (await probe(FFMPEG, saved)).duration == 10
    for start, end in ((0, 9), (len(sample) - 3, len(sample) + 12), (len(sample) + 2, len(sample) + 3)):
        part = await client.http.get("/media/big.mp4?mb=2", headers={"Range": f"bytes={start}-{end}"})
        assert (part.status_code, part.content) == (206, whole[start : end + 1])
        assert part.headers["content-range"] == f"bytes {start}-{end}/{len(whole)}"
    head = await client.http.head("/media/big.mp4?mb=5000")
    assert (head.headers["content-length"], head.content) == (str(5000 * 1024 * 1024), b"")
    assert (await client.http.get("/media/big.mp4?mb=x")).status_code == 400


async def test_slow_keeps_its_pace(client: Client) -> None:
    """At 40,000 kbit/s two and a half megabytes take half a second."""
    begun = trio.current_time()
    answer = await client.http.get("/media/slow.mp4?kbps=40000")
    assert len(answer.content) == 2_500_000
    assert trio.current_time() - begun >= 0.49


async def test_torn_is_torn_every_time(client: Client) -> None:
    """Half of what was promised comes, whatever part is asked for."""
    for headers in ({}, {"Range": "bytes=1000-"}):
        async with client.http.stream("GET", "/media/torn.mp4", headers=headers) as response:
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert response.status_code == 200
        promised = int(response.headers["content-length"])
        assert response.num_bytes_downloaded == promised // 2


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/media/page.html", 200, "text/html; charset=utf-8"),
        ("/media/sample.vtt", 200, "text/vtt; charset=utf-8"),
        ("/media/hls/index.m3u8", 200, "application/vnd.apple.mpegurl"),
        ("/media/hls/part0.ts", 200, "video/mp2t"),
        ("/media/status/503.mp4", 503, "text/plain"),
        ("/media/missing.mp4", 404, "text/plain; charset=utf-8"),
        ("/media/forbidden.mp4", 403, "text/plain; charset=utf-8"),
        ("/media/..%2f..%2fpyproject.toml", 404, "text/plain; charset=utf-8"),
        ("/page/chat/log.js", 200, "text/javascript; charset=utf-8"),
        ("/page/..%2fpage%2fapp.js", 404, "text/plain; charset=utf-8"),
        ("/page/chat%2f..%2fapp.js", 404, "text/plain; charset=utf-8"),
        ("/page/..%2fserver.py", 404, "text/plain; charset=utf-8"),
    ],
)
async def test_plain_paths(client: Client, path: str, status: int, kind: str) -> None:
    """Each path has its status and type, to GET and to HEAD, and none leads out of its folder."""
    for method in ("GET", "HEAD"):
        answer = await client.http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


async def test_redirects(client: Client) -> None:
    """A redirect goes where it is told to."""
    answer = await client.http.get("/media/redirect", params={"to": "http://127.0.0.1:1/x?a=b"})
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/x?a=b")
    assert (await client.http.get("/media/redirect?to=a%0d%0ab")).status_code == 400


async def test_a_client_that_leaves_is_no_error(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A download that is broken off in the middle is not logged as a fault of the sandbox's."""
    port = int(client.url.rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /media/slow.mp4?kbps=8000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await stream.receive_some()
    assert (await client.http.get("/media/sample.mp4")).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
