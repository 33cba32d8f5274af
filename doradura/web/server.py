"""The server: listens, gives each connection to hypercorn, and lets go at once when cancelled.

hypercorn's own `serve` is not used, for three reasons. It makes its sockets inheritable, so that a child of ours would
keep the port; it leaves connections to the garbage collector when cancelled; and it sends in a shielded scope, so that
one client that stops reading would hold up our shutdown for ever. What is used is its protocol for one connection,
without HTTP/2 (`http1`).
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from doradura.web.access import AccessRules
from doradura.web.http1 import Http1Connection
from doradura.web.routes import AlertsReply, HealthReport, Sources, build_app

log = logging.getLogger(__name__)

BACKLOG = 128
CONNECTION_LIMIT = 256
"""More at once are closed unanswered: descriptors are needed for the bot's own work."""

PROMETHEUS_PORT = 9090
"""Where Debian's prometheus package listens, and we unless told otherwise."""

IDLE_SECONDS = 30
"""How long a connection may take to send a request's head, or lie idle between two."""

SEND_SECONDS = 20
"""How long a client may leave an answer's piece unread."""

LINGER_SECONDS = 1
"""How long a connection that is ended waits for the client's own end."""


class BindError(Exception):
    """The address can't be listened on; the text says which, why, and what to change."""


class WebServer:
    """The HTTP side as a long-lived part."""

    def __init__(
        self,
        *,
        bind: tuple[str, int],
        render_metrics: Callable[[str], Awaitable[tuple[bytes, str]]],
        health: Callable[[], Awaitable[HealthReport]],
        info: Callable[[], Mapping[str, object]],
        accept_alerts: Callable[[bytes], Awaitable[AlertsReply]],
        access: AccessRules,
        count_error: Callable[[], None],
    ) -> None:
        self._host, self._port = bind
        self._count_error = count_error
        sources = Sources(
            render_metrics=render_metrics,
            health=health,
            info=info,
            accept_alerts=accept_alerts,
            count_error=count_error,
        )
        self._app = ASGIWrapper(cast("ASGIFramework", build_app(sources, access)))
        self._config = _hypercorn_config()
        self._open: set[_Stream] = set()

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started` gets "http://host:port" with the port that was really taken.

        Raises BindError. When cancelled, open connections are cut at once, in the middle of an answer too.
        """
        listeners = await self._listen()
        url = _url(listeners[0].socket.getsockname())
        async with trio.open_nursery() as connections:
            try:
                connections.start_soon(self._serve, listeners, connections)
                task_status.started(url)
                await trio.sleep_forever()
            finally:
                for listener in listeners:
                    listener.socket.close()
                for stream in list(self._open):
                    stream.cut()

    async def _listen(self) -> list[trio.SocketListener]:
        try:
            return await trio.open_tcp_listeners(self._port, host=self._host, backlog=BACKLOG)
        except OSError as error:
            raise BindError(_bind_sentence(self._host, self._port, error)) from error

    async def _serve(self, listeners: list[trio.SocketListener], connections: trio.Nursery) -> None:
        await trio.serve_listeners(self._connection, listeners, handler_nursery=connections)

    async def _connection(self, inner: trio.SocketStream) -> None:
        """Serve one connection to its end. A barrier: what breaks in one connection ends that one."""
        if len(self._open) >= CONNECTION_LIMIT:
            inner.socket.close()
            return
        stream = _Stream(inner)
        self._open.add(stream)
        try:
            state = ConnectionState({})
            await Http1Connection(self._app, self._config, WorkerContext(None), state, cast("Any", stream))
        except* Exception as group:
            log.exception("a connection broke", exc_info=group)
            self._count_error()
        finally:
            self._open.discard(stream)
            inner.socket.close()


class _Stream:
    """A connection as hypercorn uses one, whose end is sure: by a deadline, or when it is cut.

    quart-trio cancels the task that answers as soon as the answer is complete, and that is the task in which hypercorn
    ends the connection after `Connection: close`. So ending one takes effect without a checkpoint before it.
    """

    def __init__(self, inner: trio.SocketStream) -> None:
        self._inner = inner
        self._ending = False
        self._receiving = trio.CancelScope()
        self.socket = inner.socket

    def cut(self) -> None:
        """Close now; whoever sends or receives gets a ClosedResourceError, shielded or not."""
        self.socket.close()

    async def send_all(self, data: bytes) -> None:
        """Send, or break the connection when the client doesn't read."""
        with trio.move_on_after(SEND_SECONDS) as scope:
            await self._inner.send_all(data)
        if scope.cancelled_caught:
            # Reset, not closed: the kernel would go on offering what was not read.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.cut()
            raise trio.BrokenResourceError("the client does not read")

    async def receive_some(self, max_bytes: int) -> bytes:
        """Receive what there is. Once the connection ends, nothing more is heard."""
        with trio.CancelScope() as self._receiving:
            while True:
                data = await self._inner.receive_some(max_bytes)
                if not data or not self._ending:
                    return bytes(data)
        return b""

    async def send_eof(self) -> None:
        """Say that nothing more comes."""
        with suppress(OSError):
            self.socket.shutdown(trio.socket.SHUT_WR)

    async def aclose(self) -> None:
        """End the connection, but give the client a moment to read the answer and to close first.

        Closed at once, with a part of the request unread, it would be reset, and the client might lose the answer that
        says why. The socket itself is closed by who made this object.
        """
        await self.send_eof()
        self._ending = True
        self._receiving.deadline = trio.current_time() + LINGER_SECONDS


def _hypercorn_config() -> Config:
    config = Config()
    # A logger of our own: given a name, hypercorn would put handlers on a logger that the whole process shares.
    config.errorlog = log
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = IDLE_SECONDS
    config.read_timeout = IDLE_SECONDS
    return config


def _url(address: Any) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind_sentence(host: str, port: int, error: OSError) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        debians = f" (Debian's prometheus package listens on {port} too)" if port == PROMETHEUS_PORT else ""
        return (
            f"can't listen on {where}: port {port} is taken by another program{debians}; stop that one, or set "
            f"DORADURA_HTTP_BIND to another address, such as {host}:9095"
        )
    if error.errno == errno.EACCES:
        return f"can't listen on {where}: port {port} is for root alone; set DORADURA_HTTP_BIND to a port above 1023"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"can't listen on {where}: this machine has no address {host}; set DORADURA_HTTP_BIND to one it has, "
            f"such as 127.0.0.1:{port}, or to 0.0.0.0:{port} for all"
        )
    return f"can't listen on {where}: {error.strerror or error}; set DORADURA_HTTP_BIND to another address"
