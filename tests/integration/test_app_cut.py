"""The whole task tree, cancelled at any step of its start and of a busy moment: nothing left, nothing lost."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from doradura.app import App
from doradura.sandbox import Sandbox
from tests.integration.app_tools import (
    CutAtStep,
    Home,
    Person,
    free_port,
    make_media,
    nothing_left,
    person,
    sample,
    until,
)

SHORT_POINTS = 25
LONG_POINTS = 250
START_STEPS = 330
"""A few more than a first start takes; a point that lies behind the end of a start cuts the app at rest."""
BUSY_STEPS = 500
REST_SECONDS = 0.3


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


def points(last: int, count: int) -> list[int]:
    """Spread points over 1..last, dense at first: most of what is opened is opened early."""
    return sorted({max(1, round(last * (index / count) ** 1.3)) for index in range(1, count + 1)})


@asynccontextmanager
async def cut_at(app: App, at: int | None) -> AsyncIterator[CutAtStep]:
    """Run an app that is cancelled at a step counted from its first, or when the block ends."""
    with trio.CancelScope() as scope:
        cut = CutAtStep(scope)
        trio.lowlevel.add_instrument(cut)
        try:
            async with trio.open_nursery() as nursery:

                async def run(*, task_status: trio.TaskStatus[None]) -> None:
                    cut.arm(trio.lowlevel.current_task(), at)
                    await app.run(task_status=task_status)

                nursery.start_soon(nursery.start, run)
                yield cut
                scope.cancel()
        finally:
            trio.lowlevel.remove_instrument(cut)
