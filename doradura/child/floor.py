"""The floor of speed: ends a transfer that a site drags out, so that its worker slot goes to somebody else.

Owns the limits, the measuring, and the one place where a job's process reads answers: `socket.SocketIO`, through which
http.client reads every status line, header and body, encrypted or not (yt-dlp's Python handlers all use it). Code that
reads by other means is not covered, unless it counts itself (`impersonating` does, websockets don't). It must not know
yt-dlp. The wait for an answer's first byte has its own rule. A server that makes a film on request may be silent for a
minute, which says nothing about its speed: that wait does not count against the floor. It has two bounds instead. A
server that says nothing for a window and a quarter (75 s) ends the job at once, as too slow and not as a network fault,
which would be retried twice. And all first bytes of a job together have three windows, after which they count like any
waiting. A body that stops is different: its connection may be dead, so it is given up after READ_SECONDS and the fetch
continues over a new one.
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
"""The window consists of this many pieces; it slides as they fill."""
_BEGUN: Final = "_doradura_begun"
"""Set on an answer's file once something has arrived. http.client makes a file for each answer."""


class TransferTooSlowError(BaseException):
    """A site sent less than the floor over the whole window.

    It is not an Exception: libraries would take that for a fault of the connection and ask the same site again.
    """


class Floor:
    """Measures what a process receives while it waits for its sites, over the last `seconds` of such waiting.

    Only time spent in reads counts, of all connections together. Pauses, conversions and idle kept-alive connections do
    not count, and many slow small answers in a row are as slow as one long one. Safe for any number of threads.
    """

    def __init__(self, seconds: float = FLOOR_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._patience = seconds * _PATIENCE_WINDOWS
        """Seconds left for first bytes, in which at least one answer was waited for."""
        self._first_readers = 0
        self._first_since = 0.0
        self._lock = threading.Lock()
        self._readers = 0
        self._since = 0.0
        """Until when waiting has been counted, while there are readers."""
        self._pieces: deque[tuple[float, int]] = deque([(0.0, 0)])
        """Seconds waited and bytes received, the newest last."""
        self._waited = 0.0
        self._got = 0

    def read(self, read: Callable[[], int | None]) -> int | None:
        """Do one read that returns a number of bytes.

        Raises TransferTooSlowError if the window is full and the site below the floor, even in place of the read's own
        OSError (a timeout). Any other exception of the read is raised unchanged: its time is counted but not judged.
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
        """Do an answer's first read, repeating it while it times out: the site may take its time to begin.

        Raises TransferTooSlowError if it does not begin in time, or if the job's first bytes have used up their time
        and the window is full. Any error of the read but a timeout is raised unchanged.
        """
        waited = 0.0
        while True:
            patient, began = self._patience > 0, self._clock()
            if patient:
                self._count_first(1)
            try:
                return read() if patient else self.read(read)
            except TimeoutError as error:
                waited += min(self._clock() - began, READ_SECONDS)
                if waited >= self._seconds * _FIRST_BYTE_WINDOWS:
                    raise TransferTooSlowError(f"no answer in {waited:.0f} s of waiting for the site") from error
            finally:
                if patient:
                    self._count_first(-1)

    def _count_first(self, change: int) -> None:
        """Count one more or one less who waits for a first byte. Time in which several wait counts once."""
        with self._lock:
            now = self._clock()
            if self._first_readers:
                self._patience -= min(now - self._first_since, READ_SECONDS)
            self._first_readers += change
            self._first_since = now

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


def hold(seconds: float = FLOOR_SECONDS) -> Floor:
    """Hold every answer that this process reads to the floor, from now on and for good.

    It is returned for what reads by other means.
    """
    floor = Floor(seconds)
    real = socket.SocketIO.readinto

    def readinto(self: socket.SocketIO, buffer: bytearray) -> int | None:
        def read() -> int | None:
            return real(self, buffer)

        def read_again() -> int | None:
            vars(self)["_timeout_occurred"] = False  # otherwise a socket that timed out once refuses to be read
            return read()

        if vars(self).get(_BEGUN):
            return floor.read(read)
        got = floor.read_first(read_again)
        vars(self)[_BEGUN] = True
        return got

    socket.SocketIO.readinto = readinto  # type: ignore[method-assign,assignment]
    return floor
