"""The gate's conversation with the bot: a line of JSON each way, and descriptors that come with some lines.

Owns the control socket; the gate ends when the bot's side of it closes. Sending never blocks: what the socket's buffer
has no room for is sent as soon as it has.
"""

from __future__ import annotations

import json
import selectors
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

_LINE_BYTES: Final = 64 * 1024
_DESCRIPTORS: Final = 16


class Control:
    """The conversation, in the gate's loop. `obey` gets each message from the bot."""

    def __init__(
        self, sock: socket.socket, selector: selectors.BaseSelector, obey: Callable[[dict[str, Any]], None]
    ) -> None:
        self._socket = sock
        self._selector = selector
        self._obey = obey
        self._told = bytearray()
        self._saying = bytearray()
        self._came: deque[int] = deque()
        self.is_open = True
        """False once the bot has closed its side."""

    def start(self) -> None:
        """Register the socket with the loop's selector: messages are read from now on."""
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self._converse)

    def say(self, said: dict[str, Any]) -> None:
        """Send a message to the bot."""
        self._saying += json.dumps(said).encode() + b"\n"
        self._go_on_saying()

    def take_descriptor(self) -> int | None:
        """Return the next descriptor that came; None if the kernel dropped it because this process has too many."""
        return self._came.popleft() if self._came else None

    def _converse(self) -> None:
        if self._saying:
            self._go_on_saying()
        self._hear()

    def _hear(self) -> None:
        try:
            piece, came, _, _ = socket.recv_fds(self._socket, _LINE_BYTES, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            piece, came = b"", []
        self._came += came
        if not piece:
            self.is_open = False
            return
        self._told += piece
        while (end := self._told.find(b"\n")) >= 0:
            line = bytes(self._told[:end])
            del self._told[: end + 1]
            self._obey(json.loads(line))

    def _go_on_saying(self) -> None:
        try:
            del self._saying[: self._socket.send(self._saying)]
        except BlockingIOError:
            pass
        except OSError:  # the bot is gone, which the next read tells
            self._saying.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._saying else 0)
        self._selector.modify(self._socket, events, self._converse)
