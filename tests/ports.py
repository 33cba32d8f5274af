"""Ports to listen on later, or again, which no other test takes in the meantime.

A port that the kernel assigned (port 0) is free for anybody once it is closed: the kernel assigns it to whoever asks
next, and to outgoing connections. So these ports are outside of its range, and each belongs to this test process until
it ends.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

LOWEST, HIGHEST = 10_240, 65_535
NAME = "\0doradura-test-port-%d"
"""A port is reserved by an abstract name (unix(7)), which disappears with its process, however that ends."""
_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def kernels_range() -> range:
    """Return the range of ports that the kernel assigns by itself (ip(7))."""
    first, last = map(int, _KERNELS.read_text(encoding="ascii").split())
    return range(first, last + 1)


def free_port() -> int:
    """Return a port that is free on every address of this machine and is returned by no other call, in any process.

    Raises OSError if there is none.
    """
    kernels = kernels_range()
    ports = [port for port in range(LOWEST, HIGHEST + 1) if port not in kernels]
    begin = os.getpid() * 61 % len(ports) if ports else 0
    for port in ports[begin:] + ports[:begin]:
        if _reserve(port):
            return port
    raise OSError("every port is taken, or the kernel's own")


def free_address() -> str:
    """Return `host:port` of loopback, with a free port."""
    return f"127.0.0.1:{free_port()}"


def _reserve(port: int) -> bool:
    """Take a port for this process, if it is free."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(NAME % port)
        with socket.create_server(("0.0.0.0", port)):
            pass
    except OSError:
        held.close()
        return False
    held.detach()  # it stays open
    return True
