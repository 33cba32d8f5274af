"""Connections that are put into the place of those that a walled job wanted (seccomp user notification).

Owns the answer to one connect. The address that the job named is not even read: the job gets a connection to this gate.
So the listener, and not what the job says, tells which job a connection belongs to.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from doradura.wall import notification

_PAIR_SECONDS: Final = 1.0
_FOREIGNERS: Final = 16
_UNTOLD: Final = 64
"""How many calls a gate may have received whose numbers had not reached the bot when it died."""


class Pairs:
    """Makes pairs of TCP sockets that are connected to each other, by a listening socket of its own on loopback.

    They are no local sockets: clients ask for their peer's address and set TCP's options.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_FOREIGNERS)
        self._listener.settimeout(_PAIR_SECONDS)

    def make(self) -> tuple[socket.socket, socket.socket]:
        """Return both ends. Raises OSError."""
        theirs = socket.create_connection(self._listener.getsockname(), _PAIR_SECONDS)
        try:
            for _ in range(_FOREIGNERS):
                ours, address = self._listener.accept()
                if address == theirs.getsockname():
                    return ours, theirs
                ours.close()  # another program's, which knows of no job
        except OSError:
            theirs.close()
            raise
        theirs.close()
        raise OSError(errno.ECONNREFUSED, "others keep this gate's socket busy")

    def close(self) -> None:
        """Close the listening socket."""
        self._listener.close()


class StandIn:
    """Answers the connects of one job."""

    def __init__(
        self,
        listener: int,
        make: Callable[[], tuple[socket.socket, socket.socket]],
        *,
        received: Callable[[int], None],
        last: int | None,
    ) -> None:
        """Take over the listener of the job's notifications.

        `received` gets the number of each call before it is answered, and `last` is the last number that a gate before
        this one told of: the call that it died with fails, and its job connects again.
        """
        self.listener = listener
        self._make = make
        self._received = received
        if last is not None:
            for call_id in range(last, last + _UNTOLD):
                notification.give_up(listener, call_id)

    def take(self, *, full: bool) -> socket.socket | None:
        """Answer one connect that waits. Return our end of the connection that the job got; None if it got none.

        With `full`, the connect is refused. Raises EOFError when no process of the job is left.
        """
        call = notification.waiting(self.listener)
        if call is None:
            return None
        self._received(call.id)
        if full:
            notification.answer(self.listener, call, errno.ECONNREFUSED)
            return None
        try:
            return self._put(call)
        except OSError as error:
            notification.answer(self.listener, call, error.errno or errno.ECONNREFUSED)
            return None

    def _put(self, call: notification.Call) -> socket.socket:
        flags = notification.flags_of(call)
        ours, theirs = self._make()
        try:
            theirs.setblocking(not flags.nonblocking)  # both processes have the same flag now
            notification.put(self.listener, call, theirs.fileno(), close_on_exec=flags.close_on_exec)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        notification.answer(self.listener, call)
        return ours

    def close(self) -> None:
        """Let go of the job: from here on, its connects are answered by nobody."""
        os.close(self.listener)
