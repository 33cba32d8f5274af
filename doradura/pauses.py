"""How long this process did not run at all: stopped by a signal, frozen with its container, or its machine asleep.

A thread that only watches the clock is the witness. If it was late although the process used no processor time, nothing
of ours ran, and nothing of ours is to blame; if another thread blocks it by working, the processor time shows that. A
call that only blocks the event loop does not stop the witness.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

TICK_SECONDS = 0.1
LEAST_SECONDS = 0.5
"""A longer delay counts; a shorter one is a busy machine's ordinary lateness."""


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    cpu: float
    total: float


class Pauses:
    """Adds up the seconds in which this process did not run. `seconds` may be called from any thread."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._cpu = cpu
        self._over = threading.Event()
        self._mark = _Mark(clock(), cpu(), 0.0)
        """Replaced as a whole, and only by the witness, so that other threads read it without a lock."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the witness running until cancelled."""
        self.look()
        witness = threading.Thread(target=self._watch, name="pauses", daemon=True)
        witness.start()
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._over.set()
            witness.join()

    def _watch(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at the clocks once; called by the witness."""
        at, cpu = self._clock(), self._cpu()
        self._mark = _Mark(at, cpu, self._total(at, cpu))

    def seconds(self) -> float:
        """Return the sum of all pauses, including one that just ended and that the witness has not seen yet."""
        return self._total(self._clock(), self._cpu())

    def _total(self, at: float, cpu: float) -> float:
        mark = self._mark
        late = at - mark.at - TICK_SECONDS
        worked = cpu - mark.cpu
        return mark.total + (late - worked if late >= LEAST_SECONDS and worked < late / 2 else 0.0)
