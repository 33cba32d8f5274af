"""A small Bot API server on a real socket that can be as nasty as the network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import pytest
import trio

from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.observer import SilentObserver

TOKEN = "123456:SECRETSECRETSECRET"
MESSAGE = {"message_id": 7, "date": 1, "chat": {"id": 5, "type": "private"}, "text": "hi"}

Manner = Literal["answer", "tear at once", "tear in the body", "tear after the body", "silent", "tear the answer"]


@dataclass
class Behaviour:
    """What the server does with one request; `content` is sent as it stands when it is given."""

    manner: Manner = "answer"
    status: str = "200 OK"
    content: bytes | None = None
    result: Any = field(default_factory=lambda: dict(MESSAGE))


@dataclass
class Received:
    """One request that came whole."""

    method: str
    head: bytes
    body: bytes
    length: int
    connection: int


class NastyServer:
    """Takes requests off real connections and treats each as the next `Behaviour` says; afterwards properly.

    `keep_bodies` off, it counts an upload's bytes without keeping them. It stops reading uploads while `go_on`
    is unset.
    """

    def __init__(self) -> None:
        self.behaviours: list[Behaviour] = []
        self.requests: list[Received] = []
        self.connections = 0
        self.keep_bodies = True
        self.body_begun = trio.Event()
        self.go_on = trio.Event()
        self.go_on.set()
        self.silent_reached = trio.Event()
        self.url = ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners: list[trio.SocketListener] = await nursery.start(
                partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1")
            )
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            task_status.started()

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        connection = self.connections
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    more = await stream.receive_some(65536)
                    if not more:
                        return
                    buffer += more
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                behaviour = self.behaviours.pop(0) if self.behaviours else Behaviour()
                if behaviour.manner == "tear at once":
                    return
                body, length, buffer = await self._body(stream, head, buffer, behaviour)
                if behaviour.manner == "tear in the body":
                    return
                method = head.split(b" ")[1].decode().rpartition("/")[2]
                self.requests.append(Received(method, head, body, length, connection))
                if not await self._answer(stream, behaviour):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _body(
        self, stream: trio.SocketStream, head: bytes, buffer: bytes, behaviour: Behaviour
    ) -> tuple[bytes, int, bytes]:
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split()[1]
        )
        kept = bytearray()
        got = 0
        while got < length:
            if not buffer:
                buffer = await stream.receive_some(65536)
                if not buffer:
                    raise trio.BrokenResourceError
            piece, buffer = buffer[: length - got], buffer[length - got :]
            got += len(piece)
            self.body_begun.set()
            if behaviour.manner == "tear in the body":
                break
            if b"multipart" in head:
                await self.go_on.wait()
            if self.keep_bodies:
                kept += piece
        return bytes(kept), got, buffer

    async def _answer(self, stream: trio.SocketStream, behaviour: Behaviour) -> bool:
        if behaviour.manner == "tear after the body":
            return False
        if behaviour.manner == "silent":
            self.silent_reached.set()
            await trio.sleep_forever()
        content = behaviour.content
        if content is None:
            content = json.dumps({"ok": True, "result": behaviour.result}).encode()
        head = (
            f"HTTP/1.1 {behaviour.status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        await stream.send_all(head.encode())
        if behaviour.manner == "tear the answer":
            await stream.send_all(content[: len(content) // 2])
            return False
        await stream.send_all(content)
        return True


@pytest.fixture
async def server(nursery: trio.Nursery) -> NastyServer:
    """Run a nasty server on a free port."""
    nasty = NastyServer()
    await nursery.start(nasty.run)
    return nasty


@pytest.fixture
def behaviour() -> type[Behaviour]:
    """Return the class, as test folders are no packages."""
    return Behaviour


OpenApi = Callable[..., AbstractAsyncContextManager[BotApi]]


@pytest.fixture
def open_api(server: NastyServer) -> OpenApi:
    """Open a BotApi on the nasty server; every wait is the shortest."""

    @asynccontextmanager
    async def open_it(**options: Any) -> AsyncIterator[BotApi]:
        settings = {"api_url": server.url, "observer": SilentObserver(), "draw": lambda: 1.0, **options}
        async with open_bot_api(TOKEN, **settings) as api:
            yield api

    return open_it


@pytest.fixture
async def api(open_api: OpenApi) -> AsyncIterator[BotApi]:
    """Return a BotApi on the nasty server."""
    async with open_api() as opened:
        yield opened
