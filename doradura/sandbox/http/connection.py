"""One TCP connection of the sandbox's, served by hypercorn but ours to cut.

Owns our end of the socket: hypercorn reads and writes through `ServedConnection`, and whoever answers a request may
`abort` it, which is how an injected fault closes a connection halfway. It knows nothing of HTTP beyond handing
hypercorn an ASGI app.

Two things hypercorn 0.18 does make the wrapper necessary. It writes inside a shielded scope, so a client that has
stopped reading would hold up our shutdown for ever; and an app that raises becomes a 500, never a closed connection.
"""

from __future__ import annotations

import logging

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

log = logging.getLogger(__name__)

IDLE_SECONDS = 500.0
"""How long the Bot API server keeps an idle connection."""

HEADER_LIMIT_BYTES = 256 * 1024
"""The Bot API server's limit on request line and headers; beyond it the answer is 431."""


def server_config() -> Config:
    """Return hypercorn settings for a Bot API server: long idle connections, long query strings, no access log."""
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.keep_alive_timeout = IDLE_SECONDS
    config.keep_alive_max_requests = 1_000_000_000
    config.h11_max_incomplete_size = HEADER_LIMIT_BYTES
    return config


class ServedConnection:
    """A trio stream for hypercorn that can be closed at any moment, even during a blocked write."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket
        """Hypercorn reads the addresses from it."""
        self._stream = stream
        self._scope = trio.CancelScope()
        self._write: trio.CancelScope | None = None

    def abort(self) -> None:
        """Close without another byte; hypercorn's work for this connection ends too."""
        self._scope.cancel()
        if self._write is not None:
            self._write.cancel()

    async def serve(self, app: ASGIFramework, config: Config) -> None:
        """Answer the connection's requests until either side closes it.

        A barrier: an error in one connection, below the handlers' own barrier, is logged and ends only that one.
        """
        try:
            with self._scope:
                # hypercorn types it for TLS streams; without TLS it uses only what this class has.
                await TCPServer(ASGIWrapper(app), config, WorkerContext(None), ConnectionState({}), self)  # type: ignore[arg-type]
        except Exception:
            log.exception("a connection of the sandbox failed")
        finally:
            # Not `aclose`: it has a checkpoint, at which a cancelled task would leave the socket open.
            self.socket.close()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As `trio.SocketStream.receive_some`."""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes) -> None:
        """As `trio.SocketStream.send_all`; also raises BrokenResourceError once aborted, even inside a shield."""
        with trio.CancelScope() as self._write:
            if self._scope.cancel_called:
                self._write.cancel()
            await self._stream.send_all(data)
            return
        raise trio.BrokenResourceError("the sandbox closed this connection")

    async def send_eof(self) -> None:
        """As `trio.SocketStream.send_eof`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As `trio.SocketStream.aclose`."""
        await self._stream.aclose()
