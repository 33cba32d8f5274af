"""Ids made by us: 63-bit integers that grow with time, so that an index on them is an index on age.

The database makes none of its own (no autoincrement), so that an id is known before the row is stored and several
instances can make them side by side.
"""

from __future__ import annotations

import secrets
import threading

from doradura.clock import Clock

_RANDOM_BITS = 21


class IdMaker:
    """Makes ids: 42 bits of milliseconds, then 21 random bits; strictly growing within one process.

    Called in any thread: jobs get theirs in the event loop, what a change stores gets it in the writer's.
    When the clock jumps back, ids go on from the last one: order is kept, the time inside is then late by the jump.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._making = threading.Lock()

    def new(self) -> int:
        """Return the next id."""
        made = (self._clock() << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._making:
            self._last = max(made, self._last + 1)
            return self._last

    def go_on_after(self, number: int) -> None:
        """Make only greater ids from now on: a clock that went back between two processes keeps the order too."""
        with self._making:
            self._last = max(self._last, number)
