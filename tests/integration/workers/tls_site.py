"""A site on loopback that speaks TLS and keeps what each client showed of itself."""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.child.raw_site import in_a_thread
from tests.integration.workers.client_hello import ClientHello, peek_client_hello
from tests.programs import found

Answer = bytes | Callable[[ssl.SSLSocket, threading.Event], None]


@dataclass
class TlsSite:
    """Answers by path, over HTTP/1.1; each connection is closed after its first answer."""

    answers: Mapping[str, Answer]
    port: int = 0
    hellos: list[ClientHello] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Paths and headers."""
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"


def make_certificate(directory: Path) -> Path:
    """Make a key and a certificate of 127.0.0.1's, signed by itself."""
    key, path = directory / "key.pem", directory / "both.pem"
    subprocess.run(
        [
            *(found("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(path), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def serving(certificate: Path, answers: Mapping[str, Answer]) -> Iterator[TlsSite]:
    """Serve until the block is left."""
    site = TlsSite(answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            accepted: socket.socket = self.request
            with suppress(OSError):
                site.hellos.append(peek_client_hello(accepted))
                with context.wrap_socket(accepted, server_side=True) as coded:
                    _answer(site, coded)

    with in_a_thread(_Server(("127.0.0.1", 0), Handler)) as url:
        site.port = int(url.rpartition(":")[2])
        yield site
        site.released.set()


def _answer(site: TlsSite, coded: ssl.SSLSocket) -> None:
    with coded.makefile("rb") as lines:
        request = lines.readline(1 << 16).decode("latin-1").split()
        if len(request) < 2:  # a client that did not like the certificate
            return
        path = request[1].partition("?")[0]
        headers = {}
        while line := lines.readline(1 << 16).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        site.asked.append((path, headers))
        answer = site.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        if callable(answer):
            answer(coded, site.released)
        else:
            coded.sendall(answer)
