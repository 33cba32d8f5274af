"""A site on loopback whose answers do not end or unpack into more than anybody has."""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from pathlib import Path
from typing import Final

import brotli

from doradura.child import ffmpeg
from tests.integration.child.raw_site import Answer, answer

MEGABYTE: Final = 1024 * 1024
PAGE, PLAYLIST, MANIFEST = "text/html", "application/vnd.apple.mpegurl", "application/dash+xml"
HTML, HLS = (b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n" % kind.encode() for kind in (PAGE, PLAYLIST))
START: Final = b"<!doctype html><html><head><title>A page</title></head><body>"


def packed(start: bytes, megabytes: int, *, wbits: int) -> bytes:
    """A text of so many megabytes of spaces, as gzip (31), zlib (15) or bare deflate (-15)."""
    packer = zlib.compressobj(9, wbits=wbits)
    pieces = [packer.compress(start), *(packer.compress(b" " * MEGABYTE) for _ in range(megabytes)), packer.flush()]
    return b"".join(pieces)


def endless(*start: bytes, again: bytes) -> Answer:
    """An answer that never ends."""

    def send(connection: socket.socket, released: threading.Event) -> None:
        for piece in start:
            connection.sendall(piece)
        while not released.is_set():
            connection.sendall(again)

    return send


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


def answers() -> dict[str, Answer]:
    """Path -> what is sent."""
    links = START + b"".join(b'<a href="/%d.mp4">a film</a>\n' % number for number in range(1_000_000))
    page = packed(START, 300, wbits=31)
    return {
        "/gzip.html": answer(PAGE, page, "Content-Encoding: gzip"),
        "/deflate.html": answer(PAGE, packed(START, 300, wbits=15), "Content-Encoding: deflate"),
        "/bare-deflate.html": answer(PAGE, packed(START, 300, wbits=-15), "Content-Encoding: deflate"),
        "/brotli.html": answer(
            PAGE, brotli.compress(START + b" " * (300 * MEGABYTE), quality=1), "Content-Encoding: br"
        ),
        "/twice.html": answer(PAGE, packed(page, 0, wbits=31), "Content-Encoding: gzip, gzip"),
        "/endless.html": endless(HTML + b"\r\n" + START, again=b"<p>and on</p>" * 5000),
        "/chunked.html": endless(
            HTML + b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n" % (len(START), START),
            again=b"400\r\n" + b" " * 1024 + b"\r\n",
        ),
        "/links.html": answer(PAGE, links),
        "/patterns.html": answer(PAGE, START + b"<video " * 2_000_000),
        "/gzip.m3u8": answer(PLAYLIST, packed(b"#EXTM3U\n" + ENTRY, 300, wbits=31), "Content-Encoding: gzip"),
        "/endless.m3u8": endless(HLS + b"\r\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n", again=ENTRY * 1000),
        "/headers.html": endless(HTML, again=b"X-More: and on\r\n"),
        "/header.html": endless(HTML + b"X-Long: ", again=b"and on " * 1000),
        "/status.html": endless(b"HTTP/1.1 200 ", again=b"fine " * 1000),
        "/continue.html": endless(b"", again=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "/hints.html": endless(b"", again=b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 100),
        "/chunk-line.html": endless(HTML + b"Transfer-Encoding: chunked\r\n\r\n5;", again=b"more " * 1000),
        "/trailers.html": endless(
            HTML + b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n0\r\n" % (len(START), START),
            again=b"X-More: on\r\n" * 100,
        ),
        "/redirect.html": endless(REDIRECT + b"\r\n", again=b"and on " * 1000),
        "/gzip-redirect.html": endless(REDIRECT + b"Content-Encoding: gzip\r\n\r\n", page, again=b" " * 1000),
        "/laughs.mpd": answer(MANIFEST, LAUGHS),
        "/segments.mpd": answer(MANIFEST, SEGMENTS),
        "/huge.png": answer("image/png", png(50_000)),
    }
