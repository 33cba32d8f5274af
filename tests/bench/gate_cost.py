"""What the gate costs: speed of a source through it against direct, its CPU a GB, its memory, a small request.

The reader is a plain socket, so that what is compared is the way alone: in a download yt-dlp and ffmpeg come on top.
The source is held to what a gigabit line brings, as no real site is faster; unheld it says where the gate's end is.
"""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from pathlib import Path

import trio

from doradura.media.protocol import Door
from doradura.workers.gate import Gate
from tests.bench.figures import Row, Series
from tests.bench.rig import MEBIBYTE, RigError, cpu_seconds, resident_bytes, started, variables

HELD_BYTES_PER_SECOND = 125_000_000
HELD_BYTES = 250_000_000
UNHELD_BYTES = 500_000_000
SMALL_BYTES = 1000
SMALL = 50
CONNECTIONS = 40
AIM_SPEED = 0.99
AIM_CPU_SECONDS = 0.4


async def measure(runs: int, directory: Path) -> Row:
    """Fetch in turns, direct and through the gate."""
    row = Row()
    gate = Gate(environment=os.environ)
    async with (
        started(
            ["-m", "tests.bench.held_source"],
            r"held source at (\d+) ",
            log=directory / "source.log",
            variables=variables(directory / "none"),
        ) as source,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(gate.run)
        port = int(source.said)
        async with gate.door(1, [f"127.0.0.1:{port}"], "other") as door:
            await trio.to_thread.run_sync(partial(_measure, row, runs, gate, door, port))
        nursery.cancel_scope.cancel()
    return row


def _measure(row: Row, runs: int, gate: Gate, door: Door, port: int) -> None:
    assert gate.pid is not None
    for label, size, speed in (("held to 125 MB/s", HELD_BYTES, HELD_BYTES_PER_SECOND), ("unheld", UNHELD_BYTES, 0)):
        through: list[float] = []
        direct: list[float] = []
        spent: list[float] = []
        for _ in range(runs):
            before = cpu_seconds(gate.pid)
            through.append(size / 1e6 / _seconds(door, port, size, speed))
            spent.append((cpu_seconds(gate.pid) - before) / (size / 1e9))
            direct.append(size / 1e6 / _seconds(None, port, size, speed))
        ours, theirs = Series("through the gate", through, "MB/s"), Series("direct", direct, "MB/s")
        row.compare(label, ours=ours, theirs=theirs)
        cpu = sorted(spent)[len(spent) // 2]
        row.add("", f"{cpu:.2f} CPU seconds a GB of the gate")
        if speed:
            ratio = sorted(a / b for a, b in zip(through, direct, strict=True))[runs // 2]
            row.aim(f"at least {AIM_SPEED} of the speed", met=ratio >= AIM_SPEED)
            row.aim(f"at most {AIM_CPU_SECONDS} CPU seconds a GB", met=cpu <= AIM_CPU_SECONDS)
    small = [[1000 * _seconds(way, port, SMALL_BYTES, 0) for _ in range(SMALL)] for way in (door, None)]
    row.compare(
        "a small request",
        ours=Series("through the gate", small[0], "ms", 2),
        theirs=Series("direct", small[1], "ms", 2),
    )
    alone, _ = resident_bytes(gate.pid)
    held = [_open(door, port) for _ in range(CONNECTIONS)]
    try:
        with_them, _ = resident_bytes(gate.pid)
    finally:
        for client in held:
            client.close()
    row.add("memory", f"{with_them / MEBIBYTE:.1f} MiB with {CONNECTIONS} connections, {alone / MEBIBYTE:.1f} without")


def _seconds(door: Door | None, port: int, size: int, speed: int) -> float:
    """How long it takes to connect and to read so much."""
    buffer, left = bytearray(1 << 18), size
    began = time.monotonic()
    with _open(door, port) as client:
        client.sendall(f"{size} {speed}\n".encode())
        while left > 0:
            got = client.recv_into(buffer)
            if not got:
                raise RigError("the source ended early")
            left -= got
    return time.monotonic() - began


def _open(door: Door | None, port: int) -> socket.socket:
    if door is None:
        return socket.create_connection(("127.0.0.1", port), 60)
    client = socket.create_connection((door.host, door.port), 60)
    token = door.token.encode()
    client.sendall(b"\x05\x01\x02\x01\x03job" + bytes([len(token)]) + token)
    client.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    answer = b""
    while len(answer) < 14:
        piece = client.recv(14 - len(answer))
        if not piece:
            break
        answer += piece
    if answer[:6] != b"\x05\x02\x01\x00\x05\x00":
        client.close()
        raise RigError(f"the gate answered {answer!r}")
    return client
