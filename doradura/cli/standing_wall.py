"""Finds out for `check` which wall stands around workers, with a fork server and a gate of its own."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from doradura.startup import StartupError
from doradura.workers.choice import make_workers
from doradura.workers.fork import environment_for_jobs
from doradura.workers.gate import Gate, GatedWorkers
from doradura.workers.wall import Standing, find_wall


async def standing_wall(ffmpeg: str, data_dir: Path) -> Standing:
    """Return the wall that stands here; where workers do not start, none does. Raises OSError for the directory."""
    environment = dict(os.environ)
    gate = Gate(environment=environment_for_jobs(environment))
    children = make_workers(environment, lambda _seconds: None, gate.supervise, ffmpeg)
    found: Standing | None = None
    failures: list[str] = []
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(gate.run)
            await nursery.start(children.run)
            found = await find_wall(lambda kind: GatedWorkers(children, gate, kind), ffmpeg, data_dir)
            nursery.cancel_scope.cancel()
    except* StartupError as group:
        failures += [str(error) for error in group.exceptions]
    return found or Standing("hook", "; ".join(failures))
