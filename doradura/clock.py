"""The wall clock. `app` hands it to every part that asks what time it is, so that a test hands in its own.

Stretches of time are measured with `trio.current_time()` instead: people set the wall clock, and it jumps.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns the time in milliseconds since 1970. It may go back from one call to the next; called in any thread."""


def wall_clock() -> int:
    """Return this machine's time: the Clock of the program."""
    return time.time_ns() // 1_000_000
