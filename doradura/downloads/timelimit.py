"""A wall-clock limit on work in a job's process, for what is a nicety: it ends in time whatever it waits for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_AGAIN_SECONDS: Final = 1.0
"""How soon the error is raised again where a library's cleaning up swallowed it."""


class TimeIsUpError(BaseException):
    """The limit was reached.

    No Exception, because libraries take a TimeoutError for a fault of the connection and ask the same site again.
    """


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError in what takes longer, a site's silence too.

    Only for the process's main thread. Inside another one that one's time runs on, and ends this one too.
    """

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeIsUpError(f"longer than {seconds:g} s")

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, over)
    outer_seconds, again_seconds = signal.getitimer(signal.ITIMER_REAL)
    seconds = min(seconds, outer_seconds) if outer_seconds else seconds
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer_seconds:
            left_seconds = max(outer_seconds - (time.monotonic() - began), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left_seconds, again_seconds)
