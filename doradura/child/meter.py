"""How far a conversion has come, by what ffmpeg reports."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from doradura.media.protocol import MOST_SECONDS, Progress

TOLD_SECONDS = 0.5
FIRST_GUESS_SECONDS = 2.0
"""Before this nobody can say how long it will take."""


class Meter:
    """Reports the finished share and the time left of a conversion of known length; of any other, nothing."""

    def __init__(
        self,
        emit: Callable[[Progress], None],
        begun: Progress,
        length_seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`begun` is the message sent when the conversion began; every report is based on it."""
        self._emit = emit
        self._begun = begun
        self._length = length_seconds
        self._clock = clock
        self._started = self._told = clock()

    def __call__(self, done_seconds: float) -> None:
        """Take how many seconds of the product exist."""
        now = self._clock()
        if not self._length or done_seconds <= 0 or now - self._told < TOLD_SECONDS:
            return
        self._told = now
        share = min(1.0, done_seconds / self._length)
        passed = now - self._started
        left = min(MOST_SECONDS, passed * (1 - share) / share) if passed >= FIRST_GUESS_SECONDS else None
        self._emit(msgspec.structs.replace(self._begun, share=share, seconds_left=left))
