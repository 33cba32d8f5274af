"""One direction of a relayed connection: bytes from one socket to the other, in order, none kept longer than needed.

Downloads are moved by the kernel where it can (splice(2)), without a copy into this process. The pipe for that is
opened only once a connection has moved a MiB, and has 256 KiB: an unprivileged user may have 64 MiB of pipes in all
(pipe(7), pipe-user-pages-soft), and beyond that every new pipe of that user, the bot's and ffmpeg's, would be small.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from typing import Final

PIECE_BYTES: Final = 64 * 1024
PIPE_BYTES: Final = 256 * 1024
SPLICE_BYTES: Final = 1024 * 1024
"""What is asked of one splice: a pipe takes more than its size if the bytes lie in large pieces of memory."""
PIPE_AFTER_BYTES: Final = 1024 * 1024
_CAN_SPLICE: Final = hasattr(os, "splice")
_FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if _CAN_SPLICE else 0


class Flow:
    """Both sockets are non-blocking. `pull` and `push` raise OSError for the side that they use."""

    def __init__(self, source: socket.socket, target: socket.socket, *, heavy: bool, held: bytes = b"") -> None:
        """`heavy`: much may come this way. `held` is what came already."""
        self._source = source
        self._target = target
        self._heavy = heavy and _CAN_SPLICE
        self._held = memoryview(held)
        self._pipe: tuple[int, int] | None = None
        self._in_pipe = 0
        self.moved = 0
        """Bytes that went out."""
        self.ended = False
        """The source sends no more."""

    @property
    def waiting(self) -> bool:
        """Return whether something came that has not gone out yet; nothing more is pulled until it has."""
        return bool(self._held) or self._in_pipe > 0

    @property
    def is_piped(self) -> bool:
        """Return whether the kernel moves the bytes, because many have come."""
        return self._pipe is not None

    def pull(self) -> int:
        """Take what has come, if nothing waits. Return how many bytes that is. Raises OSError for a broken source."""
        if self._in_pipe or self._held or self.ended:
            return 0
        try:
            if self._pipe is not None:
                self._in_pipe = came = os.splice(self._source.fileno(), self._pipe[1], SPLICE_BYTES, flags=_FLAGS)
            else:
                self._held = memoryview(self._source.recv(PIECE_BYTES))
                came = len(self._held)
        except (BlockingIOError, InterruptedError):
            return 0
        self.ended = came == 0
        return came

    def push(self) -> None:
        """Send on what waits, as far as it goes. Raises OSError for a broken target."""
        try:
            while self._in_pipe:
                assert self._pipe is not None
                went = os.splice(self._pipe[0], self._target.fileno(), self._in_pipe, flags=_FLAGS)
                self._in_pipe -= went
                self.moved += went
            while self._held:
                went = self._target.send(self._held)
                self._held = self._held[went:]
                self.moved += went
        except (BlockingIOError, InterruptedError):
            return
        if self._heavy and self.moved >= PIPE_AFTER_BYTES and not self.waiting:
            self._open_pipe()

    def _open_pipe(self) -> None:
        self._heavy = False
        with suppress(OSError):  # out of descriptors: it goes on as before
            self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._pipe is not None:
            with suppress(OSError):  # EPERM: this user has many pipes already, and a small one does too
                fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def close(self) -> None:
        """Close the pipe; the sockets are not ours."""
        for end in self._pipe or ():
            os.close(end)
        self._pipe, self._in_pipe, self._held = None, 0, memoryview(b"")
