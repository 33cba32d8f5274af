"""The gate as the bot sees it: its process, kept alive, and the tokens of the jobs that may use it.

Owns the listening socket, which outlives the process: a gate that died is started again on it, so that running jobs
find it where it was, wait a moment in its queue, and fetch on where they were cut off. It must not know what a job is
about.
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
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec
import trio

from doradura.media.addresses import endpoint_of
from doradura.media.protocol import Door, Order, WallKind
from doradura.media.sites import site_of
from doradura.startup import StartupError
from doradura.workers.interface import Conversation, Workers

log = logging.getLogger(__name__)

READY_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.05
LAST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A gate that lived this long starts the back-off afresh."""
TELLING_SECONDS: Final = 5.0
"""A gate that reads nothing for so long is no gate."""
_BACKLOG: Final = 1024
"""Connections that wait while there is no gate."""
_PIECE_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 4096


class GateError(StartupError):
    """The gate does not start; the message says why, in its own words."""


class Gate:
    """Keeps a gate running. `way` gives the proxy's URL for the word of a site, None for none."""

    def __init__(
        self, *, environment: Mapping[str, str], way: Callable[[str], str | None] = lambda _site: None
    ) -> None:
        self._environment = dict(environment)
        self._way = way
        self._listener: socket.socket | None = None
        self._jobs: dict[str, bytes] = {}
        """What the gate is told of each job that runs, by its token."""
        self._notified: dict[str, int] = {}
        """Listeners of walled jobs' notifications, by token; kept, so that a connect waits while there is no gate."""
        self._control: trio.SocketStream | None = None
        self._telling = trio.Lock()
        self._serving = trio.Event()
        self.pid: int | None = None
        """The present process; None while there is none."""
        self.starts = 0
        """Processes that came to serve, the first one too."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a gate serving; `started()` when the first does. Raises GateError when that one never does."""
        pause = FIRST_PAUSE_SECONDS

        def serving() -> None:
            self._serving.set()
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
                if trio.current_time() - began > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await trio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE_SECONDS)

    async def _live(self, serving: Callable[[], None]) -> str:
        """Run one process to its end; its last words."""
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
                        start_new_session=True,  # a terminal's Ctrl-C, meant for us, must not reach it while we drain
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
                    process.kill()
                    with trio.CancelScope(shield=True):
                        await process.wait()
                        assert process.stderr is not None
                        await process.stderr.aclose()

    async def _talk(self, process: trio.Process, control: trio.SocketStream, serving: Callable[[], None]) -> str:
        """Tell it of every job, then hear it until its end; its last words."""
        tail = b""

        async def read_errors() -> None:
            nonlocal tail
            assert process.stderr is not None
            async for piece in process.stderr:
                tail = (tail + piece)[-_TAIL_BYTES:]
                log.warning("the gate says", extra={"stderr": piece.decode(errors="replace").strip()})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_errors)
            with trio.move_on_after(READY_SECONDS) as ready:
                async with self._telling:
                    await _send(control, b"".join(self._jobs.values()))
                    for token, listener in list(self._notified.items()):
                        await _send(control, _line(op="notify", token=token), listener)
                    await _send(control, _line(op="serve"))
                    self._control = control
                async for told in _messages(control):
                    if told["op"] == "serving":
                        ready.deadline = float("inf")
                        serving()
                    else:
                        level = logging.INFO if told["refused"] else logging.DEBUG
                        log.log(level, "connections of a job", extra={key: told[key] for key in told if key != "token"})
            with trio.move_on_after(1):
                await process.wait()
            nursery.cancel_scope.cancel()
        return tail.decode(errors="replace").strip() or f"it left with status {process.returncode}"

    @asynccontextmanager
    async def door(
        self, job: int, allowed: Iterable[str], site: str, *, direct: Iterable[str] = ()
    ) -> AsyncIterator[Door]:
        """A door of a job's own, for as long as the context lasts; then every connection of it is closed.

        `direct` are the endpoints that are near: they are not behind the site's proxy. Waits while there is no gate.
        """
        while not self._serving.is_set():
            await self._serving.wait()
        assert self._listener is not None
        token = secrets.token_urlsafe(24)
        host, port = self._listener.getsockname()
        told = {"token": token, "job": job, "allowed": list(allowed), "way": self._way(site), "direct": list(direct)}
        self._jobs[token] = _line(op="job", **told)
        try:
            await self._tell(self._jobs[token])
            yield Door(host=host, port=port, token=token, pid=self.pid or 0)
        finally:
            del self._jobs[token]
            with trio.CancelScope(shield=True):
                await self._tell(_line(op="end", token=token))
                if token in self._notified:
                    os.close(self._notified.pop(token))

    async def supervise(self, token: str, listener: int) -> None:
        """Have the gate answer a job's connects, until its door is left. Takes over the listener."""
        if token not in self._jobs:
            os.close(listener)
            return
        self._notified[token] = listener
        await self._tell(_line(op="notify", token=token), listener)

    async def _tell(self, line: bytes, descriptor: int | None = None) -> None:
        """Say a line, whole. A gate that is gone is told of everything that still holds when there is one again."""
        async with self._telling:
            if self._control is not None:
                await _send(self._control, line, descriptor)


async def _send(control: trio.SocketStream, line: bytes, descriptor: int | None = None) -> None:
    """Send all of it, or close the stream: half a line would spoil the next."""
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
    """Workers whose every connection goes through the gate."""

    def __init__(self, workers: Workers, gate: Gate, wall: WallKind = "hook") -> None:
        self._workers = workers
        self._gate = gate
        self.wall: WallKind = wall
        """What the jobs that are started from now on have around them."""

    def work(self, order: Order) -> AbstractAsyncContextManager[Conversation]:
        """Start one job with a door of its own; as `Workers`."""
        return self._work(order)

    @asynccontextmanager
    async def _work(self, order: Order) -> AsyncIterator[Conversation]:
        near = filter(None, (endpoint_of(order.pot_provider),))
        async with self._gate.door(order.job_id, order.allowed_private, site_of(order.url), direct=near) as door:
            order = msgspec.structs.replace(order, door=door, allowed_private=(), wall=self.wall)
            async with self._workers.work(order) as conversation:
                yield conversation
