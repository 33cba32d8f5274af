"""A source that is held to a speed, for the row gate-cost: `python -m tests.bench.held_source`.

A client says `BYTES BYTES_PER_SECOND` on one line (0: as fast as it goes) and gets so many bytes.
"""

from __future__ import annotations

import socket
import sys
import threading
import time

PIECE_BYTES = 64 * 1024


def main() -> None:
    """Say the port, and serve for ever."""
    piece = bytes(PIECE_BYTES)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        sys.stdout.write(f"held source at {listener.getsockname()[1]} \n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            threading.Thread(target=send, args=(client, piece), daemon=True).start()


def send(client: socket.socket, piece: bytes) -> None:
    """Answer one client; one that leaves early is no error."""
    try:
        with client, client.makefile("rb") as asked:
            left, speed = map(int, asked.readline().split())
            began, sent = time.monotonic(), 0
            while left > 0:
                if speed and (early := sent / speed - (time.monotonic() - began)) > 0:
                    time.sleep(early)
                count = min(left, PIECE_BYTES)
                client.sendall(piece[:count])
                left, sent = left - count, sent + count
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    main()
