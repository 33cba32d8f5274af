"""The server's side of SOCKS5 as bytes (RFC 1928, RFC 1929): greeting, login with a password, CONNECT.

Pure. Each reader takes what has come so far and gives None while something is missing. What it read is cut off the
front, and what stands behind it is left: clients may send ahead.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Final, NamedTuple

from doradura.media.gatecontrol import USER, GateReply

VERSION: Final = 5
PASSWORD: Final = 2
CHOSEN: Final = bytes([VERSION, PASSWORD])
NO_METHOD: Final = bytes([VERSION, 0xFF])
LOGIN_GOOD: Final = b"\x01\x00"
LOGIN_BAD: Final = b"\x01\x01"
_CONNECT: Final = 1


class SocksError(Exception):
    """The client does not speak SOCKS5, or asks for what this gate does not do; `reply` is sent before closing."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__(reply)
        self.reply = reply


class Request(NamedTuple):
    """Where to connect: a name or a literal as it was sent, and a port."""

    host: str
    port: int


def read_greeting(came: bytearray) -> bool | None:
    """Read the client's login methods. Raises SocksError if a password is not among them."""
    if came and came[0] != VERSION:
        raise SocksError
    if len(came) < 2 or len(came) < 2 + came[1]:
        return None
    methods = came[2 : 2 + came[1]]
    del came[: 2 + came[1]]
    if PASSWORD not in methods:
        raise SocksError(NO_METHOD)
    return True


def read_login(came: bytearray) -> bytes | None:
    """Return the password, which is never empty. Raises SocksError if it is, or for another user than USER."""
    if came and came[0] != 1:
        raise SocksError
    if len(came) < 2 or len(came) < 3 + came[1]:
        return None
    user_end = 2 + came[1]
    end = user_end + 1 + came[user_end]
    if len(came) < end:
        return None
    user, password = bytes(came[2:user_end]), bytes(came[user_end + 1 : end])
    del came[:end]
    if user != USER.encode() or not password:
        raise SocksError(LOGIN_BAD)
    return password


def read_request(came: bytearray) -> Request | None:
    """Read where to connect. Raises SocksError for other commands and kinds of addresses."""
    if came and came[0] != VERSION:
        raise SocksError
    if len(came) < 5:
        return None
    if came[1] != _CONNECT:
        raise SocksError(reply(GateReply.NO_SUCH_COMMAND))
    kind, start = came[3], 4
    if kind == 3:
        start, length = 5, came[4]
    elif kind in {1, 4}:
        length = 4 if kind == 1 else 16
    else:
        raise SocksError(reply(GateReply.NO_SUCH_KIND_OF_ADDRESS))
    end = start + length + 2
    if len(came) < end:
        return None
    raw, port = bytes(came[start : end - 2]), int.from_bytes(came[end - 2 : end], "big")
    del came[:end]
    if kind != 3:
        return Request(str(ipaddress.ip_address(raw)), port)
    try:
        return Request(raw.decode(), port)
    except UnicodeDecodeError:
        raise SocksError(reply(GateReply.NO_SUCH_NAME)) from None


def reply(code: GateReply) -> bytes:
    """Return the answer to a CONNECT. The address in it is none: nobody needs to know from where we connect."""
    return struct.pack("!BBBB4xH", VERSION, code, 0, 1, 0)
