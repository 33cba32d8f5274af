"""One connection of hypercorn's, held to HTTP/1.1.

hypercorn goes over to HTTP/2 for whoever asks, in clear text too. Nobody who scrapes or probes us does, and a client
that opens a window of nothing and pings would hold its connection, with an answer in memory, for as long as it likes:
no time limit sees it. So both ways there are closed. A request's target is looked at here as well, because what is no
path and no URL raises in the framework, with a traceback in the log for each.
"""

from __future__ import annotations

import re

import h11
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

_ABSOLUTE = re.compile(rb"https?://[^/?#]+([/?][^#]*)?", re.IGNORECASE)


def origin_form(target: bytes) -> bytes | None:
    """Give a request's target as a path with its query (RFC 9112, section 3.2); None where it has none.

    A whole URL is taken as its path, whatever host it names, and the asterisk of OPTIONS stays.
    """
    if target.startswith(b"/") or target == b"*":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return None
    path: bytes = absolute[1] or b"/"
    return path if path.startswith(b"/") else b"/" + path


class Http1Connection(TCPServer):
    """Serves one connection to its end, as its parent does for connections without TLS."""

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            socket = self.stream.socket
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as task_group:
                self._task_group = task_group
                self.protocol = _Http1(  # type: ignore[assignment]  # in place of what would change to HTTP/2
                    self.app,
                    self.config,
                    self.context,
                    task_group,
                    ConnectionState(self.state),
                    False,
                    client,
                    server,
                    self.protocol_send,
                )
                await self.protocol.initiate()
                await self.idle_task.restart(task_group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass  # the client is gone, as any may go
        finally:
            await self._close()


class _Http1(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay: neither `Upgrade: h2c` nor the preface of HTTP/2 is heard."""

    async def _create_stream(self, request: h11.Request) -> None:
        target = origin_form(request.target)
        if target is None or not request.http_version.startswith(b"1."):
            await self._send_error_response(400 if target is None else 505)
            await self.send(Closed())
            return
        if target != request.target:
            request = h11.Request(
                method=request.method,
                target=target,
                headers=list(request.headers),
                http_version=request.http_version,
            )
        await super()._create_stream(request)
