"""Sharing the places among users: charges running jobs for their time, and lets one give its place up for others.

Knows the running jobs by the supervisor's table, which it only reads. It changes nothing in the queue but charges: a
job that is told to give its place up ends its work, and the supervisor queues it again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

import trio

from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.job import JobRun
from doradura.downloads.worker_slots import Places
from doradura.storage import Connection, Storage, StorageError, Topic, charges, jobs

CHARGE_SECONDS = 10.0
"""How often running jobs are charged, and those who wait are told their place."""
LOOK_SECONDS = 5.0
"""How often the line is looked at while all places are taken and nobody else is known to wait."""
CONTENDED_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Sharing:
    """Keeps the sharing of places fair while `run` runs."""

    def __init__(
        self,
        storage: Storage,
        places: Places,
        breakers: SiteBreakers,
        running: Mapping[int, JobRun],
        show_places: Callable[[], Awaitable[None]],
        *,
        held_chats: Callable[[], Collection[int]],
    ) -> None:
        """`held_chats`: those whose jobs can't be claimed, as Telegram told them to wait."""
        self._storage = storage
        self._places = places
        self._breakers = breakers
        self._running = running
        self._show_places = show_places
        self._held_chats = held_chats
        self._owed: dict[int, int] = {}
        """Milliseconds by job that could not be charged yet; a job may have ended meanwhile, and still owes them."""

    async def run(self) -> None:
        """Charge, tell and balance until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._charge_forever)
            nursery.start_soon(self._balance_forever)

    async def _charge_forever(self) -> None:
        """Charge what runs, so that the queue's order is that of now, and keep true what waiting ones are told."""
        while True:
            try:
                await self._show_places()
            except StorageError as error:
                log.warning("places in the queue not shown", extra={"error": str(error)})
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
        """While all places are taken, see who waits, and let a job give its place up once they have waited enough."""
        watch = self._storage.watch(Topic.QUEUE)
        while True:
            await self._places.until_full()
            try:
                users = await self._storage.read(
                    partial(jobs.waiting_users, paused_sites=self._breakers.paused(), held_chats=self._held_chats())
                )
            except StorageError as error:
                log.warning("not known who waits for a place", extra={"error": str(error)})
            else:
                self._places.next_user = users[0] if users else None
                self._places.note_waiting(users)
                self._balance()
            await watch.next(CONTENDED_LOOK_SECONDS if self._places.is_contended else LOOK_SECONDS)

    def _balance(self) -> None:
        if any(run.is_giving_up for run in self._running.values()):
            return  # a place is about to be free
        chosen = self._places.who_gives_up(
            place for run in self._running.values() if (place := run.place()) is not None
        )
        if chosen is not None:
            log.info(
                "a job gives its place up for others who wait", extra={"job": chosen.job_id, "user": chosen.user_id}
            )
            self._places.give_up(chosen.user_id)
            self._running[chosen.job_id].give_up()
