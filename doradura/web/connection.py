"""One connection: reads requests one after the other, hands each to an ASGI application, and writes the answers.

h11 parses and serialises; this module owns the order and the time limits. A body is read only once the application asks
for it, so a request refused by its head costs nothing. hypercorn's connection is not used: it reads on beside the
application, sends in a shielded scope, drops a request whose client has closed its own half, and keeps counting a
client that left without a byte until its idle time is over.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from email.utils import formatdate
from typing import Any, NoReturn, Protocol
from urllib.parse import unquote

import h11
import trio
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, ConnectionState, HTTPScope

from doradura.web.http1 import RequestFault, head_fault, origin_form, spelling_fault

HEAD_LIMIT_BYTES = 16 * 1024
"""The limit on a request's line and headers, or on one chunk's header; beyond it the answer is 431."""

PIECE_BYTES = 64 * 1024
LINGER_SECONDS = 1
"""How long a refused client may keep sending before it is reset, so that it can read the reason."""

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)
"""What a socket raises when its client has left, which any client may do."""


class Application(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: HTTPScope, receive: Any, send: Any, /) -> None:
        """Answer one request."""


class _EndedError(Exception):
    """The client ended the connection in the middle of a request."""


class HttpConnection:
    """One client's connection.

    `idle_seconds` bounds the wait for a request and its head, `send_seconds` each piece that is sent.
    """

    def __init__(
        self, application: Application, stream: trio.SocketStream, *, idle_seconds: float, send_seconds: float
    ) -> None:
        self._application = application
        self._stream = stream
        self._idle_seconds = idle_seconds
        self._send_seconds = send_seconds
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)

    async def run(self) -> None:
        """Serve until either side ends the connection.

        When cancelled it ends at once, even halfway through an answer.
        """
        with suppress(*GONE):
            while (request := await self._request()) is not None:
                exchange = _Exchange(self, request)
                await exchange.run(self._application)
                if not exchange.may_go_on():
                    await self._linger()
                    return
                self._h11.start_next_cycle()

    async def _request(self) -> h11.Request | None:
        """Wait for the next head; None if the client ended, took too long or was refused."""
        fault: RequestFault | None = None
        with trio.move_on_after(self._idle_seconds):
            while fault is None:
                fault = spelling_fault(self._h11.trailing_data[0])
                if fault is not None:
                    break
                try:
                    event = self._h11.next_event()
                except h11.RemoteProtocolError as error:
                    fault = RequestFault(error.error_status_hint, f"this is not valid HTTP: {error}"[:200])
                    break
                if isinstance(event, h11.Request):
                    fault = head_fault(event)
                    if fault is None:
                        return event
                    break
                data = await self._stream.receive_some(PIECE_BYTES)
                if not data:
                    return None
                self._h11.receive_data(data)
        if fault is not None:
            await self.refuse(fault)
            await self._linger()
        return None

    async def next_event(self) -> Any:
        """Return h11's next event of the present request. Raises _EndedError, h11.RemoteProtocolError."""
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._h11.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            data = await self._stream.receive_some(PIECE_BYTES)
            if not data:
                raise _EndedError
            self._h11.receive_data(data)

    def drop_received(self) -> bool:
        """Discard what has already arrived of the request's body. Return whether that was all of it."""
        with suppress(h11.RemoteProtocolError):
            while self._h11.their_state is h11.SEND_BODY:
                if self._h11.next_event() is h11.NEED_DATA:
                    break
        return self._h11.their_state not in {h11.SEND_BODY, h11.ERROR}

    def is_answered(self) -> bool:
        """Whether the present request was completely read and answered, so that another may follow."""
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    async def refuse(self, fault: RequestFault) -> None:
        """Answer with a fault; nothing after it is read."""
        body = json.dumps({"error": fault.error}).encode() + b"\n"
        headers = [
            *((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))),
            *((b"connection", b"close"), date_header()),
        ]
        response = h11.Response(status_code=fault.status, headers=headers)
        await self.send(response, h11.Data(data=body), h11.EndOfMessage())

    async def send(self, *events: Any) -> None:
        """Send h11's events as one piece. Raises BrokenResourceError if the client doesn't read it in time."""
        data = b"".join(self._h11.send(event) or b"" for event in events)
        with trio.move_on_after(self._send_seconds) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            # Reset, not closed: otherwise the kernel would keep offering what was not read.
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._stream.socket.close()
            raise trio.BrokenResourceError("the client does not read")

    async def _linger(self) -> None:
        """End our half, and give the client a moment to read the answer and to close first.

        If it were closed at once, with part of the request unread, it would be reset and the client might lose the
        answer that says why. Whoever made the socket closes it.
        """
        with suppress(OSError):
            self._stream.socket.shutdown(trio.socket.SHUT_WR)
        with trio.move_on_after(LINGER_SECONDS):
            while await self._stream.receive_some(PIECE_BYTES):
                pass

    def scope_of(self, request: h11.Request) -> HTTPScope:
        """Return the request as an ASGI scope."""
        target = origin_form(request.target) or b"/"
        path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode("ascii").upper(),
            "scheme": "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": self._stream.socket.getpeername()[:2],
            "server": self._stream.socket.getsockname()[:2],
            "state": ConnectionState({}),
            "extensions": {},
        }


class _Exchange:
    """One request and its answer."""

    def __init__(self, connection: HttpConnection, request: h11.Request) -> None:
        self._connection = connection
        self._request = request
        # A proxy in front may see the end of a chunked body elsewhere, so no request may follow one.
        self._in_chunks = any(name == b"transfer-encoding" for name, _ in request.headers)
        self._scope = trio.CancelScope()
        self._fault: RequestFault | None = None
        self._head: h11.Response | None = None
        self._whole = False
        self._begun = False
        self._lost = False

    async def run(self, application: Application) -> None:
        """Let the application answer. Raises what it raises, and what a departed client causes."""
        scope = self._connection.scope_of(self._request)
        with self._scope:
            await application(scope, self._receive, self._send)
        if self._fault is not None and not self._begun:
            await self._connection.refuse(self._fault)

    def may_go_on(self) -> bool:
        """Whether another request may follow."""
        return not self._lost and self._fault is None and not self._in_chunks and self._connection.is_answered()

    async def _receive(self) -> ASGIReceiveEvent:
        """Return the next part of the body; after the last one, or once it is answered, wait to be cancelled."""
        if self._whole or self._head is not None:
            await trio.sleep_forever()
        try:
            event = await self._connection.next_event()
        except h11.RemoteProtocolError as error:
            self._fault = RequestFault(error.error_status_hint, f"the body's framing is not valid HTTP: {error}"[:200])
        except (_EndedError, *GONE):
            self._fault = RequestFault(400, "the body ended too early")
        if self._fault is not None:
            await self._give_up()
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self._whole = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: ASGISendEvent) -> None:
        """Send part of the answer; its head goes with the first piece of its body."""
        if message["type"] == "http.response.start":
            headers = [*message["headers"], date_header()]
            if not self._connection.drop_received() or self._in_chunks:
                headers.append((b"connection", b"close"))
            self._head = h11.Response(status_code=message["status"], headers=headers)
        elif message["type"] == "http.response.body":
            events: list[Any] = [] if self._begun else [self._head]
            self._begun = True
            if message["body"] and self._request.method != b"HEAD":
                events.append(h11.Data(data=message["body"]))
            if not message.get("more_body"):
                events.append(h11.EndOfMessage())
            if events:
                try:
                    await self._connection.send(*events)
                except GONE:
                    # Not raised: it would come out of the application's nurseries as a group.
                    self._lost = True
                    await self._give_up()

    async def _give_up(self) -> NoReturn:
        """End the application's part of this exchange."""
        self._scope.cancel()
        await trio.sleep_forever()
        raise AssertionError


def date_header() -> tuple[bytes, bytes]:
    """Return the Date header (RFC 9110, section 6.6.1)."""
    return b"date", formatdate(usegmt=True).encode()
