"""A job's child process where there is no fork server: `python -m doradura.child.plainchild`.

Owns the process's edge: an order line on standard input, message lines on standard output. Limits and guard are those
of the fork server's children. yt-dlp is imported before the order is read, so that a process kept waiting has that
behind it.
"""

from __future__ import annotations

import sys

import msgspec

from doradura.child.job import run_job
from doradura.child.worker import run_confined
from doradura.media.protocol import LINE_LIMIT_BYTES, Order, WorkerMessage


def main() -> int:
    """Read one order, work, leave. 2 when there was no order to read."""
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
