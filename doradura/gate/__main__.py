"""`python -m doradura.gate`: the gate's process, started by the bot alone.

Owns the process's edge: its descriptors, its limits, its memory, which is closed to the workers because it contains
every job's token. It ends when the control socket does, so when the bot ends, however that ends.
"""

from __future__ import annotations

import argparse
import logging
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Final

from doradura.gate.server import GateServer
from doradura.memory import close_memory

_STACK_BYTES: Final = 256 * 1024
_DESCRIPTORS: Final = 65536
"""A connection has four: two sockets and both ends of a pipe; behind an https proxy six."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until the bot is gone; return the exit status."""
    parser = argparse.ArgumentParser(prog="doradura.gate")
    parser.add_argument("--listen", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the socket to the bot")
    options = parser.parse_args(arguments)
    close_memory()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # they are the bot's; we end with it
        signal.signal(number, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    threading.stack_size(_STACK_BYTES)
    with socket.socket(fileno=options.listen) as listener, socket.socket(fileno=options.control) as control:
        GateServer(listener, control).run()  # what is open is closed by this process's end
    return 0


if __name__ == "__main__":
    sys.exit(main())
