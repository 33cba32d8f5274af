"""Finds the jobs whose rows say that they were cancelled. Each is counted once and its outcome is shown once.

A cancelled job is found either by `look` or by the running job itself when it records its own outcome; the first of
them counts it. The job stays in `_seen` until a later `look` finds that its outcome was shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from doradura.downloads.counting import OutcomeCounter
from doradura.storage import Storage, jobs


class Cancels:
    """The cancelled jobs whose outcome has not been shown yet."""

    def __init__(self, storage: Storage, counter: OutcomeCounter) -> None:
        self._storage = storage
        self._counter = counter
        self._seen: set[int] = set()

    def leave_out(self, left: Iterable[jobs.Job]) -> None:
        """Do not count these jobs: an earlier process counted them and did not show their outcome."""
        self._seen.update(job.job_id for job in left)

    def count_once(self, job: jobs.Job) -> bool:
        """Count a cancelled job. Return False if it was counted before."""
        if job.job_id in self._seen:
            return False
        self._seen.add(job.job_id)
        self._counter.cancelled(job)
        return True

    async def look(self) -> list[jobs.Job]:
        """Count and return the cancelled jobs that were not counted before. Raises StorageError."""
        known = frozenset(self._seen)
        found = await self._storage.read(jobs.untold_cancels)
        self._seen -= known - {job.job_id for job in found}
        return [job for job in found if self.count_once(job)]
