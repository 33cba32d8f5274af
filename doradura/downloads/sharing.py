"""Shares the worker slots fairly among users: charges running jobs for their time, and makes jobs give their slot up.

Reads the supervisor's table of running jobs. Changes only the charges in the queue: a job that has to give its slot up
stops its work, and the supervisor queues it again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

import trio

from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.job import JobRun
from doradura.downloads.worker_slots import WorkerSlots
from doradura.storage import Change, Connection, Storage, StorageError, Topic, charges, jobs
from doradura.storage.conditions import Clause

CHARGE_SECONDS = 10.0
"""How often running jobs are charged, and waiting users are shown their position."""
LOOK_SECONDS = 5.0
"""How often the queue is read while all slots are taken and nobody else is known to wait."""
CONTENDED_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Sharing:
    """Keeps the sharing of worker slots fair while `run` runs."""

    def __init__(
        self,
        storage: Storage,
        worker_slots: WorkerSlots,
        breakers: SiteBreakers,
        running: Mapping[int, JobRun],
        show_positions: Callable[[], Awaitable[None]],
        *,
        held_chats: Callable[[], Collection[int]],
        claimable: Callable[[], Change[Clause]],
    ) -> None:
        """`held_chats` returns the chats whose jobs can't be claimed, because Telegram told the bot to wait there.

        `claimable` returns the query of the condition for jobs whose site may be asked.
        """
        self._storage = storage
        self._worker_slots = worker_slots
        self._breakers = breakers
        self._running = running
        self._show_positions = show_positions
        self._held_chats = held_chats
        self._claimable = claimable
        self._owed: dict[int, int] = {}
        """Job -> milliseconds that are not charged yet. A job that has ended since then still owes them."""

    async def run(self) -> None:
        """Charge jobs, show positions and balance the slots until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._charge_forever)
            nursery.start_soon(self._balance_forever)

    async def _charge_forever(self) -> None:
        """Charge running jobs, so that the queue's order is current, and show waiting users their positions."""
        while True:
            try:
                await self._show_positions()
            except StorageError as error:
                log.warning("positions in the queue not shown", extra={"error": str(error)})
            await trio.sleep(CHARGE_SECONDS)
            await self._charge()

    async def _charge(self) -> None:
        for job_id, run in self._running.items():
            self._owed[job_id] = self._owed.get(job_id, 0) + run.take_uncharged_ms()

        def change(db: Connection) -> None:
            for job_id, used_ms in self._owed.items():
                charges.use(db, job_id, used_ms)

        try:
            if any(self._owed.values()):
                await self._storage.write(change)
        except StorageError as error:
            log.warning("jobs are charged later", extra={"error": str(error)})
        else:
            self._owed.clear()

    async def _balance_forever(self) -> None:
        """While all slots are taken, find out who waits, and make a job give its slot up if that is due."""
        watch = self._storage.watch(Topic.QUEUE)
        while True:
            await self._worker_slots.until_full()
            try:
                users = await self._storage.read(self._waiting_users())
            except StorageError as error:
                log.warning("not known who waits for a worker slot", extra={"error": str(error)})
            else:
                self._worker_slots.next_user = users[0] if users else None
                self._worker_slots.note_waiting(users)
                self._balance()
            await watch.next(CONTENDED_LOOK_SECONDS if self._worker_slots.is_contended else LOOK_SECONDS)

    def _waiting_users(self) -> Change[list[int]]:
        paused, held, claimable = self._breakers.paused(), self._held_chats(), self._claimable()
        return lambda db: jobs.waiting_users(db, paused, held_chats=held, only=claimable(db))

    def _balance(self) -> None:
        if any(run.is_giving_up for run in self._running.values()):
            return  # a slot is about to be free
        chosen = self._worker_slots.choose_to_give_up(
            candidate for run in self._running.values() if (candidate := run.candidate()) is not None
        )
        if chosen is not None:
            log.info(
                "a job gives its slot up for others who wait", extra={"job": chosen.job_id, "user": chosen.user_id}
            )
            self._worker_slots.give_up(chosen.user_id)
            self._running[chosen.job_id].give_up()
