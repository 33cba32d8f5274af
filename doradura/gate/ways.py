"""Ways out: a proxy between the gate and the sites. Blocks, in the thread that opens a connection.

Owns what is said to a proxy (SOCKS5: RFC 1928 and 1929; HTTP: CONNECT, RFC 9110, 9.3.6), and the rule which proxies
resolve names. What was judged and what not is `opening`'s.
"""

from __future__ import annotations

import base64
import ipaddress
import select
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from doradura.media.gatecontrol import GateReply

SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080
_HEAD_BYTES: Final = 16 * 1024
_PIECE_BYTES: Final = 64 * 1024


class WayError(Exception):
    """The proxy does not lead there; the text is for the log."""

    def __init__(self, detail: str, reply: GateReply = GateReply.WAY_FAILED) -> None:
        super().__init__(detail)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Way:
    """A proxy."""

    scheme: str
    host: str
    port: int
    user: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Way:
        """Read a proxy's URL. ValueError names the fault, without the password."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError(f"a proxy is one of {', '.join(SCHEMES)}, and has a host")
        port = parts.port or _PORTS.get(parts.scheme, _SOCKS_PORT)
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def resolves_here(way: Way) -> bool:
    """Return whether the proxy is handed addresses that were resolved here. Its scheme says so, as with curl."""
    return way.scheme == "socks5"


def pass_through(proxy: socket.socket, way: Way, host: str, port: int) -> socket.socket:
    """Have a connected proxy lead to a host. Return the socket to relay. Raises WayError and OSError."""
    if way.scheme in {"socks5", "socks5h"}:
        _socks(proxy, way, host, port)
        return proxy
    if way.scheme == "http":
        _connect_method(proxy, way, host, port)
        return proxy
    try:
        coded = ssl.create_default_context().wrap_socket(proxy, server_hostname=way.host)
    except ssl.SSLError as error:
        raise WayError(f"no TLS with the proxy: {error}") from error
    _connect_method(coded, way, host, port)
    return _uncoded(coded)


def _receive(proxy: socket.socket, count: int) -> bytes:
    came = b""
    while len(came) < count:
        piece = proxy.recv(count - len(came))
        if not piece:
            raise WayError("the proxy hung up")
        came += piece
    return came


def _socks(proxy: socket.socket, way: Way, host: str, port: int) -> None:
    methods = b"\x00\x02" if way.user else b"\x00"
    proxy.sendall(bytes([5, len(methods)]) + methods)
    version, method = _receive(proxy, 2)
    if version != 5 or method not in methods:
        raise WayError("the proxy speaks no SOCKS5, or wants another login")
    if method == 2:
        user, password = way.user.encode()[:255], way.password.encode()[:255]
        proxy.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if _receive(proxy, 2)[1]:
            raise WayError("the proxy refuses the login")
    try:
        literal = ipaddress.ip_address(host)
        address = bytes([1 if literal.version == 4 else 4]) + literal.packed
    except ValueError:
        name = host.encode()
        if len(name) > 255:
            raise WayError("the name is too long", GateReply.NO_SUCH_NAME) from None
        address = bytes([3, len(name)]) + name
    proxy.sendall(b"\x05\x01\x00" + address + port.to_bytes(2, "big"))
    version, code, _, kind = _receive(proxy, 4)
    if version != 5 or code:
        known = code in {3, 4, 5, 6}
        raise WayError(f"SOCKS reply {code}", GateReply(code) if known else GateReply.WAY_FAILED)
    _receive(proxy, 2 + (4 if kind == 1 else 16 if kind == 4 else _receive(proxy, 1)[0]))


def _connect_method(proxy: socket.socket, way: Way, host: str, port: int) -> None:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not target.isascii() or any(char.isspace() or not char.isprintable() for char in target):
        raise WayError("no host name", GateReply.NO_SUCH_NAME)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if way.user:
        login = base64.b64encode(f"{way.user}:{way.password}".encode()).decode()
        head += f"Proxy-Authorization: Basic {login}\r\n"
    proxy.sendall(head.encode() + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):  # byte by byte, as what follows is the site's
        if len(answer) > _HEAD_BYTES:
            raise WayError("the proxy's answer has no end")
        answer += _receive(proxy, 1)
    status = answer.split(b" ", 2)[1:2]
    if not answer.startswith(b"HTTP/1.") or not status or not status[0].startswith(b"2"):
        raise WayError(f"the proxy answered {answer[:80]!r}")


def _uncoded(coded: ssl.SSLSocket) -> socket.socket:
    """A socket whose other end is relayed, by a thread of its own, to a TLS connection."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=_relay, args=(theirs, coded), daemon=True).start()
    return ours


def _relay(plain: socket.socket, coded: ssl.SSLSocket) -> None:
    """Relay until either side ends. One thread for both directions: a TLS object is for one at a time."""
    with plain, coded, suppress(OSError):
        while True:
            ready = [coded] if coded.pending() else select.select([plain, coded], [], [])[0]
            if coded in ready:
                coded.setblocking(False)  # what came may be TLS's own affair, with nothing in it for us
                with suppress(ssl.SSLWantReadError):
                    piece = coded.recv(_PIECE_BYTES)
                    if not piece:
                        return
                    plain.sendall(piece)
                coded.setblocking(True)
            if plain in ready:
                piece = plain.recv(_PIECE_BYTES)
                if not piece:
                    return
                coded.sendall(piece)
