"""The sandbox as a whole: listens, wires its parts, accepts connections until it is cancelled.

Owns the listening socket, the nursery of connections, and the folder of uploads. It runs within the bot's process or
alone.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from doradura.sandbox.api.endpoint import BotApiEndpoint, Downloads
from doradura.sandbox.http.connection import ServedConnection, server_config
from doradura.sandbox.http.exchange import Handler, HttpRequest, Response, asgi
from doradura.sandbox.http.served_bytes import file_content, respond
from doradura.sandbox.human.endpoint import Human
from doradura.sandbox.media.samples import make_samples
from doradura.sandbox.media.serving import MediaEndpoint
from doradura.sandbox.pages import page_answer
from doradura.sandbox.state.blobs import Blobs
from doradura.sandbox.state.bots import Bots
from doradura.sandbox.state.call_record import CallRecord
from doradura.sandbox.state.faults import Faults
from doradura.sandbox.state.fetching import Fetcher
from doradura.sandbox.state.files import Files
from doradura.sandbox.state.floods import Floods
from doradura.sandbox.state.journal import Journal
from doradura.sandbox.state.world import World
from doradura.startup import EXIT_SETTINGS, StartupError

SANDBOX_TOKEN = "1000000001:SANDBOXAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # noqa: S105 - public on purpose: it opens only toys
BACKLOG = 512


class SandboxBindError(StartupError, ValueError):
    """The sandbox may not listen on this address."""

    exit_code = EXIT_SETTINGS


class ListenError(StartupError, OSError):
    """The address is in use, or not this machine's; the text says which and what to do."""

    exit_code = EXIT_SETTINGS


class Sandbox:
    """A local Telegram."""

    def __init__(
        self,
        *,
        bind: str,
        media_directory: Path,
        keep_directory: Path | None,
        ffmpeg: str,
        flood_limits: bool = False,
    ) -> None:
        """`bind` is host:port, port 0 for any free one. Raises SandboxBindError if it is not loopback.

        Sample media are kept in `media_directory`; chats in `keep_directory`, or only in memory without one. `ffmpeg`
        is the program that makes the samples and measures what bots send. `flood_limits` says whether they are on at
        first.
        """
        self._family, self._host, self._port = parse_bind(bind)
        self._bind = bind
        self._media_directory = media_directory
        self._keep_directory = keep_directory
        self._ffmpeg = ffmpeg
        self._flood_limits = flood_limits
        self._connections: set[ServedConnection] = set()

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started` gets its address, once the samples exist and it listens.

        Raises ListenError, naming the address, if it is in use; JournalError if the kept state cannot be opened;
        SamplesError if ffmpeg cannot make the samples.
        """
        listener = self._listen()
        with listener:
            async with self._directory() as directory, trio.open_nursery() as nursery:
                samples = await make_samples(self._ffmpeg, self._media_directory)
                journal = Journal(None if self._keep_directory is None else directory / "sandbox.sqlite3")
                bots = Bots(World(journal, Blobs(directory / "files"), clock=time.time))
                try:
                    await bots.load()
                except BaseException:
                    journal.close()
                    raise
                await nursery.start(journal.run)
                host, port = listener.getsockname()[:2]
                media = MediaEndpoint(samples, await trio.to_thread.run_sync(_sizes, samples))
                handler = self._handler(bots, media, port)
                task_status.started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
                await self._accept(listener, handler, nursery)

    @asynccontextmanager
    async def _directory(self) -> AsyncIterator[Path]:
        """Return the folder of uploads and records: the one to keep, or a temporary one."""
        if self._keep_directory is not None:
            yield self._keep_directory
            return
        directory = Path(await trio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="doradura-sandbox-")))
        try:
            yield directory
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lambda: shutil.rmtree(directory, ignore_errors=True))

    def _listen(self) -> socket.socket:
        listener = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise ListenError(
                f"the sandbox cannot listen on {self._bind}: {error.strerror}. Stop what uses it, or set "
                "DORADURA_SANDBOX_BIND."
            ) from error
        return listener

    def _handler(self, bots: Bots, media: MediaEndpoint, port: int) -> Handler:
        """Wire the parts, and return the function that routes each request."""
        faults, record, world = Faults(), CallRecord(), bots.world
        floods = Floods(world.clock, enabled=self._flood_limits)
        world.paces_polls = lambda: floods.limits.enabled
        files = Files(world.blobs, self._ffmpeg, Fetcher(world.blobs, media.answer, port))
        api, human, downloads = (
            BotApiEndpoint(bots, files, faults, floods, record),
            Human(bots, files, faults, floods, record),
            Downloads(bots),
        )

        async def handle(request: HttpRequest) -> Response:
            path = request.path
            if path.startswith("/bot"):
                return await api.answer(request)
            if path.startswith("/sandbox/"):
                return await human.answer(request)
            if path.startswith("/media/"):
                return await media.answer(request)
            if path == "/" or path.startswith("/page/"):
                return await page_answer(request)
            if path.startswith("/file/bot") and (found := downloads.find(request)) is not None:
                blob, size = found
                return respond(request, file_content(world.blobs.path(blob), size, "application/octet-stream"))
            return Response.json({"ok": False, "error_code": 404, "description": "Not Found"}, 404)

        return handle

    async def _accept(self, listener: socket.socket, handler: Handler, nursery: trio.Nursery) -> None:
        """Serve connections for ever; at the end, none is left writing to a client that does not read."""
        config = server_config()

        async def serve(stream: trio.SocketStream) -> None:
            connection = ServedConnection(stream)
            self._connections.add(connection)
            try:
                await connection.serve(asgi(handler, connection), config)
            finally:
                self._connections.discard(connection)

        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
        try:
            await trio.serve_listeners(serve, listeners, handler_nursery=nursery)
        finally:
            for connection in self._connections:
                connection.abort()


def parse_bind(bind: str) -> tuple[socket.AddressFamily, str, int]:
    """Read host:port.

    Raises SandboxBindError unless it is loopback: whoever reaches the sandbox may do anything there.
    """
    host, separator, port = bind.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        raise SandboxBindError(f"{bind!r} is not an address such as 127.0.0.1:8082") from None
    if not separator or not 0 <= number <= 65535:
        raise SandboxBindError(f"{bind!r} is not an address such as 127.0.0.1:8082")
    if not address.is_loopback:
        raise SandboxBindError(f"the sandbox listens on loopback only (such as 127.0.0.1:8082), not on {bind}")
    return (socket.AF_INET6 if address.version == 6 else socket.AF_INET), host, number


def _sizes(directory: Path) -> dict[str, int]:
    return {
        path.relative_to(directory).as_posix(): path.stat().st_size for path in directory.rglob("*") if path.is_file()
    }
