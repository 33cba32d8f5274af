"""Requests that look like a browser's: the bounds of yt-dlp's handler for them, in this process.

The handler (`CurlCFFI`) is native code: the guard does not see its connections, so `Browsing` offers it behind a wall
alone. yt-dlp decides which requests it is for. What Python's networking is held to elsewhere has to hold
for it too, and this module owns that: an answer that is read whole has a bound, what a site sends is counted against
the floor, what nobody has read yet is no more than a few pieces, no redirect leads to another scheme, and the gate's
replies are told from a site's words.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, Final

import yt_dlp
from yt_dlp.networking.exceptions import ProxyError, TransportError

from doradura.child.bounds import PAGE_BYTES, EndlessError
from doradura.child.floor import Floor
from doradura.child.gate_replies import told_as
from doradura.media.protocol import WallKind

_PYTHON: Final = frozenset({"Urllib", "Requests", "Websockets"})
"""yt-dlp's networking in Python, which the guard sees. Urllib is left for `data:` addresses only (bounds.py)."""
_NATIVE: Final = frozenset({"CurlCFFI"})
"""yt-dlp has it where curl_cffi is installed, of a version that it can use."""
_ASKS_FOR_BROWSER: Final = "generic:impersonate"
"""What yt-dlp says of a page that it knows no site for and that answered it as one answers robots."""
_AS_BROWSER: Final = {"impersonate": [""]}  # any

_MOST_PIECES: Final = 64
"""libcurl hands over 16 KiB at a time."""
_PIECE_BYTES: Final = 64 * 1024
_SCHEMES: Final = b"http,https"
_SOCKS_REPLY: Final = re.compile(r"SOCKS5 connection to .*\. \((\d+)\)")


class Browsing(yt_dlp.YoutubeDL):  # type: ignore[misc]  # yt-dlp has no types
    """yt-dlp, some of whose requests look like a browser's if a wall stands around this process."""

    def __init__(self, params: Any, wall: WallKind) -> None:
        self._walled = wall != "hook"
        self.missed_browser = False
        """Whether its requests were to look like a browser's, and could not."""
        super().__init__(params, auto_init="no_verbose_header")

    def build_request_director(self, handlers: Iterable[Any], preferences: Any = None) -> Any:
        """Leave out handlers that are native code, unless a wall stands around it."""
        allowed = _PYTHON | _NATIVE if self._walled else _PYTHON
        ours = [handler for handler in handlers if handler.RH_KEY in allowed]
        return super().build_request_director(ours, preferences)

    def becomes_browser(self, error: Exception) -> bool:
        """Request unknown pages as a browser from now on, if yt-dlp's error asks for it; return whether that is new."""
        arguments = self.params["extractor_args"]
        if not self._walled or _ASKS_FOR_BROWSER not in str(error) or "generic" in arguments:
            return False
        self.params["extractor_args"] = {**arguments, "generic": _AS_BROWSER}
        return True

    def _impersonate_target_available(self, target: Any) -> bool:
        """As yt-dlp's, which asks here before a request; note that there is none at all."""
        self._get_available_impersonate_targets()
        return bool(super()._impersonate_target_available(target))

    def _get_available_impersonate_targets(self) -> Any:
        """As yt-dlp's; note that there is none."""
        targets = super()._get_available_impersonate_targets()
        self.missed_browser = self.missed_browser or not targets
        return targets


def why_not(wall: WallKind) -> str:
    """Return why requests can't look like a browser's behind this wall; "" if they can."""
    if find_spec("curl_cffi") is None:
        return "curl_cffi is not installed (the extra impersonate), so requests can't look like a browser's"
    if _handler() is None:
        return "this yt-dlp can't use the curl_cffi that is installed, so requests can't look like a browser's"
    if wall == "hook":
        return "no wall stands around workers, so requests can't look like a browser's"
    return ""


def hold_impersonation(floor: Floor) -> None:
    """Hold yt-dlp's impersonating handler, if there is one, to its bounds in this process for good."""
    handler = _handler()
    if handler is not None:
        _bound(handler.CurlCFFIResponseReader, floor)
        _name_replies(handler.CurlCFFIRH, import_module("curl_cffi.const").CurlECode.PROXY)
        _bound_sessions(handler.CurlCFFIRH)


def _handler() -> Any:
    """Return yt-dlp's module, which is loaded with yt-dlp; None without curl_cffi, or of a version it does not take."""
    try:
        return import_module("yt_dlp.networking._curlcffi")
    except ImportError:
        return None


def _bound(reader: Any, floor: Floor) -> None:
    real_init, real_read, real_close = reader.__init__, reader.read, reader.close

    def init(self: Any, response: Any) -> None:
        real_init(self, response)
        self._iterator = _held(self._iterator, floor)

    def read(self: Any, size: int | None = None) -> bytes:
        if size is not None and size >= 0:
            return real_read(self, size)  # type: ignore[no-any-return]
        content = bytearray()
        while piece := real_read(self, _PIECE_BYTES):
            content += piece
            if len(content) > PAGE_BYTES:
                self.close()
                raise EndlessError(f"a page or manifest of more than {PAGE_BYTES} bytes")
        return bytes(content)

    def close(self: Any) -> None:
        self._response.queue.leave()
        real_close(self)

    reader.__init__, reader.read, reader.close = init, read, close


def _name_replies(handler: Any, proxy_failed: int) -> None:
    real_send = handler.send

    def send(self: Any, request: Any) -> Any:
        try:
            return real_send(self, request)
        except TransportError as error:
            found = _SOCKS_REPLY.search(str(error)) if getattr(error.cause, "code", 0) == proxy_failed else None
            if found is None:
                raise
            raise ProxyError(told_as(int(found[1])), cause=error.cause) from error

    handler.send = send


def _bound_sessions(handler: Any) -> None:
    sessions: Any = import_module("curl_cffi.requests.session")
    options = import_module("curl_cffi.const").CurlOpt
    schemes = {options.PROTOCOLS_STR: _SCHEMES, options.REDIR_PROTOCOLS_STR: _SCHEMES}

    def session(_: object, cookiejar: Any = None) -> Any:
        return sessions.Session(cookies=cookiejar, curl_options=schemes)

    handler._create_instance = session  # noqa: SLF001 -- the one place where a session is made
    sessions.queue = SimpleNamespace(Queue=_Pieces)


def _held(pieces: Iterator[bytes], floor: Floor) -> Iterator[bytes]:
    """Yield the pieces of a body, the wait for each counted against the floor."""
    piece: bytes | None = b""

    def take() -> int:
        nonlocal piece
        piece = next(pieces, None)
        return len(piece or b"")

    while True:
        floor.read(take)
        if piece is None:
            return
        yield piece


class _Pieces(queue.Queue[Any]):
    """What has come of an answer and was not read yet. curl_cffi's has no bound, and a fast site would fill memory."""

    def __init__(self) -> None:
        super().__init__(_MOST_PIECES)
        self._left = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002, FBT001, FBT002 -- queue's signature
        """Add a piece, as soon as there is room or nobody reads any more."""
        with self.not_full:
            self.not_full.wait_for(lambda: self._left or self._qsize() < self.maxsize)
            self._put(item)
            self.not_empty.notify()

    def put_nowait(self, item: Any) -> None:
        """As `put`: libcurl's thread waits, and so the site does."""
        self.put(item)

    def leave(self) -> None:
        """Note that nobody reads any more: `put` no longer waits."""
        with self.mutex:
            self._left = True
            self.not_full.notify_all()
