"""Keeps the gate's process alive, and tells it which jobs may connect.

Owns the listening socket, which outlives the process: a gate that died or hangs is replaced by another one on the same
socket, so that running jobs find it where it was, wait a moment in its queue, and continue where they were cut off.
Must not know what a job is about.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, get_args

import msgspec
import trio

from doradura.media.addresses import endpoint_of
from doradura.media.gatecontrol import GateOutcome
from doradura.media.protocol import Door, Order, WallKind, WorkerLostError
from doradura.media.sites import site_of
from doradura.startup import StartupError
from doradura.workers.interface import Conversation, Workers

log = logging.getLogger(__name__)

READY_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.05
LAST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A gate that lived this long resets the back-off."""
TELLING_SECONDS: Final = 5.0
"""A gate that reads nothing for so long is not working."""
PING_SECONDS: Final = 15.0
"""How often a gate is asked whether its loop runs, and how long it may take to answer before it is replaced."""
DOOR_SECONDS: Final = 30.0
"""How long a job waits for a gate. A new one usually serves within half a second."""
DOWN_SECONDS: Final = 5.0
"""A gate that is away for longer is a fault."""
_BACKLOG: Final = 1024
"""Connections that wait while there is no gate."""
_PIECE_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 4096


class GateError(StartupError):
    """The gate does not start; the message contains its last output."""


class Gate:
    """Keeps a gate running.

    `way` returns the proxy's URL for a site, None if there is no proxy. `count` gets the number of connections that
    ended in each way, after each job. `died` is called whenever a gate that served is gone.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        way: Callable[[str], str | None] = lambda _site: None,
        count: Callable[[GateOutcome, int], None] = lambda _outcome, _number: None,
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self._environment = dict(environment)
        self._way = way
        self._count = count
        self._died = died
        self._words = ""
        """The last output of the process before."""
        self._away_since: float | None = None
        self._listener: socket.socket | None = None
        self._jobs: dict[str, bytes] = {}
        """The gate's `job` message of each job that runs, by its token."""
        self._notified: dict[str, int] = {}
        """Listeners of walled jobs' notifications, by token; kept, so that a connect waits while there is no gate."""
        self._received: dict[str, int] = {}
        """The last connect of each that a gate received: if it died with it, the next one lets it fail."""
        self._control: trio.SocketStream | None = None
        self._telling = trio.Lock()
        self._serving = trio.Event()
        self._answered = trio.Event()
        """The answer to the last ping."""
        self.pid: int | None = None
        """The current process; None while there is none."""
        self.starts = 0
        """How many processes have served, the first one included."""

    @property
    def fault(self) -> str | None:
        """Why no gate has been serving for a while; None if one serves, or was away for a moment only."""
        if self._away_since is None or trio.current_time() - self._away_since < DOWN_SECONDS:
            return None
        return self._words or "it does not answer"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a gate serving; `started()` when the first does. Raises GateError if that one never does."""
        pause = FIRST_PAUSE_SECONDS

        def serving() -> None:
            self._serving.set()
            self._away_since = None
            self.starts += 1
            if self.starts == 1:
                task_status.started()

        with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as self._listener:
            while True:
                began = trio.current_time()
                words = await self._live(serving)
                if self.starts == 0:
                    raise GateError(f"the gate does not start: {words}")
                log.error("the gate died", extra={"stderr": words})
                self._words = words
                if trio.current_time() - began > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await trio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE_SECONDS)

    async def _live(self, serving: Callable[[], None]) -> str:
        """Run one process to its end; return its last output."""
        assert self._listener is not None
        ours, theirs = socket.socketpair()
        with theirs:
            control = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
            async with control:
                try:
                    process = await trio.lowlevel.open_process(
                        [
                            *(sys.executable, "-m", "doradura.gate"),
                            f"--listen={self._listener.fileno()}",
                            f"--control={theirs.fileno()}",
                        ],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        pass_fds=[self._listener.fileno(), theirs.fileno()],
                        start_new_session=True,  # a terminal's Ctrl-C is for us and must not reach it while we drain
                        env=self._environment,
                    )
                except OSError as error:
                    return f"no process to be had: {error}"
                theirs.close()  # else its death would not be our end of file
                self.pid = process.pid
                try:
                    return await self._talk(process, control, serving)
                finally:
                    self.pid, self._control = None, None
                    if self._serving.is_set():
                        self._serving = trio.Event()
                        self._away_since = trio.current_time()
                        self._died()
                    process.kill()
                    with trio.CancelScope(shield=True):
                        await process.wait()
                        assert process.stderr is not None
                        await process.stderr.aclose()

    async def _talk(self, process: trio.Process, control: trio.SocketStream, serving: Callable[[], None]) -> str:
        """Send it every job, then read its messages until it ends; return its last output."""
        tail = b""

        async def read_errors() -> None:
            nonlocal tail
            assert process.stderr is not None
            async for piece in process.stderr:
                tail = (tail + piece)[-_TAIL_BYTES:]
                log.warning("the gate reports", extra={"stderr": piece.decode(errors="replace").strip()})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_errors)
            with trio.move_on_after(READY_SECONDS) as ready:
                async with self._telling:
                    await _send(control, b"".join(self._jobs.values()))
                    for token, listener in list(self._notified.items()):
                        await _send(control, self._notify(token), listener)
                    await _send(control, _line(op="serve"))
                    self._control = control
                async for told in _messages(control):
                    match told["op"]:
                        case "serving":
                            ready.deadline = float("inf")
                            serving()
                            nursery.start_soon(self._watch, process)
                        case "pong":
                            self._answered.set()
                        case "received" if told["token"] in self._notified:
                            self._received[told["token"]] = told["call"]
                        case "ended":
                            self._account(told)
            with trio.move_on_after(1):
                await process.wait()
            nursery.cancel_scope.cancel()
        return tail.decode(errors="replace").strip() or f"it ended with status {process.returncode}"

    async def _watch(self, process: trio.Process) -> None:
        """Kill a gate that lives but does not answer. Whoever reads its messages notices its end."""
        while True:
            await trio.sleep(PING_SECONDS)
            self._answered = trio.Event()
            await self._tell(_line(op="ping"))
            for seconds in (PING_SECONDS, 1.0):  # the first time may have passed while this process was stopped
                with trio.move_on_after(seconds):
                    await self._answered.wait()
            if not self._answered.is_set():
                log.error("the gate does not answer and is replaced")
                process.kill()

    def _account(self, told: Mapping[str, Any]) -> None:
        """Count and log the connections of a job that ended."""
        for outcome in get_args(GateOutcome):
            self._count(outcome, told["outcomes"][outcome])
        level = logging.INFO if told["refused"] else logging.DEBUG
        shown = ("job", "sent", "received", "connections", "outcomes", "hosts", "refused")
        log.log(level, "connections of a job", extra={key: told[key] for key in shown})

    @asynccontextmanager
    async def door(
        self, job: int, allowed: Iterable[str], site: str, *, direct: Iterable[str] = ()
    ) -> AsyncIterator[Door]:
        """Let a job connect for as long as the context lasts; then all of its connections are closed.

        `direct` are the endpoints that are near: they are not behind the site's proxy. Waits while there is no gate.
        Raises WorkerLostError if none serves within DOOR_SECONDS.
        """
        with trio.move_on_after(DOOR_SECONDS):
            while not self._serving.is_set():
                await self._serving.wait()
        if not self._serving.is_set():
            raise WorkerLostError(f"the gate is not running: {self._words}")
        assert self._listener is not None
        token = secrets.token_urlsafe(24)
        host, port = self._listener.getsockname()
        told = {"token": token, "job": job, "allowed": list(allowed), "way": self._way(site), "direct": list(direct)}
        self._jobs[token] = _line(op="job", **told)
        try:
            await self._tell(self._jobs[token])
            yield Door(host=host, port=port, token=token)
        finally:
            del self._jobs[token]
            with trio.CancelScope(shield=True):
                await self._tell(_line(op="end", token=token))
                if token in self._notified:
                    os.close(self._notified.pop(token))
                    self._received.pop(token, None)

    async def supervise(self, token: str, listener: int) -> None:
        """Have the gate answer a job's connects until its door is left. Takes over the listener."""
        if token not in self._jobs:
            os.close(listener)
            return
        self._notified[token] = listener
        await self._tell(self._notify(token), listener)

    def _notify(self, token: str) -> bytes:
        return _line(op="notify", token=token, last=self._received.get(token))

    async def _tell(self, line: bytes, descriptor: int | None = None) -> None:
        """Send a line, whole. If there is no gate, the next one is told everything that still holds."""
        async with self._telling:
            if self._control is not None:
                await _send(self._control, line, descriptor)


async def _send(control: trio.SocketStream, line: bytes, descriptor: int | None = None) -> None:
    """Send all of it, or close the stream: half a line would garble the next."""
    gone = contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError)
    with trio.CancelScope(shield=True), trio.move_on_after(TELLING_SECONDS) as scope, gone:
        if descriptor is not None:  # with the first byte
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))
            line = line[await control.socket.sendmsg([line], [rights]) :]
        await control.send_all(line)
    if scope.cancelled_caught:
        await trio.aclose_forcefully(control)


async def _messages(control: trio.SocketStream) -> AsyncIterator[dict[str, Any]]:
    came = b""
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for piece in control:
            came += piece
            *lines, came = came.split(b"\n")
            for line in lines:
                yield json.loads(line)


def _line(**said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"


class GatedWorkers:
    """Workers all of whose connections go through the gate."""

    def __init__(self, workers: Workers, gate: Gate, wall: WallKind = "hook") -> None:
        self._workers = workers
        self._gate = gate
        self.wall: WallKind = wall
        """The wall of the jobs that are started from now on."""

    @asynccontextmanager
    async def work(self, order: Order) -> AsyncIterator[Conversation]:
        """Start one job with a door of its own. Behaves as `Workers.work`."""
        near = filter(None, (endpoint_of(order.pot_provider),))
        async with self._gate.door(order.job_id, order.allowed_private, site_of(order.url), direct=near) as door:
            order = msgspec.structs.replace(order, door=door, allowed_private=(), wall=self.wall)
            async with self._workers.work(order) as conversation:
                yield conversation
