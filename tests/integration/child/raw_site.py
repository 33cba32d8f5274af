"""A site that answers with any bytes whatever, at any speed: what http.server is too well-behaved for."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import trio

from doradura.media.protocol import Order, WorkerMessage
from doradura.workers.fork import ForkWorkers

Answer = bytes | Callable[[socket.socket, threading.Event], None]
"""The whole of what is sent, or what sends it; the event is set when the site closes."""


@dataclass
class RawSite:
    """Answers by path; each connection is closed after its first answer."""

    answers: Mapping[str, Answer]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class _Handler(socketserver.StreamRequestHandler):
    site: RawSite

    def handle(self) -> None:
        words = self.rfile.readline(1 << 16).decode("latin-1").split()
        path = unquote(words[1].partition("?")[0]) if len(words) > 1 else ""
        while self.rfile.readline(1 << 16).strip():
            pass
        self.site.asked.append(path)
        answer = self.site.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        try:
            if callable(answer):
                answer(self.connection, self.site.released)
            else:
                self.connection.sendall(answer.replace(b"{url}", self.site.url.encode()))
        except OSError:
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


@contextmanager
def in_a_thread(server: socketserver.TCPServer) -> Iterator[str]:
    """Serve until the block is left, and close; gives the server's URL."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(answers: Mapping[str, Answer]) -> Iterator[RawSite]:
    """The site, open on a loopback port."""
    site = RawSite(answers)
    with in_a_thread(_Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))) as site.url:
        try:
            yield site
        finally:
            site.released.set()


def answer(kind: str, content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A well-formed answer."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close")
    return "\r\n".join((*lines, *headers, "", "")).encode() + content


def drip(content: bytes, *, size: int = 1, pause_seconds: float = 0.05, at_once: int = 0) -> Answer:
    """The bytes in small pieces with pauses, after the first `at_once`; then nothing until the site closes."""

    def send(connection: socket.socket, released: threading.Event) -> None:
        connection.sendall(content[:at_once])
        for start in range(at_once, len(content), size):
            if released.wait(pause_seconds):
                return
            connection.sendall(content[start : start + size])

    return send


async def ends(orders: Mapping[str, Order], at_once: int = 6) -> dict[str, WorkerMessage]:
    """The last word of each job, in children of one fork server."""
    told: dict[str, WorkerMessage] = {}
    workers, places = ForkWorkers(environment=os.environ), trio.CapacityLimiter(at_once)

    async def run(name: str, order: Order) -> None:
        await trio.Path(order.directory).mkdir()
        async with places, workers.work(order) as conversation:
            told[name] = [message async for message in conversation][-1]

    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        async with trio.open_nursery() as jobs:
            for name, order in orders.items():
                jobs.start_soon(run, name, order)
        nursery.cancel_scope.cancel()
    return told
