"""A wall-clock limit on optional work in a job's process: it ends in time whatever it waits for."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Final

_AGAIN_SECONDS: Final = 1.0
"""How soon the error is raised again if a library's clean-up swallowed it."""


class TimeIsUpError(BaseException):
    """The time limit was reached.

    It is not an Exception: libraries take a TimeoutError for a fault of the connection and ask the same site again.
    """


def at_most(seconds: float) -> AbstractContextManager[None]:
    """Raise TimeIsUpError in a block that takes longer, even during a site's silence; never in the code after it.

    Only for the process's main thread. Inside another limit, that one keeps running and ends this one too.
    """
    return _Limit(seconds)


class _Limit:
    """The limit, in force between `__enter__` and `__exit__`.

    A signal's handler runs between any two steps of Python's. If an alarm raised the error while the limit is being set
    up or removed, nobody would remove it, and it would be raised again each second in the code after it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = 0.0
        self._before: Any = None
        self._outer = (0.0, 0.0)

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._before = signal.signal(signal.SIGALRM, self._over)
        self._outer = signal.getitimer(signal.ITIMER_REAL)
        seconds = min(self._seconds, self._outer[0] or self._seconds)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN_SECONDS)

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)  # CPython first handles an alarm that has come (signalmodule.c)
        outer_seconds, again_seconds = self._outer
        if outer_seconds:
            left_seconds = max(outer_seconds - (time.monotonic() - self._began), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left_seconds, again_seconds)

    def _over(self, _number: int, frame: FrameType | None) -> None:
        """Raise in the work; at its edges do nothing, as the alarm comes again or is not wanted any more."""
        while frame is not None:
            if frame.f_code in _EDGES and frame.f_locals.get("self") is self:
                return
            frame = frame.f_back
        raise TimeIsUpError(f"longer than {self._seconds:g} s")


_EDGES: Final = frozenset({_Limit.__enter__.__code__, _Limit.__exit__.__code__})
