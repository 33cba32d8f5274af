"""The guard: holds a whole process to the judge of addresses, and to the programs that it may start.

A user's link is hostile: it may name a private address, redirect to one, or name a host whose answer changes between
two lookups. So connections are judged, not names: an audit hook (PEP 578) sees every connection that Python code makes,
after name resolution, and can never be removed again. It does not see native code that opens sockets itself. That is
prevented by other means: curl_cffi must be absent (`worker.py` checks), ffmpeg gets local files only, and no program
but those named to `install` can be started. The guard restrains data, not code: whoever can already run Python in the
process can reach libc through ctypes, which stays available because Cryptodome needs it.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from doradura.media.addresses import AllowedPrivate, EgressRefusedError, judge


class ProgramRefusedError(PermissionError):
    """This process may not start that program."""

    def __init__(self, program: object) -> None:
        super().__init__(errno.EACCES, f"doradura-program-refused: {program!s:.200}")


def install(allowed: AllowedPrivate, programs: Iterable[str] = (), *, only: tuple[str, int] | None = None) -> None:
    """Hold this process to `judge` from now on and for good, and let it start only `programs` (absolute paths).

    `only` is the gate's address and port: if it is given, nothing else may be connected to, whatever the judge says.

    It also refuses sockets of every family but IPv4 and IPv6 (a local socket may be a container engine's), and binding,
    as a job serves nobody. libc resolves names as always. It costs one dictionary lookup per event.
    """
    judged = partial(judge, allowed=allowed) if only is None else partial(_only, only)
    startable = frozenset(os.path.realpath(program) for program in programs)

    def connection(arguments: tuple[object, ...]) -> None:
        sock, address = arguments
        if address is None:  # sendmsg on a connected socket: judged when it was connected
            return
        family = socket.SocketType.family.__get__(sock)  # the C member: no subclass can interfere
        if family not in {socket.AF_INET, socket.AF_INET6} or not isinstance(address, tuple) or len(address) < 2:
            raise EgressRefusedError(repr(address), "-", "no internet address")
        judged(address[0], address[1])

    def listening(arguments: tuple[object, ...]) -> None:
        raise EgressRefusedError(repr(arguments[1]), "-", "for binding: a job serves nobody")

    def program(arguments: tuple[object, ...]) -> None:
        path = arguments[0]
        if not isinstance(path, (str, bytes)) or not Path(os.fsdecode(path)).is_absolute():
            raise ProgramRefusedError(path)
        if os.fsdecode(os.path.realpath(path)) not in startable:
            raise ProgramRefusedError(os.fsdecode(path))

    checks: dict[str, Callable[[tuple[object, ...]], None]] = {
        "socket.connect": connection,  # connect_ex too
        "socket.sendto": connection,
        "socket.sendmsg": connection,
        "socket.bind": listening,
        "subprocess.Popen": program,
        "os.posix_spawn": program,
        "os.exec": program,
        "os.system": program,  # a command line, so never an allowed path
        "pty.spawn": program,
    }

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        check = checks.get(event)
        if check is not None:
            check(arguments)

    sys.addaudithook(hook)


def _only(door: tuple[str, int], address: str, port: int) -> None:
    if (address, port) != door:
        raise EgressRefusedError(address, port, "not the gate")


def is_guarded() -> bool:
    """Return whether this process refuses a connection to an address that is never public.

    Nothing is sent in either case. It uses a datagram socket, whose connect only records the address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except EgressRefusedError:
            return True
        except OSError:
            return False
    return False
