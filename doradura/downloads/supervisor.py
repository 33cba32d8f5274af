"""The download supervisor: takes jobs from the queue in their order and sees each to its end.

Owns which jobs run and the end of every job: recorded once, and told once by `endings`. It guarantees that a job that
was queued ends as done, failed or cancelled, whatever is killed meanwhile: what a process before this one had in hand
is taken up again by `recover`, and a shutdown leaves jobs as they stand for the next start. A failing database stops
claiming and never a job's end: that is written again and again until it is stored.

Nobody calls it: who queues or cancels a job, or finds a chat closed, writes a row. The supervisor reads it, woken by
its topic or by itself once a period.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import trio

from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.cancels import Cancels
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.counting import Counting
from doradura.downloads.endings import Endings, cancelled_end
from doradura.downloads.job import DownloadParts, JobRun
from doradura.downloads.sharing import Sharing
from doradura.downloads.stages import Cancelled, Delivered, Failed, GaveUp, Outcome, Waiting
from doradura.downloads.waiting import WaitingCards
from doradura.downloads.worker_slots import Slot
from doradura.media.processes import Stray
from doradura.media.reasons import Reason
from doradura.storage import Change, Connection, StorageError, Topic, charges, chats, files, jobs
from doradura.storage.files import SentFile
from doradura.storage.persistence import write_until_stored
from doradura.telegram.errors import TokenRefusedError

SENDING_AT_ONCE = 8
"""Files on their way to Telegram; over it a finished worker keeps its place."""
PERIOD_SECONDS = 5.0
"""How often the rows are looked at untold: a lost wake costs no more, and pauses of sites end by the clock."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Supervisor:
    """Works the queue off."""

    def __init__(
        self,
        parts: DownloadParts,
        breakers: SiteBreakers,
        *,
        instance: int,
        end_strays: Callable[[Iterable[Stray]], int],
        tell_breaker: Callable[[str, int], Awaitable[None]],
    ) -> None:
        """`instance`: this run of the program, as the rows of its jobs name it."""
        self._parts = parts
        self._instance = instance
        self._breakers = breakers
        self._end_strays = end_strays
        self._tell_breaker = tell_breaker
        self._places = parts.places
        self._sending = trio.CapacityLimiter(SENDING_AT_ONCE)
        self._claiming = trio.CancelScope()
        self._running: dict[int, JobRun] = {}
        self._queue_lock = trio.Lock()
        """Held from a job's claim until it is among the running ones, and back: whoever holds it and reads the rows
        finds each job either waiting or running here."""
        self._waiting = WaitingCards(parts.storage, parts.board, parts.places, breakers, self._queue_lock)
        self._sharing = Sharing(
            *(parts.storage, parts.places, breakers, self._running, self._waiting.show_places),
            held_chats=parts.held_chats,
        )
        self._resume: list[jobs.Job] = []
        self._nursery: trio.Nursery | None = None
        self._counting = Counting(parts.metrics)
        self._cancels = Cancels(parts.storage, self._counting)
        self._endings = Endings(parts.storage, parts.board, parts.metrics, clock=parts.clock)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Go on with what `recover` found, then claim jobs until `stop`; leave when the running ones have ended."""
        untold = await self._parts.storage.read(jobs.untold)
        self._cancels.leave_out(untold)
        async with trio.open_nursery() as looking:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for job in untold:
                    nursery.start_soon(self._endings.tell_recorded, job)
                looking.start_soon(self._look_forever)
                task_status.started()
                try:
                    with self._claiming:
                        async with trio.open_nursery() as claiming:
                            claiming.start_soon(self._sharing.run)
                            claiming.start_soon(self._waiting.run)
                            await self._claim_forever(nursery)
                finally:
                    # What is cancelled from here on is told by the next start, as untold.
                    self._nursery = None
            looking.cancel_scope.cancel()

    def stop(self) -> None:
        """Claim nothing more; running jobs go on."""
        self._claiming.cancel()

    def bytes_per_second(self, job_id: int) -> float | None:
        """Return how fast a running job's file comes in; None where that is not known."""
        run = self._running.get(job_id)
        return None if run is None else run.bytes_per_second

    async def _look_forever(self) -> None:
        """End what others have recorded as ended, as long as anything runs. What fails is done with the next look."""
        watch = self._parts.storage.watch(Topic.CANCELLED_JOBS, Topic.CLOSED_CHATS)
        while True:
            try:
                async with self._queue_lock:
                    await self._end_cancelled()
                    await self._end_closed()
            except StorageError as error:
                log.warning("not known what others ended", extra={"error": str(error)})
            await watch.next(PERIOD_SECONDS)

    async def _end_cancelled(self) -> None:
        """End the work on jobs that are recorded as cancelled; show the end of those that wait."""
        for job in await self._cancels.look():
            self._waiting.forget(job.job_id)
            end, run = cancelled_end(job), self._running.get(job.job_id)
            if run is not None:
                run.end(end)
            elif self._nursery is not None:
                self._nursery.start_soon(self._endings.tell, job, end)

    async def _end_closed(self) -> None:
        """End what is in hand for chats that take nothing any more."""
        storage, now = self._parts.storage, self._parts.clock()
        if not await storage.read(chats.closed_ones):
            return
        closed, failed = await storage.write(lambda db: chats.end_closed(db, now, Reason.USER_BLOCKED))
        for job in failed:
            self._counting.failed(job, Reason.USER_BLOCKED)
            self._waiting.forget(job.job_id)
            self._parts.board.drop(job.job_id)
        for run in self._running.values():
            if run.job.chat_id in closed:
                run.end(Failed(Reason.USER_BLOCKED))

    async def recover(self) -> None:
        """Take up what a process before this one left: its workers are ended, its jobs go on.

        Before anything else uses the workspace or the queue. Raises StorageError.
        """
        storage = self._parts.storage
        strays = await storage.read(partial(jobs.workers_left_behind, instance=self._instance))
        ended = await trio.to_thread.run_sync(self._end_strays, strays)
        left = await storage.read(partial(jobs.left_behind, instance=self._instance))
        self._resume = [job for job in left if job.state == "sending" and job.product]
        await self._parts.workspace.clear(keep=[job.job_id for job in self._resume])

        def put_back(db: Connection) -> None:
            for job in left:
                if job in self._resume:
                    jobs.take_over(db, job.job_id, self._instance)
                else:
                    jobs.requeue(db, job.job_id)
            jobs.forget_workers(db, self._instance)

        await storage.write(put_back)
        await self._waiting.load()
        await self._breakers.load()
        if left or ended:
            log.info("taken up after a stop", extra={"jobs": len(left), "strays_ended": ended})

    @property
    def in_hand(self) -> int:
        """How many downloads are worked on just now."""
        return len(self._running)

    async def _claim_forever(self, nursery: trio.Nursery) -> None:
        for resumed in self._resume:
            self._start(resumed, Slot(self._places), nursery)
        watch = self._parts.storage.watch(Topic.QUEUE)
        while True:
            slot = Slot(self._places)
            await slot.acquire()
            if not await self._claim_into(slot, nursery):
                await watch.next(PERIOD_SECONDS)

    async def _claim_into(self, slot: Slot, nursery: trio.Nursery) -> bool:
        """Take a job from the queue and let it run in the slot; False where there is none. Cancelled, it takes none."""
        claimed: jobs.Job | None = None
        try:
            async with self._queue_lock:
                await self._waiting.show_new()  # before its run says more
                claimed = await self._claim()
                if claimed is not None:
                    self._start(claimed, slot, nursery)
        finally:
            if claimed is None:
                slot.release()
        return claimed is not None

    def _start(self, job: jobs.Job, slot: Slot, nursery: trio.Nursery) -> None:
        """Let a job run; from this moment a cancel finds it."""
        self._waiting.forget(job.job_id)
        slot.user_id = job.user_id
        if slot.held_at is not None:
            self._places.got_place(job.user_id)
        run = self._running[job.job_id] = JobRun(self._parts, job, slot, self._sending)
        nursery.start_soon(self._one, run, slot)

    async def _claim(self) -> jobs.Job | None:
        now = self._parts.clock()
        paused, held, last = self._breakers.paused(), self._parts.held_chats(), self._places.at_share()
        try:
            job = await self._parts.storage.write(
                lambda db: jobs.claim(db, now, paused, instance=self._instance, held_chats=held, last=last)
            )
        except StorageError as error:
            log.error("can't take a job from the queue", extra={"error": str(error)})  # noqa: TRY400 - no surprise
            return None
        if job is not None and job.started_ms == now:
            self._parts.metrics.queue_wait_time.labels(plan=job.plan).observe(max(0.0, (now - job.created_ms) / 1000))
        return job

    async def _one(self, run: JobRun, slot: Slot) -> None:
        """See one job to its end. The barrier of the job: whatever goes wrong in it ends it alone.

        But for a refused token: that ends the program, and the job stands as it stood.
        """
        job = run.job
        started = trio.current_time()
        try:
            try:
                outcome = await run.run()
            except TokenRefusedError:
                raise
            except Exception as error:  # the barrier named above
                log.exception("job failed unexpectedly", extra={"job": job.job_id})
                outcome = Failed(Reason.INTERNAL, repr(error))
            paused_seconds = None
            if isinstance(outcome, Failed) and outcome.reason is Reason.BOT_CHECK:
                # Before the place is given back: the next job to take it must not be one of this site's.
                paused_seconds = self._breakers.trip(job.site)
            slot.release()
            if isinstance(outcome, GaveUp):
                end = await self._put_back(run)
                if end is None:
                    return
                outcome = end
            if not isinstance(outcome, Delivered):
                # Before its end is recorded: its files may be what fills the disk that the database needs.
                await self._parts.workspace.remove(job.job_id)
            recorded = await self._record(run, outcome)
            if recorded is None:
                self._counting.ended(run, outcome, trio.current_time() - started)
            else:
                self._cancels.meet(job)
                if not isinstance(outcome, Delivered):
                    outcome = recorded  # a press was recorded first
            await self._parts.workspace.remove(job.job_id)
            await self._after(run, outcome, paused_seconds)
        finally:
            slot.release()
            self._forget(run)

    def _forget(self, run: JobRun) -> None:
        """Let go of a run; its job may have begun anew meanwhile."""
        if self._running.get(run.job.job_id) is run:
            del self._running[run.job.job_id]

    async def _put_back(self, run: JobRun) -> Outcome | None:
        """Queue a job again that gave its place up. What ended it in the same moment stands: it is given then."""
        job = run.job
        # Before it can be claimed: the next run has the same directory.
        await self._parts.workspace.remove(job.job_id)
        used_ms = run.take_uncharged_ms()

        def change(db: Connection) -> int | Cancelled:
            charges.use(db, job.job_id, used_ms)
            if not jobs.put_back(db, job.job_id, maybe_sent=run.maybe_sent):
                return cancelled_end(jobs.get(db, job.job_id))
            again = jobs.get(db, job.job_id)
            assert again is not None
            return jobs.before(db, again)

        async with self._queue_lock:
            stored = await self._until_stored(change)
            if isinstance(stored, Cancelled):
                return stored
            if not isinstance(run.ended_as, GaveUp):
                return run.ended_as
            self._forget(run)
        self._parts.board.card(job).show(Waiting(stored, gave_up=True))
        return None

    async def _record(self, run: JobRun, outcome: Outcome) -> Cancelled | None:
        """Store how a job ended. Return the cancel that was recorded before, where one was."""
        now, job = self._parts.clock(), run.job
        used_ms = run.take_uncharged_ms()

        def change(db: Connection) -> Cancelled | None:
            charges.use(db, job.job_id, used_ms)
            match outcome:
                case Delivered():
                    ended = jobs.finish(
                        db,
                        job.job_id,
                        "done",
                        now,
                        size_bytes=outcome.size_bytes,
                        told=outcome.in_progress_message,
                    )
                    if outcome.file_id:
                        files.put(
                            db,
                            self._parts.bot_id,
                            job.cache_key,
                            job.variant,
                            _sent_file(outcome),
                            now,
                        )
                case Failed():
                    ended = jobs.finish(db, job.job_id, "failed", now, reason=outcome.reason)
                case Cancelled():
                    ended = jobs.finish(db, job.job_id, "cancelled", now)
            return None if ended else cancelled_end(jobs.get(db, job.job_id))

        return await self._until_stored(change)

    async def _until_stored(self, change: Change[T]) -> T:
        """Write what must not be lost: a file that was sent and is not recorded would be sent again."""
        return await write_until_stored(self._parts.storage, change, what="a job's end")

    async def _after(self, run: JobRun, outcome: Outcome, paused_seconds: int | None) -> None:
        job = run.job
        try:
            if isinstance(outcome, Delivered) and run.reached_worker:
                await self._breakers.reset(job.site)
            if paused_seconds is not None:
                await self._breakers.keep(job.site)
        except StorageError as error:
            log.error("a site's breaker is not stored", extra={"site": job.site, "error": str(error)})  # noqa: TRY400 - no surprise
        if isinstance(outcome, Failed) and outcome.reason is Reason.USER_BLOCKED and not run.cut_off:
            await note_closed(self._parts.storage, job.chat_id, self._parts.clock)
        await self._endings.tell(job, outcome)
        if paused_seconds is not None:
            await self._tell_breaker(job.site, paused_seconds)


def _sent_file(sent: Delivered) -> SentFile:
    return SentFile(
        file_id=sent.file_id, kind=sent.kind, title=sent.title, size_bytes=sent.size_bytes, lines=sent.lines
    )
