"""The proof of a wall, from inside: attempts to reach what is really there, by the C library.

Owns the attempts. Like native code they go past the audit hook, which sees Python's own calls alone. Whether a connect
arrived, only the bot can see (`workers.wall`): behind a wall that notifies it succeeds, and ends at the gate.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Final

from doradura.child import ffmpeg
from doradura.child.failures import JobError
from doradura.child.gate_replies import knock
from doradura.media.protocol import READ_A_FILE, Order, WallProof
from doradura.media.reasons import Reason

_MSG_FASTOPEN: Final = 0x20000000
_MPTCP: Final = 262


def prove(order: Order) -> WallProof:
    """Try to get out, and see that what a job needs is there. Raises JobError and ToolError where it is not."""
    assert order.targets is not None
    assert order.door is not None
    try:
        knock(order.door)
    except OSError as error:
        raise JobError(Reason.TOOL_CRASH, f"the gate is not reached through it: {error}") from error
    ffmpeg.version(order.ffmpeg)
    targets, libc = order.targets, ctypes.CDLL(None, use_errno=True)
    tcp, udp = _address(targets.tcp_port), _address(targets.udp_port)
    datagrams = struct.pack("=H", socket.AF_UNIX) + os.fsencode(targets.datagrams)
    inet, stream, datagram = socket.AF_INET, socket.SOCK_STREAM, socket.SOCK_DGRAM

    def opened(kind: int, protocol: int = 0) -> int:
        return int(libc.socket(int(inet), int(kind), protocol))

    def sent(sock: int, flags: int, address: bytes) -> bool:
        done: bool = libc.sendto(sock, b"x", 1, flags, address, len(address)) >= 0
        return done or ctypes.get_errno() == errno.EINPROGRESS

    def multipath() -> bool:
        sock = opened(stream, _MPTCP)
        libc.connect(sock, tcp, len(tcp))
        return sock >= 0

    def datagram_pair() -> bool:
        pair = (ctypes.c_int * 2)()
        made: bool = libc.socketpair(int(socket.AF_UNIX), int(datagram), 0, pair) == 0
        return made and sent(pair[0], 0, datagrams)

    def listening() -> bool:
        return int(libc.listen(opened(stream), 1)) == 0

    libc.connect(opened(stream), tcp, len(tcp))  # where it came to, the bot sees
    beside = f"{targets.file}.new"
    attempts: dict[str, Callable[[], bool]] = {
        "fast open": lambda: sent(opened(stream), _MSG_FASTOPEN, tcp),
        "mptcp": multipath,
        "udp": lambda: sent(opened(datagram), 0, udp),
        "datagram pair": datagram_pair,
        "listen": listening,
        READ_A_FILE: lambda: libc.open(os.fsencode(targets.file), os.O_RDONLY) >= 0,
        "write a file": lambda: libc.open(os.fsencode(targets.file), os.O_WRONLY) >= 0,
        "make a file": lambda: libc.open(os.fsencode(beside), os.O_WRONLY | os.O_CREAT, 0o600) >= 0,
        "change a file": lambda: libc.chmod(os.fsencode(targets.file), 0o640) == 0,
        "signal the bot": lambda: libc.kill(targets.pid, 0) == 0,
    }
    return WallProof(passed=tuple(name for name, attempt in attempts.items() if attempt()))


def _address(port: int) -> bytes:
    """Return struct sockaddr_in of 127.0.0.1."""
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, bytes([127, 0, 0, 1]))
