from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from doradura.media.protocol import Limits, Order
from doradura.workers.fork import ForkWorkers

HERE = str(Path(__file__).parent)
NewOrder = Callable[..., Order]


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a bot whose jobs can import the modules of this folder."""
    return {**os.environ, "PYTHONPATH": HERE, "DORADURA_TELEGRAM_TOKEN": "1:secret", "http_proxy": "http://192.0.2.1"}


@pytest.fixture
async def workers(nursery: trio.Nursery, environment: dict[str, str]) -> ForkWorkers:
    """A running fork server whose jobs are those of nasty_job.py."""
    workers = ForkWorkers(environment=environment, job="nasty_job:run_job")
    await nursery.start(workers.run)
    return workers


@pytest.fixture
def gone() -> Callable[[int], Awaitable[None]]:
    """Wait until the process of that pid has ended."""

    async def wait(pid: int) -> None:
        try:
            held = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            await trio.lowlevel.wait_readable(held)
        finally:
            os.close(held)

    return wait


@pytest.fixture
def new_order(tmp_path: Path) -> NewOrder:
    """Make an order with a directory of its own; limits by keyword."""
    count = 0

    def make(url: str, *, task: str = "download", allowed: tuple[str, ...] = (), **limits: int) -> Order:
        nonlocal count
        count += 1
        directory = tmp_path / str(count)
        directory.mkdir()
        figures = {
            "file_bytes": 10_000_000,
            "upload_bytes": 10_000_000,
            "cpu_seconds": 60,
            "memory_bytes": 400_000_000,
            "processes": 20,
        }
        return Order(
            job_id=count,
            task=task,  # type: ignore[arg-type]  # the tests' words are the protocol's
            directory=str(directory),
            url=url,
            limits=Limits(**{**figures, **limits}),
            ffmpeg="/bin/true",
            allowed_private=allowed,
        )

    return make
