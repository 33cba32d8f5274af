"""An upper limit of time for what blocks, in the main thread of a job's process."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class TimeLimit:
    """Whether the time was up: what is raised in a library's depth may come out as an error of its own."""

    over: bool = False


@contextmanager
def at_most(seconds: float) -> Iterator[TimeLimit]:
    """Raise TimeoutError in what takes longer, a site's silence too. Inside another one, that one's time runs on."""
    limit = TimeLimit()

    def over(_number: int, _frame: FrameType | None) -> None:
        limit.over = True
        raise TimeoutError(f"longer than {seconds} s")

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, over)
    outer_seconds, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield limit
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer_seconds:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer_seconds - (time.monotonic() - began)))
