"""The server: listens, gives each connection a slot or closes it, and ends at once when cancelled.

hypercorn's own `serve` is not used. It makes its sockets inheritable, so that a child of ours would keep the port; it
leaves connections to the garbage collector when cancelled; and its connections do not end when they should
(`connection`).
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import trio

from doradura.settings import Address
from doradura.startup import EXIT_SETTINGS, StartupError
from doradura.web.access import AccessRules, parse_address
from doradura.web.connection import Application, HttpConnection
from doradura.web.connection_limits import ConnectionLimits, ConnectionSlot
from doradura.web.routes import AlertsReply, HealthResponse, Sources, build_app

log = logging.getLogger(__name__)

BACKLOG = 128

CONNECTION_LIMIT = 256
"""Open connections of allowed clients and proxies (`connection_limits`); the bot's own work needs descriptors too."""

PROMETHEUS_PORT = 9090
"""The port of Debian's prometheus package, and ours by default."""

IDLE_SECONDS = 30
"""How long a connection may take to send a request's head, or stay idle between two."""

STRANGER_IDLE_SECONDS = 5
"""The same for clients of the few slots that are open to everybody: a probe sends its request at once."""

SEND_SECONDS = 20
"""How long a client may leave a piece of an answer unread."""

SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What accept raises when this process or the machine has no descriptor or memory left."""

SHORT_SECONDS = 0.2
"""How long accepting then pauses: the connection stays in the kernel's queue, and trying at once would be a busy
loop."""

SHORT_LOG_SECONDS = 60


class BindError(StartupError):
    """The address can't be listened on; the text says which, why, and what to change."""

    exit_code = EXIT_SETTINGS


class WebServer:
    """The HTTP side as a long-lived part."""

    def __init__(
        self,
        *,
        bind: tuple[str, int],
        render_metrics: Callable[[str], Awaitable[tuple[bytes, str]]],
        health: Callable[[], Awaitable[HealthResponse]],
        info: Callable[[], Mapping[str, object]],
        accept_alerts: Callable[[bytes], Awaitable[AlertsReply]],
        is_ready: Callable[[], bool],
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
            is_ready=is_ready,
            count_error=count_error,
        )
        self._app = build_app(sources, access)
        self._limits = ConnectionLimits(access, limit=CONNECTION_LIMIT)
        self._short_logged_at = -float("inf")

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started` gets "http://host:port" with the port that is really used.

        Raises BindError. When cancelled, open connections are closed at once, even halfway through an answer.
        """
        listeners = await self._listen()
        url = _url(listeners[0].socket.getsockname())
        async with trio.open_nursery() as connections:
            try:
                for listener in listeners:
                    connections.start_soon(self._accept, listener, connections)
                task_status.started(url)
                await trio.sleep_forever()
            finally:
                for listener in listeners:
                    listener.socket.close()

    async def _listen(self) -> list[trio.SocketListener]:
        try:
            return await trio.open_tcp_listeners(self._port, host=self._host, backlog=BACKLOG)
        except OSError as error:
            raise BindError(_bind_sentence(self._host, self._port, error)) from error

    async def _accept(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        """Accept connections until cancelled. A client without a slot is closed unanswered."""
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in SHORT_OF:
                    raise
                self._say_short(error)
                await trio.sleep(SHORT_SECONDS)
                continue
            slot = self._slot(stream)
            if slot is None:
                stream.socket.close()
            else:
                connections.start_soon(self._serve, stream, slot)

    def _say_short(self, error: OSError) -> None:
        """Log and count that nothing can be accepted, but not at each try."""
        now = trio.current_time()
        if now - self._short_logged_at >= SHORT_LOG_SECONDS:
            self._short_logged_at = now
            self._count_error()
            log.error("can't accept connections; raise the limit of open files", extra={"error": str(error)})

    def _slot(self, stream: trio.SocketStream) -> ConnectionSlot | None:
        try:
            peer = stream.socket.getpeername()
        except OSError:
            return None  # it has left already
        return self._limits.take(parse_address(peer[0]))

    async def _serve(self, stream: trio.SocketStream, slot: ConnectionSlot) -> None:
        """Serve one connection to its end. A barrier: an error in one connection ends only that one."""
        idle_seconds = STRANGER_IDLE_SECONDS if slot.room == "stranger" else IDLE_SECONDS
        app = cast("Application", self._app)
        try:
            await HttpConnection(app, stream, idle_seconds=idle_seconds, send_seconds=SEND_SECONDS).run()
        except Exception as error:
            log.exception("a connection failed", exc_info=error)
            self._count_error()
        finally:
            self._limits.give_back(slot)
            stream.socket.close()


def _url(address: Any) -> str:
    host, port = address[:2]
    return f"http://{Address(host, port)}"


def _bind_sentence(host: str, port: int, error: OSError) -> str:
    where = Address(host, port)
    if error.errno == errno.EADDRINUSE:
        debians = f" (Debian's prometheus package also uses port {port})" if port == PROMETHEUS_PORT else ""
        return (
            f"can't listen on {where}: port {port} is taken by another program{debians}; stop it, or set "
            f"DORADURA_HTTP_BIND to another address, such as {Address(host, 9095)}"
        )
    if error.errno == errno.EACCES:
        return f"can't listen on {where}: only root may use port {port}; set DORADURA_HTTP_BIND to a port above 1023"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"can't listen on {where}: this machine has no address {host}; set DORADURA_HTTP_BIND to one it has, "
            f"such as 127.0.0.1:{port}, or to 0.0.0.0:{port} for all"
        )
    return f"can't listen on {where}: {error.strerror or error}; set DORADURA_HTTP_BIND to another address"
