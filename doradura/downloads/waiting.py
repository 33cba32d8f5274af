"""What those who wait in the queue are shown: that their job is there, and how many stand before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

import trio

from doradura.downloads.board import Board
from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.stages import Paused, Starting, Waiting
from doradura.downloads.worker_slots import Places
from doradura.storage import Connection, Storage, StorageError, Topic, jobs

PERIOD_SECONDS = 5.0
"""How often new jobs are looked for untold: people wait for the first word of theirs."""
SHOWN = 30
"""How many of those who wait are told their place anew: each is an edit, and Telegram counts those."""
MOST = 100_000
"""More than any queue holds."""

log = logging.getLogger(__name__)


class WaitingCards:
    """Shows waiting jobs. `queue_lock`: while it is held, no job leaves or joins those that wait here."""

    def __init__(
        self, storage: Storage, board: Board, places: Places, breakers: SiteBreakers, queue_lock: trio.Lock
    ) -> None:
        self._storage = storage
        self._board = board
        self._places = places
        self._breakers = breakers
        self._queue_lock = queue_lock
        self._left: set[int] = set()
        """Jobs that a process before this one queued, whose messages say nothing of today yet."""

    async def load(self) -> None:
        """Find what a process before this one left waiting. Raises StorageError."""
        self._left = set(await self._storage.read(partial(jobs.first_waiting, limit=MOST)))

    def forget(self, job_id: int) -> None:
        """A job waits no more."""
        self._left.discard(job_id)

    async def run(self) -> None:
        """Show each job that is new in the queue, until cancelled."""
        watch = self._storage.watch(Topic.QUEUE)
        while True:
            async with self._queue_lock:
                await self.show_new()
            await watch.next(PERIOD_SECONDS)

    async def show_new(self) -> None:
        """Show each job that is new in the queue; to be called with the lock. What fails is done with the next look."""
        try:
            waiting = await self._storage.read(partial(jobs.first_waiting, limit=MOST))
            await self._show(
                (job_id, before)
                for before, job_id in enumerate(waiting)
                if job_id not in self._left and not self._board.has(job_id)
            )
        except StorageError as error:
            log.warning("new jobs not shown", extra={"error": str(error)})

    async def show_places(self) -> None:
        """Tell those who wait their places; those far back are told when they come nearer.

        Those of a process before this one too: what it told them is old, or stands in a message nobody knows of.
        Raises StorageError.
        """
        async with self._queue_lock:
            waiting = await self._storage.read(partial(jobs.first_waiting, limit=SHOWN))
            await self._show(self._board.show_places(waiting, self._places.free))

    async def _show(self, unknown: Iterable[tuple[int, int]]) -> None:
        """Show jobs that this process has shown nothing of, each with the number of those before it."""
        wanted = dict(unknown)
        if not wanted:
            return

        def read(db: Connection) -> list[jobs.Job]:
            return [job for job_id in wanted if (job := jobs.get(db, job_id)) is not None and job.state == "waiting"]

        for job in await self._storage.read(read):
            self._left.discard(job.job_id)
            before = wanted[job.job_id]
            card = self._board.card(job)
            if job.site in self._breakers.paused():
                card.show(Paused(job.site))
            else:
                card.show(Starting() if self._places.free > before else Waiting(before))
