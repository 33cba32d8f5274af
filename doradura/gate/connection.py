"""One client's connection to the gate: handshake, opening, relay, and the events that its sockets are polled for.

Owns the states and what leads from one to the next. When the client ends, both sides are closed: HTTP clients never
half-close, and a server would else keep a dead worker's connection as long as it likes. When the site ends, what it
sent is delivered first. A site's reset comes out as a reset: an answer without a length would else look whole.

A large download rests once all that came is relayed: its site is not polled for a few milliseconds, so that more is
moved at once. Waking up once per packet cost twice as much CPU time as moving the bytes.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from contextlib import suppress
from typing import Final, Literal

from doradura.gate import socks
from doradura.gate.flow import PIPE_BYTES, Flow
from doradura.media.gatecontrol import OPENING_SECONDS, RESOLVING_SECONDS, GateReply

HANDSHAKE_SECONDS: Final = 5.0
ENDING_SECONDS: Final = 5.0
"""How long the client may take to read the rest and go, once the site has ended."""
EARLY_BYTES: Final = 64 * 1024
"""What a client may send before it is connected."""
REST_SECONDS: Final = 0.003
LONGEST_REST_SECONDS: Final = 0.016
"""For a slow site: what comes at 10 MB/s in that time is still less than a pipe."""
MOST_AT_ONCE_BYTES: Final = 1024 * 1024
"""Then the other connections have their turn."""
_RESET: Final = struct.pack("ii", 1, 0)

State = Literal["greeting", "login", "request", "opening", "relaying", "ending", "closed"]


class Connection:
    """A state machine: the server passes events of its sockets in, and asks which to poll for. Nothing here blocks."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.upstream: socket.socket | None = None
        self.state: State = "greeting"
        self.request: socks.Request | None = None
        self.deadline = time.monotonic() + HANDSHAKE_SECONDS
        """The monotonic time at which the present state has lasted too long; `relaying` may last for ever."""
        self.is_resolved = False
        """Set by the opening's thread."""
        self.token = b""
        """What the client logged in with, until it is answered."""
        self.watched: dict[socket.socket, int] = {}
        """The events that each socket is polled for; the server keeps them."""
        self.sent = 0
        self.received = 0
        self.rests_until = 0.0
        """The monotonic time at which `wake` is to be called; 0: it does not rest, so its site is polled."""
        self._rest_seconds = REST_SECONDS
        self._came = bytearray()
        self._out: Flow | None = None
        self._home: Flow | None = None

    def interest(self, sock: socket.socket) -> int:
        """Return the events that a socket is to be polled for (`selectors.EVENT_*`); 0 for none."""
        if self.state == "closed":
            return 0
        if self._out is None or self._home is None or self.state == "ending":
            waited_for = sock is self.client and len(self._came) < EARLY_BYTES
            return selectors.EVENT_READ if waited_for else 0
        ours, other = (self._out, self._home) if sock is self.client else (self._home, self._out)
        rests = self.rests_until and sock is self.upstream
        reading = 0 if ours.waiting or ours.ended or rests else selectors.EVENT_READ
        return reading | (selectors.EVENT_WRITE if other.waiting else 0)

    def ready(self, sock: socket.socket, events: int) -> None:
        """Handle a socket's events, without blocking. Does not raise: an error closes the connection."""
        if self._out is not None and self._home is not None and self.state == "relaying":
            self._relay(sock, events, self._out, self._home)
            return
        try:
            piece = self.client.recv(4096)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if not piece:
            self.close()
        elif self.state != "ending":
            self._came += piece
            self._shake()

    def _shake(self) -> None:
        """Read greeting and login, as far as they have come. The state is `request` once both are there."""
        try:
            if self.state == "greeting" and socks.read_greeting(self._came):
                self._say(socks.CHOSEN)
                self.state = "login"
            if self.state == "login" and (login := socks.read_login(self._came)) is not None:
                self.token = login
                self.state = "request"
        except socks.SocksError as error:
            self._say(error.reply)
            self.close()

    def admit(self, *, known: bool) -> None:
        """Answer the login; `known` is whether its token is a running job's. If not, close the connection."""
        self.token = b""
        self._say(socks.LOGIN_GOOD if known else socks.LOGIN_BAD)
        if not known:
            self.close()

    def read_request(self) -> None:
        """Read the request, if it has come whole. Then `request` is set, and the state is `opening`."""
        try:
            self.request = socks.read_request(self._came)
        except socks.SocksError as error:
            self._say(error.reply)
            self.close()
        if self.request is not None and self.state == "request":
            self.state = "opening"
            self.deadline = time.monotonic() + OPENING_SECONDS

    @property
    def overdue(self) -> float:
        """The monotonic time at which `time_out` is to be called."""
        if self.state == "opening" and not self.is_resolved:
            return self.deadline - OPENING_SECONDS + RESOLVING_SECONDS
        return self.deadline

    def time_out(self) -> GateReply | None:
        """End a state that has lasted too long. Return the reply that the client was sent; None if it was sent none."""
        if self.state != "opening":
            self.close()
            return None
        code = GateReply.TIMED_OUT if self.is_resolved else GateReply.RESOLVER_SILENT
        self.refuse(code)
        return code

    def refuse(self, code: GateReply) -> None:
        """Answer that there is no connection."""
        self._say(socks.reply(code))
        self.close()

    def connect(self, upstream: socket.socket) -> None:
        """Take the connection that was opened, and begin to relay."""
        upstream.setblocking(False)
        for sock in (self.client, upstream):
            with suppress(OSError):  # a proxy's is a local one
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream = upstream
        self._say(socks.reply(GateReply.DONE))
        if self.state == "closed":
            upstream.close()
            return
        self._out = Flow(self.client, upstream, heavy=False, held=bytes(self._came))
        self._home = Flow(upstream, self.client, heavy=True)
        self._came.clear()
        self.state = "relaying"

    def _relay(self, sock: socket.socket, events: int, out: Flow, home: Flow) -> None:
        try:
            if sock is self.client:
                out.pull()
                if out.ended:
                    self.close()
                    return
            elif events & selectors.EVENT_READ:
                self._fetch(home)
                if self.state != "relaying":
                    return
            if out.waiting:
                out.push()  # what breaks here is the site's side as well
        except OSError:
            # The client's own reset ends here too: nobody is there then to see ours.
            self.close(reset=True)
            return
        try:
            if home.waiting:
                home.push()
            if home.ended and not home.waiting:
                self._end()
        except OSError:
            self.close()

    def _fetch(self, home: Flow) -> None:
        """Relay what the site sent, and rest once nothing more is there. Raises OSError for the site's side.

        A read that fills no pipe does not mean that: a pipe also holds only so many packets, however small they are.
        """
        came = whole = home.pull()
        while came:
            try:
                home.push()
            except OSError:  # the client's side
                self.close()
                return
            if home.waiting or not home.is_piped or whole >= MOST_AT_ONCE_BYTES:
                return
            came = home.pull()
            whole += came
        if whole and not home.ended:
            if whole < PIPE_BYTES // 2:
                self._rest_seconds = min(LONGEST_REST_SECONDS, 2 * self._rest_seconds)
            elif whole > PIPE_BYTES:
                self._rest_seconds = max(REST_SECONDS, self._rest_seconds / 2)
            self.rests_until = time.monotonic() + self._rest_seconds

    def wake(self) -> None:
        """End a rest: take what came meanwhile, and rest again or be polled again."""
        self.rests_until = 0.0
        if self._out is not None and self._home is not None and self.upstream is not None:
            self._relay(self.upstream, selectors.EVENT_READ, self._out, self._home)

    def _end(self) -> None:
        """The site has sent all: let the client read it and go."""
        assert self.upstream is not None
        self.client.shutdown(socket.SHUT_WR)
        self.state = "ending"
        self.deadline = time.monotonic() + ENDING_SECONDS
        self._settle()
        self.upstream.close()

    def _say(self, answer: bytes) -> None:
        """A few bytes into an empty buffer always go; a client that is gone is noticed by its end."""
        if answer:
            with suppress(OSError):
                self.client.send(answer)

    def _settle(self) -> None:
        if self._out is not None and self._home is not None:
            self.sent, self.received = self._out.moved, self._home.moved
            self._out.close()
            self._home.close()

    def counted(self) -> tuple[int, int]:
        """Return the bytes that went out and came home so far."""
        if self.state == "relaying" and self._out is not None and self._home is not None:
            return self._out.moved, self._home.moved
        return self.sent, self.received

    def close(self, *, reset: bool = False) -> None:
        """Close both sides. `reset`: so that the client sees a broken connection and no end."""
        if self.state == "closed":
            return
        if self.state == "relaying":
            self._settle()
        self.state = "closed"
        if reset:
            with suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.client.close()
        if self.upstream is not None:
            self.upstream.close()
