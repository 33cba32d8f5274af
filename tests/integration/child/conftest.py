"""A site on loopback with media of every kind a job may meet, and jobs run against it in real child processes."""

from __future__ import annotations

import functools
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import imageio_ffmpeg
import pytest

from doradura.child.facts import Facts, Stream, inspect
from doradura.media.protocol import Limits, Metadata, Order, Progress, WorkerMessage
from doradura.media.variant import Variant
from doradura.workers.interface import Workers
from tests.integration.child.raw_site import in_a_thread
from tests.integration.kept import kept_workers

LIMITS = Limits(
    file_bytes=500_000_000,
    upload_bytes=50_000_000,
    cpu_seconds=120,
    memory_bytes=1_000_000_000,
    processes=16,
)


def _make(*arguments: str) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *arguments], check=True)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of small media files, made once."""
    place = tmp_path_factory.mktemp("media")
    film = ["-f", "lavfi", "-i", "testsrc=s=640x360:r=25:d=4", "-f", "lavfi", "-i", "sine=440:r=44100:d=4"]
    h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"]
    tags = ["-metadata", "title=Doradura sample", "-metadata", "artist=Sandbox"]
    sample = str(place / "sample.mp4")
    _make(*film, *h264, *tags, "-movflags", "+faststart", sample)
    _make("-i", sample, "-vf", "scale=320:180", *h264, str(place / "small.mp4"))
    _make(*film, "-t", "1", "-vf", "scale=160:90", "-c:v", "libvpx", "-c:a", "libopus", str(place / "other.webm"))
    _make("-i", sample, "-vn", "-ar", "22050", "-c:a", "pcm_s16le", str(place / "low.wav"))
    _make("-i", sample, "-an", "-c", "copy", str(place / "silent.mp4"))
    for name, without in (("silent.ts", "-an"), ("sound.ts", "-vn")):
        _make("-i", sample, without, "-c", "copy", str(place / name))
    _make("-f", "lavfi", "-i", "testsrc=s=1280x720:d=1", "-frames:v", "1", "-c:v", "libwebp", str(place / "cover.webp"))
    (place / "padded.mp4").write_bytes(
        Path(sample).read_bytes() + (100_000).to_bytes(4, "big") + b"free" + bytes(99_992)
    )
    for name in ("photo.jpg", "photo.png"):
        _make("-f", "lavfi", "-i", "testsrc=s=320x240:d=1", "-frames:v", "1", str(place / name))
    (place / "empty.mp4").write_bytes(b"")
    (place / "words.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nnothing but words\n")
    _make("-i", str(place / "words.srt"), "-c:s", "mov_text", str(place / "subtitles.mp4"))
    for name, extra in (("ts", []), ("fmp4", ["-hls_segment_type", "fmp4"])):
        (place / name).mkdir()
        hls = ["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", *extra]
        _make("-i", sample, "-c", "copy", *hls, str(place / name / "index.m3u8"))
    (place / "small").mkdir()
    small = ["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod"]
    _make("-i", str(place / "small.mp4"), "-c", "copy", *small, str(place / "small" / "index.m3u8"))
    (place / "dash").mkdir()
    _make("-i", sample, "-c", "copy", "-f", "dash", "-seg_duration", "1", str(place / "dash" / "manifest.mpd"))
    return place


MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2"
small/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.42c01e,mp4a.40.2"
ts/index.m3u8
"""

PAGES = {
    "/page.html": (
        "<!doctype html><html><head><title>A fine film</title>"
        "<meta property='og:image' content='{url}/cover.webp'></head>"
        "<body><video src='/sample.mp4'></video></body></html>"
    ),
    "/several.html": (
        "<!doctype html><html><head><title>Many</title></head>"
        "<body><video src='/sample.mp4'></video><video src='/small.mp4'></video></body></html>"
    ),
    "/inward.html": "<!doctype html><html><body><video src='http://127.0.0.1:9/film.mp4'></video></body></html>",
    "/hls.html": "<!doctype html><html><body><video src='/master.m3u8'></video></body></html>",
    "/live.html": "<!doctype html><html><body><video src='/live.m3u8'></video></body></html>",
    "/deep.html": (
        "<!doctype html><html><head><title>Deep</title><script type='application/ld+json'>"
        + '{"a":' * 100_000
        + "</script></head><body>"
        + "<div>" * 20_000
        + "</body></html>"
    ),
    "/bare.html": "<!doctype html><html><head><title>Words</title></head><body>Nothing to see.</body></html>",
}

MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="1000" codecs="avc1.42c01e" width="640" height="360"><BaseURL>{secret}</BaseURL>
<SegmentList duration="4"><SegmentURL media="{secret}"/></SegmentList>
</Representation></AdaptationSet></Period></MPD>
"""

TEXTS = {
    "/master.m3u8": ("application/vnd.apple.mpegurl", MASTER),
    "/live.m3u8": (
        "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1.0,\nts/index0.ts\n",
    ),
    "/inward.m3u8": (
        "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ),
    "/live-master.m3u8": (
        "application/vnd.apple.mpegurl",
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.42c01e,mp4a.40.2"\nlive.m3u8\n',
    ),
    "/holed.m3u8": (
        "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nts/index0.ts\n#EXTINF:1.0,\nmissing.ts\n#EXT-X-ENDLIST\n",
    ),
    "/long.m3u8": (
        "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nts/index0.ts\n"
        + "# a line that says nothing, many times over\n" * 400_000
        + "#EXT-X-ENDLIST\n",
    ),
    "/evil-manifest.mp4": ("video/mp4", MANIFEST),
    "/evil-playlist.mp4": (
        "video/mp4",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{secret}\n#EXT-X-ENDLIST\n",
    ),
    "/evil-concat.mp4": ("video/mp4", "ffconcat version 1.0\nfile '{secret}'\n"),
    "/evil-segments.m3u8": (
        "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    ),
    "/words.mp4": ("video/mp4", "these are words and no film at all\n" * 100),
}


@dataclass
class Site:
    """The site's address, its files, and what was asked of it."""

    media: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    """Set when the site closes, so that requests left hanging end."""


REDIRECTS = {
    "/redirect": "http://127.0.0.1:9/film.mp4",
    "/to-file": "file:///etc/passwd",
    "/to-ftp": "ftp://example.com/film.mp4",
    "/to-data": "data:text/plain,words",
    "/loop": "/loop",
}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *arguments: Any) -> None:
        self._site = site
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self._site.connections += 1

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self._site.asked.append(path)
        try:
            self._answer(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, path: str) -> None:
        if path.startswith("/status/"):
            self._head(int(path.split("/")[2].partition(".")[0]), "text/plain", 0)
        elif path in REDIRECTS or path == "/onward":
            self.send_response(302)
            self.send_header("Location", REDIRECTS.get(path) or f"{self.path}x")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/torn.mp4":
            content = (self._site.media / "sample.mp4").read_bytes()
            self._head(200, "video/mp4", len(content))
            self.wfile.write(content[: len(content) // 2])
        elif path == "/huge.mp4":
            self._head(200, "video/mp4", 60_000_000)
            self.wfile.write((self._site.media / "sample.mp4").read_bytes())
            self.wfile.flush()
            self._site.released.wait(20)
        elif path.startswith("/range"):
            self._range(int(path[6:9]))
        elif path == "/hung.mp4":
            self._site.released.wait(60)
        elif path in PAGES:
            self._send("text/html", PAGES[path].replace("{url}", self._site.url).encode())
        elif path in TEXTS:
            kind, text = TEXTS[path]
            self._send(kind, text.replace("{secret}", str(self._site.media / "sample.mp4")).encode())
        else:
            self._file(self._site.media / path.lstrip("/"))

    def _range(self, status: int) -> None:
        """Answer a range with a status alone, a false total (206), a page (200), or not at all (0); all else well."""
        if "Range" not in self.headers:
            self._file(self._site.media / "sample.mp4")
        elif status == 0:
            self.close_connection = True
        elif status == 200:
            self._send("text/html", b"<html>No ranges here.</html>")
        elif status == 206:
            content = (self._site.media / "sample.mp4").read_bytes()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/99999999999")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        else:
            self._head(status, "text/plain", 0)

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._head(404, "text/plain", 0)
            return
        kinds = {
            ".mp4": "video/mp4",
            ".webm": "video/webm",
            ".wav": "audio/wav",
            ".mp3": "audio/mpeg",
            ".m3u8": "application/vnd.apple.mpegurl",
            ".mpd": "application/dash+xml",
            ".webp": "image/webp",
            ".jpg": "image/jpeg",
            ".png": "image/png",
        }
        self._send(kinds.get(file.suffix, "application/octet-stream"), file.read_bytes())

    def _send(self, kind: str, content: bytes) -> None:
        self._head(200, kind, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


@contextmanager
def _serving(site: Site) -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, site))
    server.block_on_close = False
    server.daemon_threads = True
    with in_a_thread(server) as site.url:
        try:
            yield site
        finally:
            site.released.set()


@pytest.fixture
def site(media: Path) -> Iterator[Site]:
    """The site, open on a port of its own."""
    with _serving(Site(media)) as opened:
        yield opened


@dataclass
class Commands:
    """An ffmpeg that notes how it was called."""

    program: str
    log: Path

    def lines(self) -> list[list[str]]:
        """Every command line so far, without the program's name."""
        if not self.log.exists():
            return []
        return [line.split("\x1f")[:-1] for line in self.log.read_text().splitlines()]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """A script that notes its arguments and becomes ffmpeg."""
    script, log = tmp_path / "noting", tmp_path / "commands"
    real = imageio_ffmpeg.get_ffmpeg_exe()
    script.write_text(
        '#!/bin/sh\nline=\nfor each in "$@"; do line="$line$each$(printf \'\\037\')"; done\n'
        f"printf '%s\\n' \"$line\" >>'{log}'\nexec '{real}' \"$@\"\n",
    )
    script.chmod(0o755)
    return Commands(str(script), log)


@dataclass
class Ended:
    """What a job said."""

    messages: list[WorkerMessage]

    @property
    def last(self) -> Any:
        """The final message."""
        return self.messages[-1]

    @property
    def content(self) -> bytes:
        """The product."""
        return Path(self.last.path).read_bytes()

    @property
    def metadata(self) -> Metadata:
        """What was known of the link."""
        return next(message for message in self.messages if isinstance(message, Metadata))

    @property
    def progress(self) -> list[Progress]:
        """Every word on the way."""
        return [message for message in self.messages if isinstance(message, Progress)]


Task = Literal["download", "probe", "selftest"]


class Jobs:
    """Runs orders against the site."""

    def __init__(self, site: Site, commands: Commands, directory: Path, workers: Workers) -> None:
        self.site = site
        self.commands = commands
        self.directory = directory
        self.workers = workers

    def order(
        self,
        path: str,
        form: str = "mp3",
        quality: str = "320k",
        *,
        task: Task = "download",
        limits: Limits = LIMITS,
        **more: Any,
    ) -> Order:
        """An order for a path of the site."""
        self.directory.mkdir()
        more.setdefault("allowed_private", (urlsplit(self.site.url).netloc,))
        return Order(
            job_id=1,
            task=task,
            directory=str(self.directory),
            url=self.site.url + path,
            variant=Variant(form, quality) if task == "download" else None,
            limits=limits,
            ffmpeg=more.pop("ffmpeg", self.commands.program),
            **more,
        )

    async def run(self, path: str, form: str = "mp3", quality: str = "320k", **more: Any) -> Ended:
        """Run one job to its end."""
        async with self.workers.work(self.order(path, form, quality, **more)) as conversation:
            return Ended([message async for message in conversation])

    def facts(self, path: str) -> Facts:
        """What a file is."""
        facts = inspect(Path(path))
        assert facts is not None
        return facts

    def still(self, path: str) -> Stream:
        """What a picture is; under its own name it would be refused (see ffmpeg's list of containers)."""
        copy = Path(path).with_suffix("")
        copy.write_bytes(Path(path).read_bytes())
        return self.facts(str(copy)).pictures[0]


@pytest.fixture(scope="session")
def kept() -> Iterator[Workers]:
    """Workers whose fork server lives as long as the session."""
    with kept_workers() as workers:
        yield workers


@pytest.fixture
def jobs(site: Site, commands: Commands, tmp_path: Path, kept: Workers) -> Jobs:
    """Jobs in child processes, one directory a test."""
    return Jobs(site, commands, tmp_path / "job", kept)
