"""One HTTP exchange over small pools of connections, with httpx's errors translated into ours.

httpcore walks over every connection of a pool twice per request. So each transport here has exactly one connection, and
idle ones lie on a stack: measured, this answers two to three times as many updates a second as one pool. httpx's
transports are used without its client, which would add cookies, redirects and a log line with the token in the URL.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx
import trio

from doradura.telegram.bodies import Body
from doradura.telegram.errors import NotSentError, RequestOutcome, TelegramError, UnconfirmedError
from doradura.telegram.reaching import why_unreachable

ANSWER_BYTES = 16 << 20
"""The longest answer that is read; a full poll is at most about 6.4 MB (100 updates of 64 KiB)."""

RequestSent = Literal["never", "by body"]

TRANSPORT_ERRORS: Mapping[type[Exception], tuple[RequestSent, RequestOutcome]] = {
    httpx.ConnectTimeout: ("never", "timeout"),
    httpx.PoolTimeout: ("never", "timeout"),
    httpx.ConnectError: ("never", "network"),
    httpx.ProxyError: ("never", "network"),
    httpx.UnsupportedProtocol: ("never", "network"),
    httpx.InvalidURL: ("never", "network"),
    httpx.ReadTimeout: ("by body", "timeout"),
    httpx.WriteTimeout: ("by body", "timeout"),
    httpx.TimeoutException: ("by body", "timeout"),
    # httpcore swallows a failed write and goes on to read the answer, so a connection lost while sending shows as one
    # of the reading errors. Only the body knows.
    httpx.ReadError: ("by body", "network"),
    httpx.WriteError: ("by body", "network"),
    httpx.CloseError: ("by body", "network"),
    httpx.RemoteProtocolError: ("by body", "network"),
    httpx.LocalProtocolError: ("by body", "network"),
    httpx.DecodingError: ("by body", "network"),
    httpx.TooManyRedirects: ("by body", "network"),
    httpx.HTTPStatusError: ("by body", "network"),
    httpx.CookieConflict: ("by body", "network"),
    httpx.NetworkError: ("by body", "network"),
    httpx.ProtocolError: ("by body", "network"),
    httpx.TransportError: ("by body", "network"),
    httpx.RequestError: ("by body", "network"),
    httpx.HTTPError: ("by body", "network"),
    httpx.StreamError: ("by body", "network"),
    httpx.StreamClosed: ("by body", "network"),
    httpx.StreamConsumed: ("by body", "network"),
    httpx.RequestNotRead: ("by body", "network"),
    httpx.ResponseNotRead: ("by body", "network"),
}
"""What each of httpx's exceptions means: whether the request can have arrived, and which outcome is counted."""

_CAUGHT = tuple(TRANSPORT_ERRORS)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer, read completely."""

    status: int
    body: bytes
    retry_after: str | None


def translate(method: str, exc: Exception, *, handed_over: bool) -> TelegramError:
    """Return our error for one of httpx's. Its text is never httpx's own, which may quote the URL."""
    sent, outcome = next(TRANSPORT_ERRORS[kind] for kind in type(exc).__mro__ if kind in TRANSPORT_ERRORS)
    if sent == "by body" and handed_over:
        return UnconfirmedError(method, f"no answer ({type(exc).__name__})", outcome=outcome)
    unreachable = why_unreachable(exc)
    error = NotSentError(method, f"not sent ({unreachable or type(exc).__name__})", outcome=outcome)
    error.unreachable = unreachable
    return error


async def exchange(method: str, transport: httpx.AsyncBaseTransport, request: httpx.Request, body: Body) -> HttpAnswer:
    """Send one request and read the whole answer. Raises NotSentError or UnconfirmedError."""
    try:
        response = await transport.handle_async_request(request)
        try:
            content = await _read(method, response)
        finally:
            await response.aclose()
    except _CAUGHT as exc:
        raise translate(method, exc, handed_over=body.handed_over) from exc
    finally:
        await body.aclose()
    return HttpAnswer(response.status_code, content, response.headers.get("retry-after"))


async def _read(method: str, response: httpx.Response) -> bytes:
    pieces = []
    length = 0
    stream = response.aiter_bytes()
    assert isinstance(stream, AsyncGenerator)
    async with contextlib.aclosing(stream):
        async for piece in stream:
            length += len(piece)
            if length > ANSWER_BYTES:
                raise UnconfirmedError(method, f"an answer of more than {ANSWER_BYTES} bytes")
            pieces.append(piece)
    return b"".join(pieces)


class ConnectionPool:
    """A fixed number of connections; the one used last is lent first, so that only a few stay open.

    A connection that failed or was cancelled is thrown away together with its transport, whatever state httpx left it
    in (a torn request may keep a pool's only slot, for example). The next request starts with a new one.
    """

    def __init__(self, count: int, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._free = trio.Semaphore(count, max_value=count)

    @contextlib.asynccontextmanager
    async def take(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """Wait for a free connection and lend it for the block."""
        async with self._free:
            transport = self._idle.pop() if self._idle else self._make()
            sound = False
            try:
                yield transport
                sound = True
            finally:
                if sound:
                    self._idle.append(transport)
                else:
                    await _close(transport)

    async def aclose(self) -> None:
        """Close every idle connection."""
        while self._idle:
            await _close(self._idle.pop())


async def _close(transport: httpx.AsyncBaseTransport) -> None:
    """Close a transport within a second, even when cancelled: TLS says goodbye, and a dead peer must not delay us."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1), contextlib.suppress(*_CAUGHT):
        await transport.aclose()


def transport_maker(api_url: str, *, keepalive_seconds: float) -> Callable[[], httpx.AsyncBaseTransport]:
    """Return a factory of transports with one connection each and a common TLS context (making one takes 20 ms).

    With `keepalive_seconds` 0 every request gets a new connection.
    """
    context = httpx.create_ssl_context(trust_env=False) if api_url.startswith("https:") else _no_tls()
    limits = httpx.Limits(
        max_connections=1,
        max_keepalive_connections=1 if keepalive_seconds else 0,
        keepalive_expiry=keepalive_seconds,
    )
    return lambda: httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False)


def _no_tls() -> ssl.SSLContext:
    """Return a context without certificates, for a server that is reached by plain HTTP."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def quiet_http_loggers() -> None:
    """Keep httpx and httpcore from logging requests: at INFO and DEBUG they write the URL, which contains the token."""
    for name in ("httpx", "httpcore"):
        if logging.getLogger(name).level < logging.WARNING:
            logging.getLogger(name).setLevel(logging.WARNING)


def check_address(api_url: str) -> None:
    """Raise ValueError for an address that is not HTTP."""
    parts = urlsplit(api_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"the Bot API's address begins with http:// or https://, not {api_url!r}")
