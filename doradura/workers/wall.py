"""Which wall stands on this machine, proven by a worker that tries to get out.

Owns the proof from the bot's side. The bot itself holds the listener, the sockets and the file that the worker tries to
reach, so it sees whether anything arrived and need not believe the worker. A kind of wall stands if nothing got through
and a job can reach what it needs: the gate, and ffmpeg.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from doradura.media.protocol import (
    READ_A_FILE,
    Failure,
    Limits,
    Order,
    WallKind,
    WallProof,
    WallTargets,
    WorkerLostError,
)
from doradura.startup import EXIT_SETTINGS, StartupError
from doradura.workers.interface import Workers

log = logging.getLogger(__name__)

WALLS: Final[tuple[WallKind, ...]] = ("notify", "port")
"""The kinds that are walls, the better one first."""
PROOF_SECONDS: Final = 30.0
_LIMITS: Final = Limits(file_bytes=2**20, upload_bytes=2**20, cpu_seconds=30, memory_bytes=1536 * 2**20, processes=16)


NEEDS: Final = (
    "Linux 5.13 or newer with Landlock in it (`cat /sys/kernel/security/lsm`), and leave to use seccomp, which a "
    "container's profile may take away"
)


class WallMissingError(StartupError):
    """No wall stands, and one is required; the message says why and what to do."""

    exit_code = EXIT_SETTINGS

    def __init__(self, why: str) -> None:
        super().__init__(
            f"DORADURA_REQUIRE_WALL is set, and no wall stands around workers on this machine ({why}). A wall needs "
            f"{NEEDS}. Start the bot on such a machine, or unset DORADURA_REQUIRE_WALL: then the audit hook alone "
            "guards downloads."
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """The best wall that stands."""

    kind: WallKind
    why: str = ""
    """Why no better one does."""


async def find_wall(workers_behind: Callable[[WallKind], Workers], ffmpeg: str, root: Path) -> Standing:
    """Return the best wall that is proven to stand.

    `workers_behind` gives the workers that set a kind of wall. In `root`, which is the bot's own, a directory is made
    for the proof and removed. Raises OSError where that is not to be had.
    """
    reasons: list[str] = []
    for kind in WALLS:
        with _targets(root) as targets:
            fault = await _fault(workers_behind(kind), kind, ffmpeg, targets)
        if fault is None:
            return Standing(kind, "; ".join(reasons))
        log.info("a wall does not stand", extra={"kind": kind, "fault": fault})
        if fault not in reasons:
            reasons.append(fault)
    return Standing("hook", "; ".join(reasons))


async def _fault(workers: Workers, kind: WallKind, ffmpeg: str, targets: _Targets) -> str | None:
    """Return why a wall does not stand; None if it does."""
    order = Order(
        job_id=0,
        task="wall",
        directory=str(targets.directory),
        limits=_LIMITS,
        ffmpeg=ffmpeg,
        wall=kind,
        targets=targets.told,
    )
    said: object = None
    try:
        with trio.move_on_after(PROOF_SECONDS):
            async with workers.work(order) as conversation:
                async for message in conversation:
                    said = message
    except WorkerLostError as error:
        return str(error)
    if isinstance(said, Failure):
        return said.detail
    if not isinstance(said, WallProof):
        return f"a worker behind it did not answer in {PROOF_SECONDS:.0f} s"
    passed = sorted({*said.passed, *targets.touched()})
    if passed == [READ_A_FILE]:
        return (
            f"workers have to read libraries and our own code, and {targets.directory.parent.parent} lies among them: "
            "put DORADURA_DATA_DIR elsewhere"
        )
    return f"behind it, these got through: {', '.join(passed)}" if passed else None


@dataclass(frozen=True, slots=True)
class _Targets:
    directory: Path
    """The worker's own."""
    told: WallTargets
    listener: socket.socket
    datagrams: tuple[socket.socket, ...]

    def touched(self) -> list[str]:
        """Return the names of the attempts that arrived here."""
        came = []
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            pass
        else:
            came.append("connect")
        for name, sock in zip(("udp", "datagram pair"), self.datagrams, strict=True):
            try:
                sock.recv(1)
            except BlockingIOError:
                pass
            else:
                came.append(name)
        return came


@contextmanager
def _targets(root: Path) -> Iterator[_Targets]:
    """Open what a worker is to try to reach: sockets on loopback, and a file in a directory of the bot's."""
    with ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory(dir=root.absolute(), prefix="wall-")))
        (place / "job").mkdir(mode=0o700)
        (place / "secret").write_text("the bot's own\n")
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        local = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        name = f"\0doradura-wall-{secrets.token_hex(8)}"
        local.bind(name)
        for sock in (listener, udp, local):
            sock.setblocking(False)
        told = WallTargets(
            tcp_port=listener.getsockname()[1],
            udp_port=udp.getsockname()[1],
            datagrams=name,
            file=str(place / "secret"),
            pid=os.getpid(),
        )
        yield _Targets(place / "job", told, listener, (udp, local))
