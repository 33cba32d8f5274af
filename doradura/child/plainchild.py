"""A job's child process where there is no fork server: `python -m doradura.child.plainchild`.

Owns the process's edge: an order line on standard input, message lines on standard output. Its limits and guard are
those of the fork server's children. It imports yt-dlp before it reads the order, so that a spare process is ready to
work.
"""

from __future__ import annotations

import sys

import msgspec

from doradura.child.job import run_job
from doradura.child.worker import run_confined
from doradura.media.protocol import LINE_LIMIT_BYTES, Order, WorkerMessage


def main() -> int:
    """Read one order, carry it out, exit. Return 2 if there was no order to read."""
    line = sys.stdin.buffer.readline(LINE_LIMIT_BYTES)
    if not line.endswith(b"\n"):
        return 2
    out = sys.stdout.buffer

    def emit(message: WorkerMessage) -> None:
        out.write(msgspec.json.encode(message) + b"\n")
        out.flush()

    run_confined(msgspec.json.decode(line, type=Order), emit, run_job)
    return 0


if __name__ == "__main__":
    sys.exit(main())
