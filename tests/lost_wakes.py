"""Losing wakes in tests: what still goes on without them, and how soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from doradura.storage import Topic
from tests.wiring import World


def losses(*topics: Topic) -> pytest.MarkDecorator:
    """Run a test without a loss, with one topic's wakes lost after the other, and with all of them lost."""
    each = {topic.value: frozenset({topic}) for topic in topics}
    lost: dict[str, frozenset[Topic]] = {"none": frozenset(), **each, "all": frozenset(Topic)}
    return pytest.mark.parametrize("lost", list(lost.values()), ids=list(lost))


@contextmanager
def within(world: World, lost: frozenset[Topic], period_seconds: float) -> Iterator[None]:
    """Lose these wakes from here on. What follows takes a period at most, and no time where none is lost.

    To be begun between two looks: at a multiple of the periods a look comes by itself.
    """
    world.storage.lost = set(lost)
    began = trio.current_time()
    yield
    assert trio.current_time() - began <= (period_seconds if lost else 0)
