"""The program's own ids: 63-bit integers that grow with time, so that an index on them is an index on age.

The database makes no ids (no autoincrement), so that an id is known before its row is stored and several instances can
make ids at the same time.
"""

from __future__ import annotations

import secrets
import threading

from doradura.clock import Clock

_RANDOM_BITS = 21


class IdMaker:
    """Makes ids of 42 bits of milliseconds and 21 random bits. They grow strictly within one process.

    It may be called in any thread. When the clock jumps back, ids continue from the last one: the order is kept, and
    the time in them is wrong until the clock has caught up.
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
        """Make only greater ids from now on, so that the order is kept if the clock was set back before this start."""
        with self._making:
            self._last = max(self._last, number)
