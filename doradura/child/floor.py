"""The floor of speed: a transfer that a site drags out is ended, so that its place goes to somebody else.

Owns the figures, the measuring, and the one place where a job's process reads answers: `socket.SocketIO`, through which
http.client reads every status line, header and body, encrypted or not (yt-dlp's handlers in Python both use it). What
reads by itself (websockets, native code) is not seen. It must not know yt-dlp.

An answer's first byte is waited for by another rule than the rest. A server that makes a film when it is asked for is
silent for a minute and fine, and no speed says anything of it: that wait is not held to the floor. It is bounded twice
instead: a server that says nothing for a window and a quarter (75 s) ends the job at once, as too slow and not as the
network's fault, which would be tried twice more; and all first bytes of a job together have three windows, after which
they count like any waiting. A body that stops is another matter: its connection may be dead, so it is given up after
READ_SECONDS and the fetch goes on over a new one.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from doradura.media.protocol import FLOOR_SECONDS, READ_SECONDS

FLOOR_BYTES_PER_SECOND: Final = 4_000
_FIRST_BYTE_WINDOWS: Final = 1.25
"""How long one answer may take to begin, in windows of the floor."""
_PATIENCE_WINDOWS: Final = 3.0
"""How long all answers of a job together may take to begin before that counts, in windows of the floor."""
_PIECES: Final = 30
"""The window is kept in so many pieces: as they fill it slides."""
_BEGUN: Final = "_doradura_begun"
"""Set on an answer's file once something came. http.client makes a file for each answer."""


class TransferTooSlowError(BaseException):
    """A site sent less than the floor for the whole window.

    No Exception, because libraries take one of those for a fault of the connection and ask the same site again.
    """


class Floor:
    """Measures what a process gets while it waits for its sites, over the last `seconds` of such waiting.

    Only time spent in reads counts, of all connections together: pauses, conversions and idle kept-alive connections do
    not, and many slow small answers, one after the other, are as slow as one long one. For any number of threads.
    """

    def __init__(self, seconds: float = FLOOR_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._patience = seconds * _PATIENCE_WINDOWS
        """Seconds that are left for first bytes."""
        self._lock = threading.Lock()
        self._readers = 0
        self._since = 0.0
        """Up to when waiting was counted, while there are readers."""
        self._pieces: deque[tuple[float, int]] = deque([(0.0, 0)])
        """Seconds waited and bytes got, the newest last."""
        self._waited = 0.0
        self._got = 0

    def read(self, read: Callable[[], int | None]) -> int | None:
        """Do one read that returns a number of bytes.

        Raise TransferTooSlowError where the window is full and the site below the floor, also in place of the read's
        own OSError (a timeout). Any other exception of the read travels on: its time is counted, and not judged.
        """
        with self._lock:
            if self._readers == 0:
                self._since = self._clock()
            self._readers += 1
        got = None
        try:
            got = read()
        except OSError as error:
            self._count(0, error)
            raise
        except BaseException:
            self._count(0, None, judged=False)
            raise
        self._count(got or 0, None)
        return got

    def read_first(self, read: Callable[[], int | None]) -> int | None:
        """Do an answer's first read, and over again while it times out: the site may take its time to begin.

        Raise TransferTooSlowError where it does not, or where the job's first bytes have used up their time and the
        window is full. What the read raises but a timeout travels on.
        """
        waited = 0.0
        while True:
            patient, began = self._patience > 0, self._clock()
            try:
                return read() if patient else self.read(read)
            except TimeoutError as error:
                waited += min(self._clock() - began, READ_SECONDS)
                if waited >= self._seconds * _FIRST_BYTE_WINDOWS:
                    raise TransferTooSlowError(f"no answer in {waited:.0f} s of waiting for the site") from error
            finally:
                if patient:
                    with self._lock:
                        self._patience -= min(self._clock() - began, READ_SECONDS)

    def _count(self, got: int, error: OSError | None, *, judged: bool = True) -> None:
        with self._lock:
            now = self._clock()
            waited, self._since = min(now - self._since, READ_SECONDS), now
            self._readers -= 1
            seconds, received = self._pieces[-1]
            self._pieces[-1] = (seconds + waited, received + got)
            self._waited += waited
            self._got += got
            if self._pieces[-1][0] >= self._seconds / _PIECES:
                self._pieces.append((0.0, 0))
            while self._waited - self._pieces[0][0] >= self._seconds:
                seconds, received = self._pieces.popleft()
                self._waited -= seconds
                self._got -= received
            slow = self._waited >= self._seconds and self._got < FLOOR_BYTES_PER_SECOND * self._waited
        if slow and judged:
            raise TransferTooSlowError(
                f"{self._got} bytes in the last {self._waited:.0f} s of waiting for the site"
            ) from error


def hold(seconds: float = FLOOR_SECONDS) -> None:
    """Hold every answer this process reads to the floor from now on, for good."""
    floor = Floor(seconds)
    real = socket.SocketIO.readinto

    def readinto(self: socket.SocketIO, buffer: bytearray) -> int | None:
        def read() -> int | None:
            return real(self, buffer)

        def read_again() -> int | None:
            vars(self)["_timeout_occurred"] = False  # else a socket that timed out once refuses to be read
            return read()

        if vars(self).get(_BEGUN):
            return floor.read(read)
        got = floor.read_first(read_again)
        vars(self)[_BEGUN] = True
        return got

    socket.SocketIO.readinto = readinto  # type: ignore[method-assign,assignment]
