"""A gate, and a fork server whose children it serves, running together as they do in the bot."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from doradura.media.forkcontrol import DEFAULT_JOB
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate


@asynccontextmanager
async def gate_and_workers(
    *, environment: Mapping[str, str] = os.environ, job: str = DEFAULT_JOB, **of_gate: Any
) -> AsyncIterator[tuple[Gate, ForkWorkers]]:
    """Run both until the block is left. `environment` and `job` are the workers'; the rest is for `Gate`."""
    gate = Gate(environment=os.environ, **of_gate)
    workers = ForkWorkers(environment=environment, job=job, supervise=gate.supervise)
    async with trio.open_nursery() as nursery:
        await nursery.start(gate.run)
        await nursery.start(workers.run)
        yield gate, workers
        nursery.cancel_scope.cancel()
