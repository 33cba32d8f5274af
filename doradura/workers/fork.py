"""Runs jobs in children of a fork server (Linux), and keeps such a server alive.

Owns what the rest of the program sees of it: `ForkWorkers`, and `end_strays` for what may be left after the whole
program was killed. It must not know what a job is about.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
import trio

from doradura.media import processes
from doradura.media.forkcontrol import DEFAULT_JOB, PACKET_BYTES
from doradura.media.protocol import LISTENER_BYTE, Order, WorkerLostError
from doradura.workers.conversation import ChildConversation, Work
from doradura.workers.forkprocess import ServerProcess, WorkersError

__all__ = ["ForkWorkers", "WorkersError", "end_strays", "environment_for_jobs"]

log = logging.getLogger(__name__)


FIRST_PAUSE_SECONDS: Final = 0.1
LAST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A server that lived this long resets the back-off."""
NO_CHILD_PAUSE_SECONDS: Final = 1.0
"""If the machine cannot start another process, asking again at once would not help."""

_DESCRIPTOR_BYTES: Final = 4

Supervise = Callable[[str, int], Awaitable[None]]
"""Takes over a job's listener, by the job's token at the gate."""

_KEPT: Final = frozenset({"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ"})
_KEPT_PREFIXES: Final = ("LC_", "PYTHON")


def environment_for_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the bot's environment that a job may see. As it contains secrets, this lists what is kept."""
    return {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}


def end_strays(strays: Iterable[processes.Stray]) -> int:
    """Kill what still runs of a killed program's children; return how many sessions there were.

    It is for the next start and blocks, so run it in a thread. A pid that now belongs to another process is left alone.
    """
    ended = 0
    for stray in strays:
        killed = processes.end_session(stray.pid, stray.start_time)
        if killed:
            ended += 1
            log.warning("ended a stray job", extra={"job": stray.owner_id, "pid": stray.pid, "processes": killed})
    return ended


class ForkWorkers:
    """Starts the fork server, keeps one alive, and runs orders on it.

    `observe_start` gets the seconds from handing over an order until its child is running. `environment` is the bot's
    own; jobs see what `environment_for_jobs` leaves of it. `supervise` takes over the listener of a walled job's
    connects, and `ffmpeg` is the program that the jobs will run, if it is known.
    """

    def __init__(
        self,
        *,
        observe_start: Callable[[float], None] = lambda _seconds: None,
        environment: Mapping[str, str],
        job: str = DEFAULT_JOB,
        supervise: Supervise | None = None,
        ffmpeg: str | None = None,
    ) -> None:
        self._observe_start = observe_start
        self._supervise = supervise
        self._ffmpeg = ffmpeg
        self._environment = environment_for_jobs(environment)
        self._job = job
        self._server: ServerProcess | None = None
        self._changed = trio.Event()
        self.starts = 0
        """How many servers became ready, the first one included."""

    @property
    def alive(self) -> bool:
        """Whether there is a server that accepts orders."""
        return self._server is not None and self._server.serving

    @property
    def server_pid(self) -> int | None:
        """The pid of the present server, None if there is none."""
        return self._server.pid if self._server is not None and self._server.serving else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a server running; `started()` once the first is ready. Raises WorkersError if that one never is.

        When cancelled, it ends the server and all jobs.
        """
        pause = FIRST_PAUSE_SECONDS

        def ready() -> None:
            self._put(server)
            self.starts += 1
            if self.starts == 1:
                task_status.started()

        while True:
            began = trio.current_time()
            server = ServerProcess(job=self._job, environment=self._environment, ffmpeg=self._ffmpeg)
            try:
                await server.run(ready)
            except WorkersError as error:
                if self.starts == 0:
                    raise
                log.error("the fork server does not start again", extra={"error": str(error)})  # noqa: TRY400 - expected
            finally:
                self._put(None)
            if trio.current_time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await trio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)

    def _put(self, server: ServerProcess | None) -> None:
        self._server = server
        self._changed.set()
        self._changed = trio.Event()

    async def _present(self) -> ServerProcess:
        """Wait for a server and return it."""
        while self._server is None or not self._server.serving:
            await self._changed.wait()
        return self._server

    @asynccontextmanager
    async def work(self, order: Order) -> AsyncIterator[ChildConversation]:
        """Run one order.

        Leaving the context, for whatever reason, ends the job and waits until nothing of it is running. Waits while
        there is no server. Raises WorkerLostError if the server dies before the child runs; the conversation raises it
        if that happens later.
        """
        server = await self._present()
        began = trio.current_time()
        ours, theirs = socket.socketpair()
        work: Work | None = None
        with theirs, trio.socket.from_stdlib_socket(ours) as conversation:
            try:
                work = await server.start(order.limits, theirs)
                theirs.close()  # otherwise the child's death would not end our file
                await work.begun.wait()
                await _expect_child(work)
                self._observe_start(trio.current_time() - began)
                stream = trio.SocketStream(conversation)
                with suppress(trio.BrokenResourceError):  # it died already: reading tells how
                    await stream.send_all(msgspec.json.encode(order) + b"\n")
                said = b"" if order.wall != "notify" else await self._take_listener(conversation, order)
                yield ChildConversation(work, stream, order.task, said)
            finally:
                conversation.close()
                if work is not None:
                    with trio.CancelScope(shield=True):
                        await server.stop(work)

    async def _take_listener(self, conversation: trio.socket.SocketType, order: Order) -> bytes:
        """Receive the listener of a child's notifications and hand it on; return what the child said behind it.

        A child that could not set its wall says why, in a message, and one that died says nothing.
        """
        try:
            said, ancillary, _, _ = await conversation.recvmsg(
                PACKET_BYTES, socket.CMSG_SPACE(_DESCRIPTOR_BYTES), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return b""
        for _, _, content in ancillary:
            listener = int.from_bytes(content[:_DESCRIPTOR_BYTES], sys.byteorder)
            if self._supervise is None or order.door is None:
                os.close(listener)  # nobody answers: each connect fails
            else:
                await self._supervise(order.door.token, listener)
        return said.removeprefix(LISTENER_BYTE)


async def _expect_child(work: Work) -> None:
    if work.lost:
        raise WorkerLostError("the fork server died before the job began")
    if not work.pid:
        await trio.sleep(NO_CHILD_PAUSE_SECONDS)
        raise WorkerLostError(work.exited.tail if work.exited else "there is no child")
