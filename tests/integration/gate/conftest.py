"""A gate in a thread of the test's process, a site on loopback, and clients that speak SOCKS by hand."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from doradura.gate.opening import Opener
from doradura.gate.server import GateServer

SECONDS = 20.0


class Gate:
    """A running gate, and the bot's end of its control socket."""

    def __init__(self, listener: socket.socket, control: socket.socket) -> None:
        self.address: tuple[str, int] = listener.getsockname()
        self.control = control
        self.lines = control.makefile("rb")
        self.opener = Opener()

    def tell(self, **said: object) -> None:
        """Say a line to the gate."""
        self.control.sendall(json.dumps(said).encode() + b"\n")

    def job(self, token: str, *allowed: str, way: str | None = None, number: int = 1) -> None:
        """Let a job connect."""
        self.tell(op="job", token=token, job=number, allowed=list(allowed), way=way, direct=[])

    def end(self, token: str) -> dict[str, Any]:
        """End a job; what the gate says of it."""
        self.tell(op="end", token=token)
        told: dict[str, Any] = json.loads(self.lines.readline())
        while told["op"] == "received":
            told = json.loads(self.lines.readline())
        return told

    def client(self) -> socket.socket:
        """A connection to the gate that has said nothing."""
        return socket.create_connection(self.address, SECONDS)

    def connect(self, token: str, host: str, port: int) -> tuple[socket.socket, int]:
        """Ask for a connection; the socket, and the reply's code."""
        client = self.client()
        client.sendall(b"\x05\x02\x00\x02" + login(token) + request(host, port))
        assert take(client, 4) == b"\x05\x02\x01\x00", "the login"
        return client, take(client, 10)[1]

    def code(self, token: str, host: str, port: int) -> int:
        """The reply's code alone."""
        client, code = self.connect(token, host, port)
        client.close()
        return code


def login(token: str, user: str = "job") -> bytes:
    """Username and password (RFC 1929)."""
    return bytes([1, len(user)]) + user.encode() + bytes([len(token)]) + token.encode()


def request(host: str, port: int) -> bytes:
    """CONNECT to a literal IPv4 or IPv6 address, else to a name (RFC 1928, 4)."""
    for kind, family in ((1, socket.AF_INET), (4, socket.AF_INET6)):
        with suppress(OSError):
            return bytes([5, 1, 0, kind]) + socket.inet_pton(family, host) + port.to_bytes(2, "big")
    return bytes([5, 1, 0, 3, len(host.encode())]) + host.encode() + port.to_bytes(2, "big")


def take(sock: socket.socket, count: int) -> bytes:
    """So many bytes; fewer where the other side ended."""
    came = b""
    while len(came) < count and (piece := sock.recv(count - len(came))):
        came += piece
    return came


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that serves, whose resolver the test may change (`gate.opener`). It ends with its control socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(SECONDS)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, theirs:
        running = Gate(listener, ours)
        server = GateServer(listener, theirs, running.opener)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.tell(op="serve")
        assert json.loads(running.lines.readline()) == {"op": "serving"}
        try:
            yield running
        finally:
            running.lines.close()
            ours.close()
            thread.join(SECONDS)
            server.close()
    assert not thread.is_alive(), "it ends when the bot ends"


class Site:
    """A listening socket; `accepted` gives its connections."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.listener = socket.create_server((host, 0), backlog=512)
        self.listener.settimeout(SECONDS)
        self.host = host
        self.port: int = self.listener.getsockname()[1]
        self.endpoint = f"{host}:{self.port}"

    def accept(self) -> socket.socket:
        """The next connection."""
        accepted, _ = self.listener.accept()
        accepted.settimeout(SECONDS)
        return accepted

    @property
    def untouched(self) -> bool:
        """Whether nobody waits to be accepted."""
        self.listener.setblocking(False)
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self.listener.settimeout(SECONDS)
        return False


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that the test plays."""
    opened = Site()
    with opened.listener:
        yield opened
