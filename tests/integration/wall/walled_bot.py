"""A bot of which only workers and gate are there, and what there is to reach: runs one hostile job.

Arguments: the wall's kind, and the directory to work in. Prints JSON: `told`, what the job says of each attempt, and
`touched`, what arrived here. It is a program of its own, so that it can be run as a user that is not root.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import msgspec
import trio

from doradura.media.forkcontrol import DEFAULT_JOB
from doradura.media.protocol import Failure, Limits, Order, Result
from doradura.memory import close_memory
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate, GatedWorkers
from doradura.workers.wall import find_wall

HERE = Path(__file__).parent
LIMITS = Limits(file_bytes=10**9, upload_bytes=10**9, cpu_seconds=300, memory_bytes=2 * 10**9, processes=64)
MEMORY = ctypes.create_string_buffer(b"secret\0\0", 8)


def main() -> None:
    """Run the job named by the first argument's kind of wall, or say which wall is found."""
    kind, directory = sys.argv[1], Path(sys.argv[2])
    os.umask(0o077)
    close_memory()
    json.dump(trio.run(run, kind, directory), sys.stdout)


async def run(kind: str, root: Path) -> Any:
    """Start what a bot has, then the job."""
    modules = root / "modules"
    modules.mkdir()
    (modules / "throwaway.py").write_text("secret = 1\n")
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{modules}:{os.environ['PYTHONPATH']}"}
    job = DEFAULT_JOB if kind == "find" else "escape_job:run_job"
    gate = Gate(environment=environment)
    workers = ForkWorkers(environment=environment, supervise=gate.supervise, job=job)
    async with trio.open_nursery() as nursery:
        await nursery.start(gate.run)
        await nursery.start(workers.run)
        if kind == "find":
            found = await find_wall(
                lambda each: GatedWorkers(workers, gate, each), imageio_ffmpeg.get_ffmpeg_exe(), root
            )
            said: Any = {"kind": found.kind, "why": found.why}
        else:
            said = await escape(kind, root, workers, gate)
        nursery.cancel_scope.cancel()
    return said


async def escape(kind: str, root: Path, workers: ForkWorkers, gate: Gate) -> Any:
    """Run the hostile job."""
    with ExitStack() as held:
        port = gate._listener.getsockname()[1]  # type: ignore[union-attr]
        listeners = Listeners(root, held, port)
        own, other = root / "jobs" / "1", root / "jobs" / "2"
        own.mkdir(parents=True)
        other.mkdir()
        for path in (root / "doradura.db", other / "media.mp4"):
            path.write_text("secret\n")
        bystander = await trio.lowlevel.open_process(["sleep", "600"])
        held.callback(bystander.kill)
        bystander_thread = threading.Thread(target=threading.Event().wait, daemon=True)
        bystander_thread.start()
        reach = {
            **listeners.told,
            "gate": port,
            "bot": os.getpid(),
            "bot_thread": bystander_thread.native_id,
            "gate_pid": gate.pid,
            "other_pid": bystander.pid,
            "memory": ctypes.addressof(MEMORY),
            "file": str(root / "doradura.db"),
            "other": str(other / "media.mp4"),
        }
        order = Order(
            job_id=1,
            task="download",
            directory=str(own),
            url=json.dumps(reach),
            limits=LIMITS,
            ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
        )
        with trio.fail_after(200):
            async with GatedWorkers(workers, gate, kind).work(order) as conversation:  # type: ignore[arg-type]
                said = [message async for message in conversation][-1]
        assert isinstance(said, Result | Failure), said
        told = json.loads(said.title) if isinstance(said, Result) else msgspec.to_builtins(said)
        changed = await trio.to_thread.run_sync(_changed, root, own)
        return {"told": told, "touched": listeners.touched(), "changed": changed}


def _changed(root: Path, own: Path) -> list[str]:
    """The files outside the job's directory that are not as they were made."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if own not in path.parents and path.is_file() and not path.read_bytes().startswith(b"secret")
    ]


class Listeners:
    """What there is to reach, all of it on loopback or in the bot's directory."""

    def __init__(self, root: Path, held: ExitStack, gate_port: int) -> None:
        abstract = f"\0doradura-test-{os.getpid()}"
        inet, inet6, unix = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        places: dict[str, tuple[Any, Any, Any]] = {
            "tcp": (inet, stream, ("127.0.0.1", 0)),
            "tcp6": (inet6, stream, ("::1", 0)),
            "beside": (inet, stream, ("127.0.0.2", gate_port)),
            "udp": (inet, datagram, ("127.0.0.1", 0)),
            "unix": (unix, stream, str(root / "s")),
            "abstract": (unix, stream, abstract),
            "unix_datagram": (unix, datagram, str(root / "d")),
            "abstract_datagram": (unix, datagram, f"{abstract}-d"),
        }
        self.told: dict[str, Any] = {}
        self._sockets: dict[str, socket.socket] = {}
        for name, (family, kind, address) in places.items():
            sock = held.enter_context(socket.socket(family, kind))
            sock.bind(address)
            if kind == stream:
                sock.listen(64)
            sock.setblocking(False)
            self._sockets[name] = sock
            bound = sock.getsockname()
            self.told[name] = bound[1] if family != unix else os.fsdecode(bound).replace("\0", "@")

    def touched(self) -> list[str]:
        """Which were reached."""
        return [name for name, sock in self._sockets.items() if _reached(sock)]


def _reached(sock: socket.socket) -> bool:
    try:
        if sock.type == socket.SOCK_STREAM:
            sock.accept()[0].close()
        else:
            sock.recv(1)
    except BlockingIOError:
        return False
    return True


main()
