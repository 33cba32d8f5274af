"""Jobs that somebody recorded as cancelled: found by their rows, counted once, told once.

A cancelled job is found by the look at the rows, or by its run when that records an end of its own; whichever is first
takes it. It stays in `_met` until a look that began later finds it told.
"""

from __future__ import annotations

from collections.abc import Iterable

from doradura.downloads.counting import Counting
from doradura.storage import Storage, jobs


class Cancels:
    """The cancelled jobs whose end is not told yet."""

    def __init__(self, storage: Storage, counting: Counting) -> None:
        self._storage = storage
        self._counting = counting
        self._met: set[int] = set()

    def leave_out(self, left: Iterable[jobs.Job]) -> None:
        """Count none of those that a process before this one left untold."""
        self._met.update(job.job_id for job in left)

    def meet(self, job: jobs.Job) -> bool:
        """Count a job that is found to be cancelled; False when it was met before."""
        if job.job_id in self._met:
            return False
        self._met.add(job.job_id)
        self._counting.cancelled(job)
        return True

    async def look(self) -> list[jobs.Job]:
        """Return the cancelled jobs that were not met before. Raises StorageError."""
        known = frozenset(self._met)
        found = await self._storage.read(jobs.untold_cancels)
        self._met -= known - {job.job_id for job in found}
        return [job for job in found if self.meet(job)]
