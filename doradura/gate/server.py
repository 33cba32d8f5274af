"""The gate's loop: takes connections, knows jobs by their tokens, opens what may be opened, relays.

One thread and a poll loop: relaying is a few system calls without a wait, so that a thread a direction would cost
stacks and switches and buy nothing, and what all connections share needs no lock. Only what blocks and can't be told
not to, a look-up of the C library's and the connecting behind it, is done in threads: so many at most, so many of one
job, so that a resolver that never answers costs its own jobs their connections and nobody else's. It must not import
Trio: the gate is to be small and to be there within a tenth of a second.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any, Final

from doradura.gate.connection import Connection
from doradura.gate.control import Control
from doradura.gate.job import REMEMBERED, Job
from doradura.gate.opening import Opener, OpeningError, Rules
from doradura.gate.standing_in import Pairs, StandIn
from doradura.gate.ways import Way
from doradura.media.addresses import AllowedPrivate
from doradura.media.gatecontrol import CONNECTIONS_OF_ONE_JOB, GateReply

log = logging.getLogger(__name__)

OPENING_OF_ONE_JOB: Final = 8
OPENING_AT_ONCE: Final = 256
"""More than all jobs of a usual installation may have: names that a silent resolver holds up delay no other job."""
STRANGERS: Final = 256
"""Connections that have not logged in; beyond this number the oldest are closed."""
_LOOK_SECONDS: Final = 0.25
_NO_DESCRIPTORS_SECONDS: Final = 0.2


class GateServer:
    """Serves one listening socket until the control socket ends. `run` is its life."""

    def __init__(self, listener: socket.socket, control: socket.socket, opener: Opener | None = None) -> None:
        self._listener = listener
        self._opener = opener or Opener()
        self._selector = selectors.DefaultSelector()
        self._control = Control(control, self._selector, self._obey)
        self._jobs: dict[bytes, Job] = {}
        self._owners: dict[Connection, Job] = {}
        self._connections: set[Connection] = set()
        self._strangers: dict[Connection, None] = {}
        """In the order in which they came."""
        self._timed: set[Connection] = set()
        self._resting: dict[Connection, float] = {}
        """When each is to be woken."""
        self._waiting: deque[Connection] = deque()
        self._opening = 0
        self._opened: deque[tuple[Connection, Job, socket.socket | OpeningError]] = deque()
        """From the threads to the loop; a deque's two ends are safe without a lock."""
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._deaf_until = 0.0
        self._pairs = Pairs()

    def run(self) -> None:
        """Serve. Returns when the bot is gone; what is open is closed then."""
        self._listener.setblocking(False)
        self._control.start()
        self._selector.register(self._woken, selectors.EVENT_READ, self._take_opened)
        while self._control.is_open:
            for key, events in self._selector.select(self._longest_wait()):
                if isinstance(key.data, Connection):
                    assert isinstance(key.fileobj, socket.socket)
                    self._go_on(key.data, key.fileobj, events)
                else:
                    key.data()
            self._look()
        for connection in list(self._connections):
            connection.close()

    def close(self) -> None:
        """Let go of what is the loop's own, after `run`."""
        self._selector.close()
        self._pairs.close()
        for job in self._jobs.values():
            if job.stand_in is not None:
                job.stand_in.close()
        os.close(self._woken)
        os.close(self._wake)

    def _longest_wait(self) -> float | None:
        """Return the seconds until something is due although no socket is ready, None if nothing is."""
        wait = _LOOK_SECONDS if self._timed or self._deaf_until else None
        if not self._resting:
            return wait
        rest = max(0.0, min(self._resting.values()) - time.monotonic())
        return rest if wait is None else min(rest, wait)

    def _obey(self, told: dict[str, Any]) -> None:
        match told["op"]:
            case "job":
                way = None if told["way"] is None else Way.parse(told["way"])
                direct = AllowedPrivate.parse(told["direct"])
                rules = Rules(AllowedPrivate.parse(told["allowed"]), way, direct)
                self._jobs[told["token"].encode()] = Job(told["job"], rules)
            case "notify":
                listener = self._control.take_descriptor()
                if listener is not None:
                    self._stand_in(told["token"], listener, told["last"])
                else:  # one job waits, and not everybody
                    log.error("no descriptor to be had for the connects of a job")
            case "end":
                self._end(told["token"])
            case "ping":
                self._control.say({"op": "pong"})
            case "serve":
                self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
                self._control.say({"op": "serving"})

    def _end(self, token: str) -> None:
        job = self._jobs.pop(token.encode(), None)
        if job is None:
            return
        job.over = True
        self._stand_down(job)
        for connection in list(job.open):
            connection.close()
            self._settle(connection)
        self._control.say({"op": "ended", **job.account()})

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError as error:  # out of descriptors: whoever waits is taken when there are some again
            log.error("no connection can be taken: %s", error)  # noqa: TRY400 - no surprise
            self._selector.unregister(self._listener)
            self._deaf_until = time.monotonic() + _NO_DESCRIPTORS_SECONDS
            return
        connection = self._add(client)
        self._strangers[connection] = None
        if len(self._strangers) > STRANGERS:
            oldest = next(iter(self._strangers))
            oldest.close()
            self._settle(oldest)
        self._watch(connection, client)

    def _add(self, client: socket.socket) -> Connection:
        client.setblocking(False)
        connection = Connection(client)
        self._connections.add(connection)
        self._timed.add(connection)
        return connection

    def _stand_in(self, token: str, listener: int, last: int | None) -> None:
        def received(call_id: int) -> None:
            self._control.say({"op": "received", "token": token, "call": call_id})

        job = self._jobs.get(token.encode())
        stand_in = StandIn(listener, self._pairs.make, received=received, last=last)
        if job is None or job.stand_in is not None:
            stand_in.close()
            return
        job.stand_in = stand_in
        self._selector.register(listener, selectors.EVENT_READ, partial(self._notified, job, stand_in))

    def _stand_down(self, job: Job) -> None:
        if job.stand_in is not None:
            self._selector.unregister(job.stand_in.listener)
            job.stand_in.close()
            job.stand_in = None

    def _notified(self, job: Job, stand_in: StandIn) -> None:
        """Answer a connect of a job's. Its barrier: what nobody thought of ends this job's connects alone."""
        if job.stand_in is not stand_in:  # it ended in this very round
            return
        full = len(job.open) >= 2 * CONNECTIONS_OF_ONE_JOB  # those over the bound itself are told so, by SOCKS
        try:
            client = stand_in.take(full=full)
        except EOFError:
            self._stand_down(job)
            return
        except Exception:  # the barrier named above
            log.exception("a connect could not be answered")
            self._stand_down(job)
            return
        if full:
            job.refuse(GateReply.TOO_MANY, "many more connections than one job may have")
        if client is not None:
            connection = self._add(client)
            job.open.add(connection)
            self._owners[connection] = job
            self._watch(connection, client)

    def _go_on(self, connection: Connection, sock: socket.socket | None, events: int) -> None:
        """Let a connection go on; `sock` is None at the end of a rest. Its barrier: what breaks one breaks no other."""
        try:
            if sock is None:
                connection.wake()
                if connection.rests_until:  # nothing else changed: no socket is to be watched otherwise
                    self._resting[connection] = connection.rests_until
                    return
            else:
                self._advance(connection, sock, events)
        except Exception:  # the barrier named above
            log.exception("a connection broke")
            connection.close()
        self._settle(connection)

    def _advance(self, connection: Connection, sock: socket.socket, events: int) -> None:
        connection.ready(sock, events)
        if connection.state == "request":
            if connection.token:
                self._admit(connection, self._jobs.get(connection.token))
            connection.read_request()
            job = self._owners.get(connection)
            if connection.request is not None and job is not None:
                self._open(connection, job)

    def _admit(self, connection: Connection, job: Job | None) -> None:
        """Let a connection in by its token. One that stands in for a job's own is let in by that job's token alone."""
        self._strangers.pop(connection, None)
        owner = self._owners.get(connection)
        if owner is not None and owner is not job:
            job = None
        connection.admit(known=job is not None)
        if job is not None:
            job.open.add(connection)
            self._owners[connection] = job

    def _open(self, connection: Connection, job: Job) -> None:
        if len(job.open) > CONNECTIONS_OF_ONE_JOB:
            job.refuse(GateReply.TOO_MANY, "more connections than a job may have")
            connection.refuse(GateReply.TOO_MANY)
            return
        assert connection.request is not None
        job.connections += 1
        if len(job.hosts) < REMEMBERED:
            job.hosts[connection.request.host] = None
        self._waiting.append(connection)
        self._start_openings()

    def _start_openings(self) -> None:
        for _ in range(len(self._waiting)):
            if self._opening >= OPENING_AT_ONCE:
                return
            connection = self._waiting.popleft()
            job = self._owners.get(connection)
            if connection.state != "opening" or job is None:
                continue
            if job.opening >= OPENING_OF_ONE_JOB:
                self._waiting.append(connection)
                continue
            try:
                threading.Thread(target=self._open_in_thread, args=(connection, job), daemon=True).start()
            except RuntimeError:  # no thread to be had
                self._waiting.append(connection)
                return
            self._opening += 1
            job.opening += 1

    def _open_in_thread(self, connection: Connection, job: Job) -> None:
        """Open, in a thread. Its barrier: whatever goes wrong is this connection's end alone."""

        def resolved_now() -> None:
            connection.is_resolved = True

        assert connection.request is not None
        end: socket.socket | OpeningError
        try:
            end = self._opener.open(connection.request, job.rules, resolved_now)
        except OpeningError as error:
            end = error
        except Exception as error:  # the barrier named above
            log.exception("a connection could not be opened")
            end = OpeningError(GateReply.FAILED, repr(error))
        self._opened.append((connection, job, end))
        with suppress(OSError):  # full, so the loop wakes anyway; or closed, so there is nobody to be woken
            os.write(self._wake, b"x")

    def _take_opened(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        while self._opened:
            connection, job, end = self._opened.popleft()
            self._opening -= 1
            job.opening -= 1
            is_waited_for = connection.state == "opening"
            if isinstance(end, OpeningError):
                if is_waited_for:
                    job.refuse(end.reply, str(end))
                    connection.refuse(end.reply)
            elif is_waited_for and not job.over:
                connection.connect(end)
                job.outcomes["connected"] += 1
            else:
                end.close()
            self._settle(connection)
        self._start_openings()

    def _look(self) -> None:
        """Do what is due: accept again, end rests, end what has lasted too long."""
        now = time.monotonic()
        if self._deaf_until and now >= self._deaf_until:
            self._deaf_until = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        for connection in [each for each, until in self._resting.items() if now >= until]:
            del self._resting[connection]
            self._go_on(connection, None, 0)
        for connection in [each for each in self._timed if now >= each.overdue]:
            code, job = connection.time_out(), self._owners.get(connection)
            if code is not None and job is not None and connection.request is not None:
                job.refuse(code, f"{connection.request.host!r:.200}: {code.name.lower().replace('_', ' ')}")
            self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Update the timers and polled events of a connection after its state may have changed; forget a closed one."""
        if connection.state == "closed":
            self._forget(connection)
            return
        if connection.state == "relaying":
            self._timed.discard(connection)
            if connection.rests_until:
                self._resting[connection] = connection.rests_until
        elif connection.state == "ending":
            self._timed.add(connection)
        self._watch(connection, connection.client)
        if connection.upstream is not None:
            self._watch(connection, connection.upstream)

    def _forget(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._timed.discard(connection)
        self._resting.pop(connection, None)
        self._strangers.pop(connection, None)
        for sock in connection.watched:
            with suppress(KeyError, ValueError):
                self._selector.unregister(sock)
        job = self._owners.pop(connection, None)
        if job is not None:
            job.open.discard(connection)
            sent, received = connection.counted()
            job.sent += sent
            job.received += received

    def _watch(self, connection: Connection, sock: socket.socket) -> None:
        wanted = connection.interest(sock)
        known = connection.watched.get(sock, 0)
        if wanted == known:
            return
        if not known:
            self._selector.register(sock, wanted, connection)
        elif not wanted:
            self._selector.unregister(sock)
        else:
            self._selector.modify(sock, wanted, connection)
        connection.watched[sock] = wanted
