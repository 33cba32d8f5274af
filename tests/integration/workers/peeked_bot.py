"""A bot of which only the workers are there: runs one order of the job `peek` and prints what that saw.

Arguments: the job's directory, and `closed` or `open` for the bot's memory. A process that root's capabilities would
let read everything gives them up first, for itself and all it starts.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import trio

from doradura.media.protocol import Limits, Order, Result
from doradura.memory import close_memory
from doradura.workers.fork import ForkWorkers

_PR_CAPBSET_DROP = 24


def main() -> None:
    """Drop capabilities, which takes an exec; then close the memory or not, and run the order."""
    directory, memory, *dropped = sys.argv[1:]
    if os.geteuid() == 0 and not dropped:
        libc = ctypes.CDLL(None)
        for capability in range(64):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.execv(sys.executable, [sys.executable, *sys.argv, "dropped"])
    if memory == "closed":
        assert close_memory()
    trio.run(_peek, directory)


async def _peek(directory: str) -> None:
    limits = Limits(file_bytes=10**6, upload_bytes=10**6, cpu_seconds=20, memory_bytes=10**9, processes=5)
    order = Order(job_id=1, task="download", directory=directory, url="peek", limits=limits, ffmpeg="/bin/true")
    workers = ForkWorkers(environment={**os.environ, "PYTHONPATH": str(Path(__file__).parent)}, job="nasty_job:run_job")
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        async with workers.work(order) as conversation:
            said = [message async for message in conversation]
        assert isinstance(said[-1], Result), said
        print(said[-1].title, len(os.listdir("/proc/self/fd")) > 3)  # noqa: T201, PTH208
        nursery.cancel_scope.cancel()


main()
