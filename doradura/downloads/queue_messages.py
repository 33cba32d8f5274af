"""Shows waiting users that their job is in the queue, and how many jobs are before it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import trio

from doradura.downloads.board import Board, rounded
from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.stages import Paced, Paused, Starting, Waiting
from doradura.downloads.worker_slots import WorkerSlots
from doradura.storage import Change, Connection, Storage, StorageError, Topic, jobs

PERIOD_SECONDS = 5.0
"""How often new jobs are looked for when no topic wakes this part: people wait for the first message."""
SHOWN = 30
"""How many waiting jobs have their position updated: each update is an edit, and Telegram counts those."""
MOST = 100_000
"""A limit larger than any queue."""

log = logging.getLogger(__name__)


class QueueMessages:
    """Shows waiting jobs. While `queue_lock` is held, no job is claimed from the queue or put back into it."""

    def __init__(
        self,
        storage: Storage,
        board: Board,
        worker_slots: WorkerSlots,
        breakers: SiteBreakers,
        queue_lock: trio.Lock,
        *,
        paced: Callable[[], Change[dict[int, float]]],
    ) -> None:
        """`paced` returns the query of the jobs that wait for their site's pace, and for about how many seconds."""
        self._storage = storage
        self._board = board
        self._worker_slots = worker_slots
        self._breakers = breakers
        self._queue_lock = queue_lock
        self._paced = paced
        self._left: set[int] = set()
        """Jobs from before this process started, whose progress messages it has not updated yet."""

    async def load(self) -> None:
        """Read which jobs an earlier process left waiting. Raises StorageError."""
        self._left = set(await self._storage.read(partial(jobs.first_waiting, limit=MOST)))

    def forget(self, job_id: int) -> None:
        """Record that a job no longer waits."""
        self._left.discard(job_id)

    async def run(self) -> None:
        """Show each new job of the queue, until cancelled."""
        watch = self._storage.watch(Topic.QUEUE)
        while True:
            async with self._queue_lock:
                await self.show_new()
            await watch.next(PERIOD_SECONDS)

    async def show_new(self) -> None:
        """Show each new job of the queue; the caller holds the lock. After a StorageError the next call does it."""
        try:
            waiting = await self._storage.read(partial(jobs.first_waiting, limit=MOST))
            await self._show(
                (job_id, before)
                for before, job_id in enumerate(waiting)
                if job_id not in self._left and not self._board.has(job_id)
            )
        except StorageError as error:
            log.warning("new jobs not shown", extra={"error": str(error)})

    async def show_positions(self) -> None:
        """Show waiting jobs their positions, but only the first of them; the others follow when they come nearer.

        Jobs from before this process are included: their messages are out of date, or have an unknown id. Raises
        StorageError.
        """
        async with self._queue_lock:
            waiting = await self._storage.read(partial(jobs.first_waiting, limit=SHOWN))
            await self._show(self._board.show_positions(waiting, self._worker_slots.free))
            await self._show_paced(waiting)

    async def _show_paced(self, waiting: Sequence[int]) -> None:
        """Show jobs that wait for their site's pace when they start, and those whose wait is over their position."""
        paced = await self._storage.read(self._paced())
        for before, job_id in enumerate(waiting):
            self._board.show_paced(job_id, before, paced.get(job_id))

    async def _show(self, unknown: Iterable[tuple[int, int]]) -> None:
        """Show jobs that this process has not shown yet, given as (job id, number of jobs before it)."""
        wanted = dict(unknown)
        if not wanted:
            return

        query = self._paced()

        def read(db: Connection) -> tuple[list[jobs.Job], dict[int, float]]:
            found = [job for job_id in wanted if (job := jobs.get(db, job_id)) is not None and job.state == "waiting"]
            return found, query(db)

        found, paced = await self._storage.read(read)
        for job in found:
            self._left.discard(job.job_id)
            before = wanted[job.job_id]
            message = self._board.progress_message(job)
            if job.site in self._breakers.paused():
                message.show(Paused(job.site))
            elif job.job_id in paced:
                message.show(Paced(job.site, rounded(paced[job.job_id])))
            else:
                message.show(Starting() if self._worker_slots.free > before else Waiting(before))
