"""What a client shows of itself when it opens a TLS connection: its ClientHello (RFC 8446, section 4.1.2), read."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

HEADER_BYTES: Final = 5
_SERVER_NAME, _GROUPS, _ALPN, _COMPRESSION, _ALPS, _ECH = 0, 10, 16, 27, 17613, 0xFE0D
_ML_KEM = 4588  # X25519MLKEM768
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What tells one client from another, of what may differ between two connections of the same client nothing."""

    ciphers: tuple[int, ...]
    """In the order in which they were offered, without GREASE."""
    extensions: tuple[int, ...]
    """Sorted, since Chrome shuffles them, without GREASE and the server's name."""
    protocols: tuple[str, ...]
    """ALPN's."""
    traits: frozenset[str]


def parse_client_hello(record: bytes) -> ClientHello:
    """Read one TLS record that is a whole ClientHello."""
    body = _Reader(record[HEADER_BYTES:])
    assert body.number(1) == 1, "not a ClientHello"
    body = _Reader(body.vector(3))
    body.take(2 + _RANDOM_BYTES)
    body.vector(1)
    ciphers = _numbers(body.vector(2))
    body.vector(1)
    extensions: dict[int, bytes] = {}
    rest = _Reader(body.vector(2))
    while rest.left:
        kind = rest.number(2)
        extensions[kind] = rest.vector(2)
    groups = _numbers(_Reader(extensions[_GROUPS]).vector(2))
    named = _Reader(_Reader(extensions[_ALPN]).vector(2)) if _ALPN in extensions else _Reader(b"")
    protocols = []
    while named.left:
        protocols.append(named.vector(1).decode())
    traits = {
        "grease": any(map(_is_grease, (*ciphers, *extensions))),
        "encrypted client hello": _ECH in extensions,
        "application settings": _ALPS in extensions,
        "compressed certificates": _COMPRESSION in extensions,
        "ml-kem": _ML_KEM in groups,
    }
    return ClientHello(
        tuple(each for each in ciphers if not _is_grease(each)),
        tuple(sorted(each for each in extensions if not _is_grease(each) and each != _SERVER_NAME)),
        tuple(protocols),
        frozenset(name for name, there in traits.items() if there),
    )


def peek_client_hello(sock: socket.socket) -> ClientHello:
    """Read what a client sent first without taking it from the socket."""
    seen = b""
    while len(seen) < HEADER_BYTES or len(seen) < HEADER_BYTES + int.from_bytes(seen[3:5]):
        wanted = HEADER_BYTES if len(seen) < HEADER_BYTES else HEADER_BYTES + int.from_bytes(seen[3:5])
        seen = sock.recv(wanted, socket.MSG_PEEK | socket.MSG_WAITALL)
        if not seen:
            raise ConnectionResetError("the client left")
    return parse_client_hello(seen)


def _is_grease(number: int) -> bool:
    """Return whether a number means nothing, on purpose (RFC 8701)."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _numbers(content: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(content[at : at + 2]) for at in range(0, len(content), 2))


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def left(self) -> int:
        return len(self._content)

    def take(self, count: int) -> bytes:
        assert count <= self.left, "cut off"
        taken, self._content = self._content[:count], self._content[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count))

    def vector(self, length_bytes: int) -> bytes:
        return self.take(self.number(length_bytes))
