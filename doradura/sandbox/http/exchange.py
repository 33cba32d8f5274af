"""Requests and answers as the sandbox's handlers see them, and their translation from and to ASGI.

Owns the rules common to all paths: whom to refuse (a Host that is not loopback, a foreign Origin), how an answer is
streamed, and what happens to a request whose handler fails. It knows no path.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from doradura.sandbox.http.connection import HEADER_LIMIT_BYTES, ServedConnection

log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

LINGER_SECONDS = 30.0
"""How long the rest of a body is read and discarded after an early answer, so that the client can read that."""


class DropConnection(Exception):  # noqa: N818 - not an error: the way a handler asks for it
    """Raised by a handler that wants the connection closed without an answer."""


@dataclass(slots=True)
class HttpRequest:
    """A request whose body is still arriving. Header names are lower-case."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    query: bytes
    headers: dict[bytes, bytes]
    _receive: ASGIReceiveCallable
    body_ended: bool = False

    async def piece(self) -> bytes:
        """Return the body's next piece (at most 64 KiB), empty at its end. Raises DropConnection if the client left."""
        while not self.body_ended:
            event = await self._receive()
            if event["type"] != "http.request":
                raise DropConnection
            self.body_ended = not event.get("more_body", False)
            if event["body"]:
                return event["body"]
        return b""

    async def whole_body(self, limit: int) -> bytes | None:
        """Return the body, or None if it is over `limit` bytes."""
        pieces, size = [], 0
        while piece := await self.piece():
            size += len(piece)
            if size > limit:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    async def disconnected(self) -> None:
        """Return when the client has gone. Call it only after the body ended."""
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                return

    async def discard(self) -> None:
        """Read the rest of the body, for a bounded time."""
        with trio.move_on_after(LINGER_SECONDS):
            while await self.piece():
                pass

    def argument(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        values = parse_qs(self.query.decode("ascii", "replace"), keep_blank_values=True).get(name)
        return values[0] if values else None


@dataclass(slots=True)
class Response:
    """An answer: a body, or `stream`, which writes it piece by piece."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    stream: Callable[[Send], Awaitable[None]] | None = None
    """Cancelled when the client leaves. The headers must state the length if it is known."""

    @classmethod
    def json(cls, value: object, status: int = 200) -> Response:
        """Return `value` as JSON."""
        return cls(status, msgspec.json.encode(value), [(b"content-type", b"application/json")])

    @classmethod
    def text(cls, text: str, status: int = 200) -> Response:
        """Return plain text."""
        return cls(status, text.encode(), [(b"content-type", b"text/plain; charset=utf-8")])


Handler = Callable[[HttpRequest], Awaitable[Response]]


def asgi(handler: Handler, connection: ServedConnection) -> ASGIFramework:
    """Return the ASGI app that serves one connection with `handler`.

    A barrier: a handler's exception is logged and answered by a 500, as the Bot API server would; the next request is
    served as if nothing had happened.
    """

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            connection.abort()
            return
        request = _request(scope, receive)
        try:
            response = _too_long(scope) or refusal(request) or await handler(request)
        except DropConnection:
            connection.abort()
            return
        except Exception:
            log.exception("the sandbox failed at %s", _shown(request.path))
            failure = {"ok": False, "error_code": 500, "description": "Internal Server Error", "error": "sandbox bug"}
            response = Response.json(failure, 500)
        try:
            await _answer(request, response, send)
        except DropConnection:
            connection.abort()
        except Exception:
            log.exception("the sandbox failed while answering %s", _shown(request.path))
            connection.abort()

    return app


def refusal(request: HttpRequest) -> Response | None:
    """Return the refusal of a request from a forbidden origin; None if it may go on.

    A page on the web must not control the sandbox: neither through a name that resolves to loopback (its Host reveals
    it), nor through a form or an image (its Origin does, or Sec-Fetch-Site if the browser sends no Origin).
    """
    host = request.headers.get(b"host", b"").decode("latin-1")
    if not is_loopback_host(host):
        return Response.json({"error": "the sandbox answers only to a loopback Host"}, 403)
    origin = request.headers.get(b"origin")
    if origin is not None and origin.decode("latin-1").lower() != f"http://{host.lower()}":
        return Response.json({"error": "the sandbox answers only to its own page's Origin"}, 403)
    site = request.headers.get(b"sec-fetch-site", b"none")
    if site not in {b"none", b"same-origin"} and request.path.startswith(("/bot", "/sandbox", "/file")):
        return Response.json({"error": "the sandbox answers only to its own page"}, 403)
    return None


def _too_long(scope: HTTPScope) -> Response | None:
    """Return the refusal of a head over the limit, else None; h11 checks that only if it comes in several pieces."""
    size = len(scope["raw_path"]) + len(scope["query_string"])
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    return Response(431, b"", [(b"connection", b"close")]) if size > HEADER_LIMIT_BYTES else None


def is_loopback_host(host: str) -> bool:
    """Return whether a Host header (name or address, any port) can only mean this machine."""
    name = host[: host.find("]") + 1] if host.startswith("[") else host.rpartition(":")[0] or host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _request(scope: HTTPScope, receive: ASGIReceiveCallable) -> HttpRequest:
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers.setdefault(bytes(name).lower(), bytes(value))
    return HttpRequest(scope["method"], scope["path"], scope["query_string"], headers, receive)


async def _answer(request: HttpRequest, response: Response, send: ASGISendCallable) -> None:
    headers = list(response.headers)
    stream = response.stream if request.method != "HEAD" else None
    if response.stream is None:
        headers.append((b"content-length", b"%d" % len(response.body)))
    early = not request.body_ended and _has_body(request)
    if early:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    rest = response.body
    if stream is not None:
        await _stream(request, stream, send)
    elif early:
        # The answer goes out at once but is ended only when the client has sent its body: closing before would reset
        # the connection and could take the answer from the client's hands. (It also keeps hypercorn from waiting for
        # room in a queue that nobody reads any more.)
        await send({"type": "http.response.body", "body": rest, "more_body": True})
        rest = b""
        await request.discard()
    await send({"type": "http.response.body", "body": rest, "more_body": False})


def _has_body(request: HttpRequest) -> bool:
    return b"transfer-encoding" in request.headers or request.headers.get(b"content-length", b"0").strip() != b"0"


async def _stream(request: HttpRequest, stream: Callable[[Send], Awaitable[None]], send: ASGISendCallable) -> None:
    """Run a streamed answer until it ends or the client leaves (hypercorn would keep swallowing its pieces)."""
    dropped = False

    async def piece(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            nonlocal dropped
            with contextlib.suppress(DropConnection):
                await request.discard()
                await request.disconnected()
            # h11 would refuse a proper end: less was sent than the stated length.
            dropped = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            await stream(piece)
        except DropConnection:
            dropped = True
        nursery.cancel_scope.cancel()
    if dropped:
        raise DropConnection


def _shown(path: str) -> str:
    """Return a path without its token."""
    return path if not path.startswith(("/bot", "/file")) else "/bot..."
