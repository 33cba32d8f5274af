"""What the wall costs: the start of a job behind it against one without, to the child's last word.

The job is the one that does least, so that what is compared is the start alone: fork, order, limits, wall, guard, an
answer. It is timed from the bot, over the gate as every job is; the sides take turns.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import trio

from doradura.media.protocol import Limits, Order, SelfTest, WallKind
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate, GatedWorkers
from tests.bench.figures import Row, Series
from tests.bench.rig import RigError

STARTS: Final = 40
AIM_MS: Final = 1.0
KINDS: Final[tuple[WallKind, ...]] = ("hook", "notify", "port")
_LIMITS: Final = Limits(file_bytes=10**6, upload_bytes=10**6, cpu_seconds=60, memory_bytes=10**9, processes=16)


async def measure(runs: int, directory: Path) -> Row:
    """Start jobs behind each kind of wall, in turns."""
    row = Row()
    gate = Gate(environment=os.environ)
    workers = ForkWorkers(
        environment=os.environ, job="tests.bench.least_job:run_job", supervise=gate.supervise, ffmpeg="/bin/true"
    )
    took: dict[WallKind, list[float]] = {kind: [] for kind in KINDS}
    async with trio.open_nursery() as nursery:
        await nursery.start(gate.run)
        await nursery.start(workers.run)
        for _ in range(runs):
            turn: dict[WallKind, list[float]] = {kind: [] for kind in KINDS}
            for _ in range(STARTS):
                for kind in KINDS:
                    turn[kind].append(await _start(GatedWorkers(workers, gate, kind), directory))
            for kind in KINDS:
                took[kind].append(sorted(turn[kind])[STARTS // 2])
        nursery.cancel_scope.cancel()
    without = Series("without", took["hook"], "ms", 2)
    for kind in KINDS[1:]:
        row.compare(f"a job's start ({kind})", ours=Series("behind it", took[kind], "ms", 2), theirs=without)
        more = sorted(ours - theirs for ours, theirs in zip(took[kind], took["hook"], strict=True))[runs // 2]
        row.add("", f"{more:+.2f} ms a job")
        row.aim(f"less than {AIM_MS:g} ms more", met=more < AIM_MS)
    return row


async def _start(workers: GatedWorkers, directory: Path) -> float:
    """Run the least job; milliseconds from its order to its answer."""
    order = Order(job_id=1, task="selftest", directory=str(directory), limits=_LIMITS, ffmpeg="/bin/true")
    began = trio.current_time()
    async with workers.work(order) as conversation:
        async for message in conversation:
            if not isinstance(message, SelfTest):
                raise RigError(f"the least job says {message}")
            took = 1000 * (trio.current_time() - began)
    return took
