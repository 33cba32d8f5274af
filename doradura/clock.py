"""The wall clock. `app` gives it to every part that asks for the time, so that a test can give its own.

Durations are measured with `trio.current_time()` instead: people set the wall clock, and it jumps.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns the time in milliseconds since 1970. It may go back between two calls, and is called in any thread."""


def wall_clock() -> int:
    """Return this machine's time: the program's Clock."""
    return time.time_ns() // 1_000_000
