"""Ways out through a proxy: what it is asked for, what it is never asked for, and what becomes of what it says."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doradura.media.gatecontrol import GateReply
from tests.integration.gate.conftest import Site, take

if TYPE_CHECKING:
    from tests.integration.gate.conftest import Gate

Talk = Callable[[socket.socket], object]


@contextmanager
def talking(site: Site, talk: Talk) -> Iterator[None]:
    """Have one connection of a site handled, in a thread."""

    def handle() -> None:
        with suppress(OSError), site.accept() as accepted:
            talk(accepted)

    thread = threading.Thread(target=handle)
    thread.start()
    try:
        yield
    finally:
        site.listener.close()
        thread.join(20)


def socks(code: int, asked: list[bytes], *, login: bytes = b"") -> Talk:
    """A SOCKS5 proxy that answers each request with a code, then with `fine`."""

    def talk(accepted: socket.socket) -> None:
        methods = take(accepted, take(accepted, 2)[1])
        if login:
            assert 2 in methods
            accepted.sendall(b"\x05\x02")
            assert take(accepted, len(login)) == login
            accepted.sendall(b"\x01\x00")
        else:
            accepted.sendall(b"\x05\x00")
        head = take(accepted, 5)
        length = {1: 3, 3: head[4], 4: 15}[head[3]]
        asked.append(head[3:] + take(accepted, length + 2))
        accepted.sendall(bytes([5, code, 0, 3, 4]) + b"host\x00\x50" + b"fine" * (not code))
        take(accepted, 1)

    return talk


def http(status: bytes, asked: list[bytes]) -> Talk:
    """An HTTP proxy that answers CONNECT with a status, then with `fine`."""

    def talk(accepted: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += take(accepted, 1)
        asked.append(head)
        accepted.sendall(b"HTTP/1.1 " + status + b"\r\nVia: x\r\n\r\n" + b"fine" * status.startswith(b"2"))
        take(accepted, 1)

    return talk


def lead(gate: Gate, host: str, *, way: str) -> tuple[int, bytes]:
    """Connect by a way; the code, and what came through."""
    gate.job("w", way=way)
    client, code = gate.connect("w", host, 80)
    with client:
        return code, take(client, 4) if code == GateReply.DONE else b""


def test_socks5_is_handed_the_judged_address(gate: Gate, site: Site) -> None:
    """What it leads to is what was judged here: a name never gets to it, so another answer there changes nothing."""
    gate.opener.resolve = lambda host, _port: ["127.0.0.1"] if host == "localhost" else ["10.0.0.1", "192.0.9.9"]
    asked: list[bytes] = []
    with talking(site, socks(0, asked)):
        end = lead(gate, "media.example", way=f"socks5://localhost:{site.port}")
    assert end == (GateReply.DONE, b"fine")
    assert asked == [b"\x01" + socket.inet_aton("192.0.9.9") + b"\x00\x50"]


def test_socks5h_is_handed_the_name(gate: Gate, site: Site) -> None:
    """That resolver knows names that this one does not; the login is unquoted."""

    def resolve(host: str, _port: int) -> list[str]:
        if host != "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "no")
        return ["127.0.0.1"]

    gate.opener.resolve = resolve
    asked: list[bytes] = []
    with talking(site, socks(0, asked, login=b"\x01\x01u\x03p@w")):
        end = lead(gate, "media.example", way=f"socks5h://u:p%40w@localhost:{site.port}")
    assert end == (GateReply.DONE, b"fine")
    assert asked == [b"\x03\x0dmedia.example\x00\x50"]


def test_http_is_asked_to_connect(gate: Gate, site: Site) -> None:
    """By CONNECT, with the name, its port and the login."""
    gate.opener.resolve = lambda _host, _port: ["127.0.0.1"]
    asked: list[bytes] = []
    gate.job("w", "127.0.0.0/8", way=f"http://u:p@proxy.example:{site.port}")
    with talking(site, http(b"200 OK", asked)):
        client, code = gate.connect("w", "media.example", 80)
        with client:
            assert (code, take(client, 4)) == (GateReply.DONE, b"fine")
    assert asked[0].splitlines()[:3] == [
        b"CONNECT media.example:80 HTTP/1.1",
        b"Host: media.example:80",
        b"Proxy-Authorization: Basic dTpw",
    ]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "127.1", "0x7f000001", "::1", "::ffff:10.0.0.1", "mixed.x"])
def test_what_is_known_here_to_be_private_is_asked_of_no_proxy(gate: Gate, site: Site, scheme: str, host: str) -> None:
    """Literals in every spelling, and names with a private answer (of several, where the proxy would choose)."""
    real = gate.opener.resolve
    answers = ["10.0.0.1"] if scheme == "socks5" else ["192.0.9.9", "10.0.0.1"]
    gate.opener.resolve = lambda name, port: answers if name == "mixed.x" else real(name, port)
    code, _ = lead(gate, host, way=f"{scheme}://127.0.0.1:{site.port}")
    assert code == GateReply.REFUSED_ADDRESS
    assert site.untouched


def test_the_proxy_itself_is_no_place_to_go(gate: Gate, site: Site) -> None:
    """That the gate connects to it does not let a job do that."""
    code, _ = lead(gate, "127.0.0.1", way=f"socks5://127.0.0.1:{site.port}")
    assert code == GateReply.REFUSED_ADDRESS
    assert site.untouched


@pytest.mark.parametrize(
    ("scheme", "talk", "code"),
    [
        ("socks5", socks(5, []), GateReply.REFUSED_BY_SITE),
        ("socks5", socks(4, []), GateReply.HOST_UNREACHABLE),
        ("socks5", socks(2, []), GateReply.WAY_FAILED),
        ("socks5", socks(240, []), GateReply.WAY_FAILED),
        ("socks5", lambda accepted: accepted.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), GateReply.WAY_FAILED),
        ("socks5", lambda accepted: accepted.sendall(b"\x05\xff"), GateReply.WAY_FAILED),
        ("socks5", lambda _accepted: None, GateReply.WAY_FAILED),
        ("http", http(b"407 Login", []), GateReply.WAY_FAILED),
        ("http", http(b"502 Bad", []), GateReply.WAY_FAILED),
        ("http", lambda accepted: accepted.sendall(b"x" * 50_000), GateReply.WAY_FAILED),
        ("http", lambda accepted: accepted.sendall(b"SSH-2.0-x\r\n\r\n"), GateReply.WAY_FAILED),
        ("https", lambda accepted: accepted.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), GateReply.WAY_FAILED),
    ],
)
def test_a_proxy_that_does_not_lead_there(gate: Gate, site: Site, scheme: str, talk: Talk, code: GateReply) -> None:
    """What it says of the site is passed on; its own faults are told from that, and it can't speak for the judge."""
    with talking(site, talk):
        assert lead(gate, "192.0.9.9", way=f"{scheme}://127.0.0.1:{site.port}") == (code, b"")


def test_a_proxy_that_is_not_there(gate: Gate, site: Site) -> None:
    """Neither its port nor its name."""
    site.listener.close()
    assert lead(gate, "192.0.9.9", way=f"socks5://127.0.0.1:{site.port}")[0] == GateReply.WAY_FAILED
    assert lead(gate, "192.0.9.9", way="socks5://nowhere.invalid")[0] == GateReply.WAY_FAILED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of localhost's, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(path), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def test_https_is_spoken_to_in_tls(gate: Gate, site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate is checked; what goes through arrives both ways, large pieces too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    content = bytes(range(256)) * 8192

    def talk(accepted: socket.socket) -> None:
        with context.wrap_socket(accepted, server_side=True) as coded:
            http(b"200 OK", [])(coded)  # which reads a byte
            assert take(coded, len(content)) == content
            coded.sendall(content)
            take(coded, 1)

    way = f"https://localhost:{site.port}"
    gate.opener.resolve = lambda _host, _port: ["127.0.0.1"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    gate.job("w", "127.0.0.1:80", way=way)
    with talking(site, talk):
        client, code = gate.connect("w", "media.example", 80)
        with client:
            assert (code, take(client, 4)) == (GateReply.DONE, b"fine")
            client.sendall(b"x")
            sending = threading.Thread(target=lambda: client.sendall(content))
            sending.start()
            assert take(client, len(content)) == content
            sending.join()


def test_https_of_somebody_else_is_no_way(gate: Gate, site: Site, certificate: Path) -> None:
    """A certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with talking(site, lambda accepted: context.wrap_socket(accepted, server_side=True)):
        assert lead(gate, "192.0.9.9", way=f"https://localhost:{site.port}")[0] == GateReply.WAY_FAILED
