"""A wall-clock limit on work in a job's process, for what is a nicety: it ends in time whatever it waits for."""

from __future__ import annotations

import signal
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

    Only for the process's main thread, and not one in another.
    """

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeIsUpError(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
