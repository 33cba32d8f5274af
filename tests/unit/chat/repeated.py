"""Runs that come out the same each time: Trio shuffles its ready tasks, and here by a fixed seed.

The way is public: Trio registers its randomness with hypothesis (`hypothesis.register_random`), which seeds it before a
test, and pytest-trio has Trio put its tasks in a fixed order before it shuffles them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock


def run_repeatably(main: Callable[[], Awaitable[None]]) -> None:
    """Run in virtual time, in an order that is the same at each call."""

    @settings(
        max_examples=1,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.just(None))
    def once(_nothing: None) -> None:
        trio.run(main, clock=MockClock(autojump_threshold=0))

    once()
