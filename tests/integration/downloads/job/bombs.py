"""A site on loopback whose answers do not end or unpack into more than anybody has."""

from __future__ import annotations

import itertools
import re
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Final

import brotli

from doradura.downloads import ffmpeg

MEGABYTE: Final = 1024 * 1024
HTML: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
HLS: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n"
XML: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/dash+xml\r\n"
START: Final = b"<!doctype html><html><head><title>A page</title></head><body>"


def packed(start: bytes, megabytes: int, *, wbits: int) -> bytes:
    """A text of so many megabytes of spaces, as gzip (31), zlib (15) or bare deflate (-15)."""
    packer = zlib.compressobj(9, wbits=wbits)
    pieces = [packer.compress(start), *(packer.compress(b" " * MEGABYTE) for _ in range(megabytes)), packer.flush()]
    return b"".join(pieces)


def whole(head: bytes, body: bytes, *more: bytes) -> Iterable[bytes]:
    """An answer with its length."""
    return [head + b"".join(line + b"\r\n" for line in more) + b"Content-Length: %d\r\n\r\n" % len(body), body]


class Endless:
    """An answer that never ends, the same each time it is asked for."""

    def __init__(self, *start: bytes, again: bytes) -> None:
        self._start = start
        self._again = again

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain(self._start, itertools.repeat(self._again))


def png(side: int) -> bytes:
    """A grey picture that says it has so many pixels a side, and holds the first hundred rows."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(side + 1)) for _ in range(100)]
    content = b"".join([*rows, packer.flush()])
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def decode(program: str, picture: Path) -> None:
    """Have ffmpeg unpack a picture. Raises FfmpegError."""
    ffmpeg.run(program, [picture], ["-f", "null", "-"])


LAUGHS: Final = (
    b'<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY a0 "ha ha ha ha ha ha ha ha ha ha ha ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 20) for n in range(1, 9))
    + b']><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>&a8;</Period></MPD>'
)
SEGMENTS: Final = (
    b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S">'
    b'<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" codecs="avc1.42c01e">'
    b'<SegmentTemplate media="$Number$.mp4" initialization="i.mp4" timescale="1"><SegmentTimeline>'
    b'<S t="0" d="1" r="2000000000"/></SegmentTimeline></SegmentTemplate>'
    b"</Representation></AdaptationSet></Period></MPD>"
)
ENTRY: Final = b"#EXTINF:1.0,\nsegment.ts\n"
REDIRECT: Final = b"HTTP/1.1 302 Found\r\nLocation: /gone\r\n"


def answers() -> dict[str, Iterable[bytes]]:
    """Path -> what is sent."""
    links = START + b"".join(b'<a href="/%d.mp4">a film</a>\n' % number for number in range(1_000_000))
    page = packed(START, 300, wbits=31)
    return {
        "/gzip.html": whole(HTML, page, b"Content-Encoding: gzip"),
        "/deflate.html": whole(HTML, packed(START, 300, wbits=15), b"Content-Encoding: deflate"),
        "/bare-deflate.html": whole(HTML, packed(START, 300, wbits=-15), b"Content-Encoding: deflate"),
        "/brotli.html": whole(
            HTML, brotli.compress(START + b" " * (300 * MEGABYTE), quality=1), b"Content-Encoding: br"
        ),
        "/twice.html": whole(HTML, packed(page, 0, wbits=31), b"Content-Encoding: gzip, gzip"),
        "/endless.html": Endless(HTML + b"\r\n" + START, again=b"<p>and on</p>" * 5000),
        "/chunked.html": Endless(
            HTML + b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n" % (len(START), START),
            again=b"400\r\n" + b" " * 1024 + b"\r\n",
        ),
        "/links.html": whole(HTML, links),
        "/patterns.html": whole(HTML, START + b"<video " * 2_000_000),
        "/gzip.m3u8": whole(HLS, packed(b"#EXTM3U\n" + ENTRY, 300, wbits=31), b"Content-Encoding: gzip"),
        "/endless.m3u8": Endless(HLS + b"\r\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n", again=ENTRY * 1000),
        "/headers.html": Endless(HTML, again=b"X-More: and on\r\n"),
        "/header.html": Endless(HTML + b"X-Long: ", again=b"and on " * 1000),
        "/status.html": Endless(b"HTTP/1.1 200 ", again=b"fine " * 1000),
        "/continue.html": Endless(b"", again=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "/chunk-line.html": Endless(HTML + b"Transfer-Encoding: chunked\r\n\r\n5;", again=b"more " * 1000),
        "/trailers.html": Endless(
            HTML + b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n0\r\n" % (len(START), START),
            again=b"X-More: on\r\n" * 100,
        ),
        "/redirect.html": Endless(REDIRECT + b"\r\n", again=b"and on " * 1000),
        "/gzip-redirect.html": Endless(REDIRECT + b"Content-Encoding: gzip\r\n\r\n", page, again=b" " * 1000),
        "/laughs.mpd": whole(XML, LAUGHS),
        "/segments.mpd": whole(XML, SEGMENTS),
        "/huge.png": whole(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n", png(50_000)),
    }


class _Handler(StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        path = re.sub(rb"\?.*", b"", line.split()[1]).decode()
        server: Any = self.server
        server.asked.append(path)
        try:
            for piece in server.answers.get(path, [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]):
                self.wfile.write(piece)
        except OSError:  # whoever asked has heard enough
            pass


@contextmanager
def serving(said: dict[str, Iterable[bytes]]) -> Iterator[tuple[str, list[str]]]:
    """Serve the answers; the site's address and what was asked of it."""
    ThreadingTCPServer.allow_reuse_address = True
    with ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        asked: list[str] = []
        vars(server).update(answers=said, asked=asked)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
