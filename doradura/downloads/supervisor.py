"""The download supervisor: claims jobs from the queue in their order and runs each until it has an outcome.

Owns which jobs run, and the outcome of every job: it is recorded once, and shown once by `outcomes`. Every job that was
queued ends as delivered, failed or cancelled, whatever is killed meanwhile: `recover` takes over the jobs of an earlier
process, and a shutdown leaves the jobs' rows as they are for the next start. If the database fails, no job is claimed,
but the outcome of a running job is written again and again until it is stored.

No other part calls the supervisor to change a job. Whoever queues or cancels a job, or finds a chat closed, writes a
row; the supervisor reads it when the row's topic wakes it, and once in every period.
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
from doradura.downloads.counting import OutcomeCounter
from doradura.downloads.job import DownloadParts, JobRun
from doradura.downloads.outcomes import OutcomeMessages, cancelled_outcome
from doradura.downloads.queue_messages import QueueMessages
from doradura.downloads.sharing import Sharing
from doradura.downloads.stages import Cancelled, Delivered, Failed, GaveUp, Outcome, Waiting
from doradura.downloads.worker_slots import Slot
from doradura.media.processes import Stray
from doradura.media.reasons import Reason
from doradura.storage import Change, Connection, StorageError, Topic, charges, chats, files, jobs
from doradura.storage.files import SentFile
from doradura.storage.persistence import write_until_stored
from doradura.telegram.errors import TokenRefusedError

SENDING_AT_ONCE = 8
"""How many files are uploaded at the same time. While so many are, a job with a finished file keeps its worker slot."""
PERIOD_SECONDS = 5.0
"""How often the rows are read when no topic wakes this part. A lost wake costs no more than this. Nothing wakes
this part when a site's pause or a chat's hold ends."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Supervisor:
    """Runs the jobs of the queue."""

    def __init__(
        self,
        parts: DownloadParts,
        breakers: SiteBreakers,
        *,
        instance: int,
        end_strays: Callable[[Iterable[Stray]], int],
        notify_breaker: Callable[[str, int], Awaitable[None]],
    ) -> None:
        """`instance` is this run of the program; it is stored in the rows of its jobs."""
        self._parts = parts
        self._instance = instance
        self._breakers = breakers
        self._end_strays = end_strays
        self._tell_breaker = notify_breaker
        self._worker_slots = parts.worker_slots
        self._sending = trio.CapacityLimiter(SENDING_AT_ONCE)
        self._claiming = trio.CancelScope()
        self._running: dict[int, JobRun] = {}
        self._queue_lock = trio.Lock()
        """Held while a job is claimed and started, or stopped and put back into the queue. So whoever holds it and
        reads the rows finds each job either waiting or in `_running`."""
        self._queue_messages = QueueMessages(
            *(parts.storage, parts.board, parts.worker_slots, breakers, self._queue_lock),
            paced=lambda: partial(parts.paces.waits, looked_at=parts.findings.present()),
        )
        self._sharing = Sharing(
            *(parts.storage, parts.worker_slots, breakers, self._running, self._queue_messages.show_positions),
            held_chats=parts.held_chats,
            claimable=lambda: partial(parts.paces.claimable, looked_at=parts.findings.present()),
        )
        self._resume: list[jobs.Job] = []
        self._nursery: trio.Nursery | None = None
        self._counter = OutcomeCounter(parts.metrics)
        self._cancels = Cancels(parts.storage, self._counter)
        self._outcomes = OutcomeMessages(parts.storage, parts.board, parts.metrics, clock=parts.clock)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Continue with the jobs that `recover` found, then claim jobs until `stop`; return when none runs any more.

        `started()` once untold outcomes are read. Raises StorageError before that; after it only TokenRefusedError,
        inside an exception group. If cancelled, the rows of the running jobs stay as they are, and the next start
        continues with them.
        """
        untold = await self._parts.storage.read(jobs.untold)
        self._cancels.leave_out(untold)
        async with trio.open_nursery() as looking:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for job in untold:
                    nursery.start_soon(self._outcomes.show_recorded, job)
                looking.start_soon(self._look_forever)
                task_status.started()
                try:
                    with self._claiming:
                        async with trio.open_nursery() as claiming:
                            claiming.start_soon(self._sharing.run)
                            claiming.start_soon(self._queue_messages.run)
                            await self._claim_forever(nursery)
                finally:
                    # The outcome of a job that is cancelled from here on is shown by the next start.
                    self._nursery = None
            looking.cancel_scope.cancel()

    def stop(self) -> None:
        """Claim no more jobs. Running jobs continue."""
        self._claiming.cancel()

    def bytes_per_second(self, job_id: int) -> float | None:
        """Return how fast a running job's file is downloaded; None if that is not known."""
        run = self._running.get(job_id)
        return None if run is None else run.bytes_per_second

    async def _look_forever(self) -> None:
        """Stop cancelled jobs and jobs of closed chats, until this is cancelled. A StorageError is only logged."""
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
        """Stop running jobs that are recorded as cancelled, and show the outcome of those that waited."""
        for job in await self._cancels.look():
            self._queue_messages.forget(job.job_id)
            outcome, run = cancelled_outcome(job), self._running.get(job.job_id)
            if run is not None:
                run.end(outcome)
            elif self._nursery is not None:
                self._nursery.start_soon(self._outcomes.show, job, outcome)

    async def _end_closed(self) -> None:
        """Fail the jobs of closed chats."""
        storage, now = self._parts.storage, self._parts.clock()
        if not await storage.read(chats.closed_ones):
            return
        closed, failed = await storage.write(lambda db: chats.end_closed(db, now, Reason.USER_BLOCKED))
        for job in failed:
            self._counter.failed(job, Reason.USER_BLOCKED)
            self._queue_messages.forget(job.job_id)
            self._parts.board.drop(job.job_id)
        for run in self._running.values():
            if run.job.chat_id in closed:
                run.end(Failed(Reason.USER_BLOCKED))

    async def recover(self) -> None:
        """Take over what an earlier process left: kill its workers and continue its jobs.

        Must be called before anything else uses the workspace or the queue. Raises StorageError.
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
        await self._queue_messages.load()
        await self._breakers.load()
        if left or ended:
            log.info("taken up after a stop", extra={"jobs": len(left), "strays_ended": ended})

    @property
    def in_hand(self) -> int:
        """The number of running jobs."""
        return len(self._running)

    async def _claim_forever(self, nursery: trio.Nursery) -> None:
        for resumed in self._resume:
            self._start(resumed, Slot(self._worker_slots), nursery)
        watch = self._parts.storage.watch(Topic.QUEUE)
        while True:
            slot = Slot(self._worker_slots)
            await slot.acquire()
            if not await self._claim_into(slot, nursery):
                await watch.next(PERIOD_SECONDS)

    async def _claim_into(self, slot: Slot, nursery: trio.Nursery) -> bool:
        """Claim a job and start it in the slot. Return False if there is none. If cancelled, no job is claimed."""
        claimed: tuple[jobs.Job, bool] | None = None
        try:
            async with self._queue_lock:
                await self._queue_messages.show_new()  # before the job itself shows more
                claimed = await self._claim()
                if claimed is not None:
                    job, has_look = claimed
                    self._start(job, slot, nursery, has_look=has_look)
        finally:
            if claimed is None:
                slot.release()
        return claimed is not None

    def _start(self, job: jobs.Job, slot: Slot, nursery: trio.Nursery, *, has_look: bool = False) -> None:
        """Start a job. From now on a cancel finds it in `_running`."""
        self._queue_messages.forget(job.job_id)
        slot.user_id = job.user_id
        if slot.held_at is not None:
            self._worker_slots.got_slot(job.user_id)
        run = self._running[job.job_id] = JobRun(self._parts, job, slot, self._sending, has_look=has_look)
        nursery.start_soon(self._run_job, run, slot)

    async def _claim(self) -> tuple[jobs.Job, bool] | None:
        """Claim a job. Return it, and whether a look at its site was taken for it; None if there is none."""
        now, parts = self._parts.clock(), self._parts
        paused, held, last = self._breakers.paused(), parts.held_chats(), self._worker_slots.at_share()
        looked_at = parts.findings.present()

        def claim(db: Connection) -> tuple[jobs.Job, bool] | None:
            only = parts.paces.claimable(db, looked_at)
            job = jobs.claim(db, now, paused, instance=self._instance, held_chats=held, last=last, only=only)
            return None if job is None else (job, parts.paces.claimed(db, job.job_id, job.site, looked_at))

        try:
            claimed = await parts.storage.write(claim)
        except StorageError as error:
            log.error("can't take a job from the queue", extra={"error": str(error)})  # noqa: TRY400 - no surprise
            return None
        if claimed is not None and (job := claimed[0]).started_ms == now:
            parts.metrics.queue_wait_time.labels(plan=job.plan).observe(max(0.0, (now - job.created_ms) / 1000))
        return claimed

    async def _run_job(self, run: JobRun, slot: Slot) -> None:
        """Run one job until its outcome is recorded and shown. A barrier: an unexpected error fails only this job.

        Raises TokenRefusedError, which ends the program; the job's row then stays as it is.
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
            if isinstance(outcome, Failed) and outcome.reason is Reason.BOT_CHECK and outcome.lacks != "browser":
                # Before the slot is released: the next job in it must not be one of this site.
                paused_seconds = self._breakers.trip(job.site)
            slot.release()
            if isinstance(outcome, GaveUp):
                ended_as = await self._put_back(run)
                if ended_as is None:
                    return
                outcome = ended_as
            if not isinstance(outcome, Delivered):
                # Before the outcome is recorded: the job's files may fill the disk that the database needs.
                await self._parts.workspace.remove(job.job_id)
            recorded = await self._record(run, outcome)
            if recorded is None:
                self._counter.ended(run, outcome, trio.current_time() - started)
            else:
                self._cancels.count_once(job)
                if not isinstance(outcome, Delivered):
                    outcome = recorded  # a cancel was recorded first
            await self._parts.workspace.remove(job.job_id)
            await self._show_outcome(run, outcome, paused_seconds)
        finally:
            slot.release()
            self._forget(run)

    def _forget(self, run: JobRun) -> None:
        """Remove a run from `_running`, unless its job was started again meanwhile."""
        if self._running.get(run.job.job_id) is run:
            del self._running[run.job.job_id]

    async def _put_back(self, run: JobRun) -> Outcome | None:
        """Put a job that gave its slot up back into the queue. Return its outcome instead if it ended meanwhile."""
        job = run.job
        # Before the job can be claimed, since its next run uses the same directory.
        await self._parts.workspace.remove(job.job_id)

        async with self._queue_lock:
            if not isinstance(run.ended_as, GaveUp):
                return run.ended_as  # its chat closed, so it must not be claimed again
            used_ms = run.take_uncharged_ms()

            def change(db: Connection) -> int | Cancelled:
                charges.use(db, job.job_id, used_ms)
                if not jobs.put_back(db, job.job_id, maybe_sent=run.maybe_sent):
                    return cancelled_outcome(jobs.get(db, job.job_id))
                again = jobs.get(db, job.job_id)
                assert again is not None
                return jobs.before(db, again)

            stored = await self._until_stored(change)
            if isinstance(stored, Cancelled):
                return stored
            self._forget(run)
        self._parts.board.progress_message(job).show(Waiting(stored, gave_up=True))
        return None

    async def _record(self, run: JobRun, outcome: Outcome) -> Cancelled | None:
        """Store a job's outcome. If a cancel was recorded before, return that cancel instead."""
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
            return None if ended else cancelled_outcome(jobs.get(db, job.job_id))

        return await self._until_stored(change)

    async def _until_stored(self, change: Change[T]) -> T:
        """Write until it is stored: a delivered file that is not recorded would be sent again."""
        return await write_until_stored(self._parts.storage, change, what="a job's outcome")

    async def _show_outcome(self, run: JobRun, outcome: Outcome, paused_seconds: int | None) -> None:
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
        await self._outcomes.show(job, outcome)
        if paused_seconds is not None:
            await self._tell_breaker(job.site, paused_seconds)


def _sent_file(sent: Delivered) -> SentFile:
    return SentFile(
        file_id=sent.file_id, kind=sent.kind, title=sent.title, size_bytes=sent.size_bytes, lines=sent.lines
    )
