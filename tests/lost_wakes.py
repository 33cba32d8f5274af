"""Lets tests lose the wakes of topics, and checks how soon the parts notice a change without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from doradura.storage import Topic
from tests.wiring import World


def losses(*topics: Topic) -> pytest.MarkDecorator:
    """Return a mark that runs a test without a loss, with the loss of each topic's wakes, and with the loss of all."""
    each = {topic.value: frozenset({topic}) for topic in topics}
    lost: dict[str, frozenset[Topic]] = {"none": frozenset(), **each, "all": frozenset(Topic)}
    return pytest.mark.parametrize("lost", list(lost.values()), ids=list(lost))


@contextmanager
def within(world: World, lost: frozenset[Topic], period_seconds: float) -> Iterator[None]:
    """Lose these wakes from here on, and check that the block takes at most one period, or no time without a loss.

    Enter it between two periods: at a multiple of the period, the parts read their rows without a wake.
    """
    world.storage.lost = set(lost)
    began = trio.current_time()
    yield
    assert trio.current_time() - began <= (period_seconds if lost else 0)
