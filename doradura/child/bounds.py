"""Bounds on how much of a site's answer is read into memory.

An answer that exceeds one fails the job as the link's fault. Owns the bounds on yt-dlp's HTTP client, set for good in
the process that calls it: on everything around a body (status lines, headers, interim answers, chunk sizes, trailers),
on a body that is read whole (counted after decompression), on the bodies of redirects and on a stream's segments, and
on the processor time that reading all this takes. Whatever is written to a file in pieces has bounds elsewhere.
"""

from __future__ import annotations

import http.client
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
import urllib3.response
from yt_dlp.downloader.fragment import FragmentFD
from yt_dlp.networking._requests import RequestsResponseAdapter, RequestsSession
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.exceptions import RequestError

from doradura.child.failures import JobError
from doradura.media.reasons import Reason

PAGE_BYTES: Final = 16 * 1024 * 1024
"""The largest page, manifest or API answer that is read whole. Real ones have a few megabytes."""
SEGMENT_BYTES: Final = 512 * 1024 * 1024
"""The largest segment of a stream: yt-dlp holds one in memory."""
LINE_BYTES: Final = 64 * 1024
FRAME_BYTES: Final = 1024 * 1024
"""The most bytes around a body. Browsers allow a quarter of that for headers."""
_FRAME_SHARE: Final = 8
"""Lines around chunks may be this many times as long as the chunks: servers that send single bytes are allowed."""
_PIECE_BYTES: Final = 64 * 1024


READING_CPU_SECONDS: Final = 20.0
"""Processor time for looking at a link. YouTube, the most laborious site, takes two seconds."""


class EndlessError(JobError, RequestError):  # type: ignore[misc]  # yt-dlp has no types
    """An answer that exceeds its bound.

    It is one of yt-dlp's request errors, so that the request is not sent another way.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.UNSUPPORTED, detail)


def bound_answers() -> None:
    """Hold yt-dlp's networking in this process to the bounds, and to the one client that decompresses in pieces."""
    http.client.HTTPConnection.response_class = _BoundedResponse
    RequestsResponseAdapter._real_read = _read_bounded  # noqa: SLF001 -- what `read` reads by
    RequestsSession.get_redirect_target = _get_redirect_target
    FragmentFD._read_fragment = _read_fragment  # noqa: SLF001 -- the one place where a segment is read
    urllib3.response._get_decoder = _get_decoder  # noqa: SLF001 -- what a response unpacks by
    UrllibRH._SUPPORTED_URL_SCHEMES = ("data",)  # noqa: SLF001 -- it unpacks an answer in one piece


@contextmanager
def reading_at_most(cpu_seconds: float) -> Iterator[None]:
    """End this process by SIGPROF if the block uses more than this much processor time.

    A pattern matched against a page made for the purpose takes hours, and Python's regular expressions let no signal
    handler run meanwhile. Only the signal's default action, death, is certain. Whoever started this process knows what
    it means.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        self.fp: Any = _BoundedLines(self.fp)

    def _read_status(self) -> tuple[str, int, str]:
        """Read a status line. All interim answers are passed over (RFC 9110, section 15.2), not 100 alone."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in its stubs
        interim = 100 < status < 200 and status != http.client.SWITCHING_PROTOCOLS
        return version, http.client.CONTINUE if interim else status, reason

    def begin(self) -> None:
        try:
            super().begin()
        except http.client.HTTPException as error:
            if type(error) is http.client.HTTPException:  # more than 100 headers; its other errors have types
                raise EndlessError(f"the answer's headers: {error}") from error
            raise


class _BoundedLines:
    """A socket's file whose lines are bounded, each by itself and in relation to the bytes between them."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._lines_bytes = 0
        self._body_bytes = 0

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(LINE_BYTES + 1 if limit < 0 else min(limit, LINE_BYTES + 1))
        self._lines_bytes += len(line)
        if len(line) > LINE_BYTES or self._lines_bytes > FRAME_BYTES + _FRAME_SHARE * self._body_bytes:
            raise EndlessError("the answer's headers or the lines between its chunks do not end")
        return line

    def read(self, *size: int) -> bytes:
        return self._counted(self._file.read(*size))

    def read1(self, *size: int) -> bytes:
        return self._counted(self._file.read1(*size))

    def _counted(self, content: bytes) -> bytes:
        self._body_bytes += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)
        self._body_bytes += count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _read_bounded(self: RequestsResponseAdapter, amount: int | None = None) -> bytes:
    """Read part of a body, or all of it up to `PAGE_BYTES`."""
    if amount is not None and amount >= 0:
        return self.fp.read(amount, decode_content=True)  # type: ignore[no-any-return]
    content = bytearray()
    while piece := self.fp.read(_PIECE_BYTES, decode_content=True):
        content += piece
        if len(content) > PAGE_BYTES:
            self.fp.close()
            raise EndlessError(f"a page or manifest of more than {PAGE_BYTES} bytes")
    return bytes(content)


def _get_redirect_target(self: RequestsSession, response: requests.Response) -> str | None:
    """As in requests, but a redirect's body, which nobody looks at, is read only for a few kilobytes."""
    target = requests.Session.get_redirect_target(self, response)
    if target is not None:
        left = response.raw.length_remaining
        if left is not None and left <= _PIECE_BYTES:
            response.raw.read(decode_content=False)  # so that the connection can be used again
        else:
            response.raw.close()
        response._content, response._content_consumed = b"", True  # noqa: SLF001 -- what `content` looks at
    return target


_decoder_of = urllib3.response._get_decoder  # noqa: SLF001
_GZIP: Final = b"\x1f\x8b"
_MEDIA: Final = re.compile(
    rb"....ftyp|....moov|....mdat|....styp|\x1a\x45\xdf\xa3|RIFF|RF64|FORM|OggS|fLaC|ID3[\x02-\x04]\x00|FLV\x01|"
    rb"\x30\x26\xb2\x75|#EXTM3U",
    re.DOTALL,
)
"""The first bytes of films, songs and playlists."""
_TOLD_BYTES: Final = 8


def _get_decoder(mode: str) -> Any:
    """As in urllib3, but content that is wrongly declared as compressed is taken as it is.

    Servers do that with films.
    """
    decoder = _decoder_of(mode)
    return decoder if "," in mode else _MaybePacked(decoder, _GZIP if mode in {"gzip", "x-gzip"} else b"")


class _MaybePacked:
    """A decoder that first checks whether the content is compressed."""

    def __init__(self, decoder: Any, begins: bytes) -> None:
        """`begins` are the first bytes of everything that is compressed this way."""
        self._decoder = decoder
        self._begins = begins
        self._start: bytes | None = b""
        """What has arrived while it is too short to decide."""
        self._plain = False

    def decompress(self, content: bytes, max_length: int = -1) -> Any:
        if self._start is not None:
            content = self._start + content
            if content and len(content) < _TOLD_BYTES:
                self._start = content
                return b""
            self._start = None
            self._plain = not content.startswith(self._begins) or _MEDIA.match(content) is not None
            if not self._plain:
                return self._first(content, max_length)
        return content if self._plain else self._decoder.decompress(content, max_length)

    def _first(self, content: bytes, max_length: int) -> bytes:
        """Decompress the first bytes. The barrier for that: each compression has an error of its own."""
        try:
            unpacked: bytes = self._decoder.decompress(content, max_length)
        except Exception:  # the barrier named above
            if self._begins:
                raise
            self._plain = True
            return content
        return unpacked

    @property
    def has_unconsumed_tail(self) -> bool:
        return not self._plain and bool(self._decoder.has_unconsumed_tail)

    def flush(self) -> bytes:
        if self._start is not None:  # shorter than any compressed content
            start, self._start = self._start, None
            return start
        return b"" if self._plain else self._decoder.flush()


_whole_fragment = FragmentFD._read_fragment  # noqa: SLF001


def _read_fragment(self: FragmentFD, context: dict[str, Any]) -> Any:
    name = context.get("fragment_filename_sanitized")
    if name and (path := Path(name)).is_file() and path.stat().st_size > SEGMENT_BYTES:
        raise JobError(Reason.TOO_LARGE, f"a segment of more than {SEGMENT_BYTES} bytes")
    return _whole_fragment(self, context)
