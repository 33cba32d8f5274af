"""The download supervisor: takes jobs from the queue in their order and sees each to its end.

Owns which jobs run and the end of every job: recorded once, and told once by `endings`. It guarantees that a job that
was queued ends as done, failed or cancelled, whatever is killed meanwhile: what a process before this one had in hand
is taken up again by `recover`, and a shutdown leaves jobs as they stand for the next start. A failing database stops
claiming and never a job's end: that is written again and again until it is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import trio

from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.endings import Endings, cancelled_end
from doradura.downloads.job import DownloadParts, JobRun
from doradura.downloads.places import Slot
from doradura.downloads.sharing import Sharing
from doradura.downloads.stages import Cancelled, Delivered, Failed, GaveUp, Outcome, Paused, Starting, Waiting
from doradura.media.processes import Stray
from doradura.media.reasons import Reason
from doradura.storage import Change, Connection, StorageError, charges, chats, files, jobs
from doradura.storage.files import SentFile
from doradura.storage.persistence import write_until_stored
from doradura.telegram.errors import TokenRefusedError

SENDING_AT_ONCE = 8
"""Files on their way to Telegram; over it a finished worker keeps its place."""
LOOK_SECONDS = 15.0
"""How often the queue is looked at without being told: pauses of sites end by the clock."""
SHOWN = 30
"""How many of those who wait are told their place anew: each is an edit, and Telegram counts those."""
LEFT_AT_MOST = 100_000
"""More than any queue holds."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Supervisor:
    """Works the queue off."""

    def __init__(
        self,
        parts: DownloadParts,
        breakers: SiteBreakers,
        *,
        end_strays: Callable[[Iterable[Stray]], int],
        tell_breaker: Callable[[str, int], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._breakers = breakers
        self._end_strays = end_strays
        self._tell_breaker = tell_breaker
        self._places = parts.places
        self._sending = trio.CapacityLimiter(SENDING_AT_ONCE)
        self._wake = trio.Event()
        self._claiming = trio.CancelScope()
        self._running: dict[int, JobRun] = {}
        self._sharing = Sharing(parts.storage, parts.places, breakers, self._running, self._show_places)
        self._between_claim_and_start = trio.Lock()
        """While a job is taken from the queue and not among the running ones yet."""
        self._cancelled_while_claimed: set[int] = set()
        self._resume: list[jobs.Job] = []
        self._left_waiting: set[int] = set()
        """Jobs that a process before this one queued, whose messages say nothing of today yet."""
        self._nursery: trio.Nursery | None = None
        self._endings = Endings(parts.storage, parts.board, parts.metrics, self.chat_closed)
        parts.board.tell_of_refusals(self.chat_closed)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Go on with what `recover` found, then claim jobs until `stop`; leave when the running ones have ended."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                with self._claiming:
                    async with trio.open_nursery() as claiming:
                        claiming.start_soon(self._sharing.run)
                        await self._claim_forever(nursery)
            finally:
                # What is cancelled from here on is told by the next start, as untold.
                self._nursery = None

    def stop(self) -> None:
        """Claim nothing more; running jobs go on."""
        self._claiming.cancel()

    def wake(self) -> None:
        """Something was queued."""
        self._wake.set()
        self._sharing.wake()

    def queued(self, job: jobs.Job, before: int) -> None:
        """Show a job that was just queued, and look whether it can start."""
        self._show_waiting(job, before)
        self.wake()

    def bytes_per_second(self, job_id: int) -> float | None:
        """Return how fast a running job's file comes in; None where that is not known."""
        run = self._running.get(job_id)
        return None if run is None else run.bytes_per_second

    def cancelled(self, cancelled: Iterable[jobs.Job]) -> None:
        """End the work on jobs that are recorded as cancelled, and show it."""
        for job in cancelled:
            self._left_waiting.discard(job.job_id)
            end = cancelled_end(job)
            self._parts.metrics.download_cancelled.labels(format=job.variant.format).inc()
            self._parts.metrics.site_downloads.labels(site=job.site, outcome="cancelled").inc()
            run = self._running.get(job.job_id)
            if run is not None:
                run.end(end)
                continue
            if job.started_ms is not None:
                self._cancelled_while_claimed.add(job.job_id)  # its claim may be on its way in the same commit
            if self._nursery is not None:
                self._nursery.start_soon(self._endings.tell, job, end)

    async def recover(self) -> None:
        """Take up what a process before this one left: its workers are ended, its jobs go on.

        Before anything else uses the workspace or the queue. Raises StorageError.
        """
        storage = self._parts.storage
        strays = await storage.read(jobs.workers_at_start)
        ended = await trio.to_thread.run_sync(self._end_strays, strays)
        left = await storage.read(jobs.unfinished_at_start)
        self._resume = [job for job in left if job.state == "sending" and job.product]
        await self._parts.workspace.clear(keep=[job.job_id for job in self._resume])

        def put_back(db: Connection) -> None:
            for job in left:
                if job not in self._resume:
                    jobs.requeue(db, job.job_id)
            jobs.forget_workers(db)

        await storage.write(put_back)
        self._left_waiting = set(await storage.read(partial(jobs.first_waiting, limit=LEFT_AT_MOST)))
        await self._breakers.load()
        if left or ended:
            log.info("taken up after a stop", extra={"jobs": len(left), "strays_ended": ended})

    @property
    def in_hand(self) -> int:
        """How many downloads are worked on just now."""
        return len(self._running)

    async def _claim_forever(self, nursery: trio.Nursery) -> None:
        for job in await self._parts.storage.read(jobs.untold):
            nursery.start_soon(self._endings.tell_recorded, job)
        for resumed in self._resume:
            self._start(resumed, Slot(self._places), nursery)
        while True:
            slot = Slot(self._places)
            await slot.acquire()
            if not await self._claim_into(slot, nursery):
                with trio.move_on_after(LOOK_SECONDS):
                    await self._wake.wait()

    async def _claim_into(self, slot: Slot, nursery: trio.Nursery) -> bool:
        """Take a job from the queue and let it run in the slot; False where there is none. Cancelled, it takes none."""
        claimed: jobs.Job | None = None
        self._wake = trio.Event()
        async with self._between_claim_and_start:
            try:
                claimed = await self._claim()
            finally:
                if claimed is None:
                    slot.release()
            if claimed is None:
                return False
            if claimed.job_id in self._cancelled_while_claimed:
                self._cancelled_while_claimed.discard(claimed.job_id)
                slot.release()
            else:
                self._start(claimed, slot, nursery)
        return True

    def _start(self, job: jobs.Job, slot: Slot, nursery: trio.Nursery) -> None:
        """Let a job run; from this moment a cancel finds it."""
        self._left_waiting.discard(job.job_id)
        slot.user_id = job.user_id
        if slot.held_at is not None:
            self._places.got_place(job.user_id)
        run = self._running[job.job_id] = JobRun(self._parts, job, slot, self._sending)
        nursery.start_soon(self._one, run, slot)

    async def _show_places(self) -> None:
        """Tell those who wait their places; those far back are told when they come nearer.

        Those of a process before this one too: what it told them is old, or stands in a message nobody knows of.
        Raises StorageError.
        """
        read = self._parts.storage.read
        waiting = await read(partial(jobs.first_waiting, limit=SHOWN))
        for job_id, before in self._parts.board.show_places(waiting, self._places.free):
            job = await read(partial(jobs.get, job_id=job_id)) if job_id in self._left_waiting else None
            # Asked once more: it may have started or ended while it was read.
            if job is not None and job_id in self._left_waiting:
                self._left_waiting.discard(job_id)
                self._show_waiting(job, before)

    def _show_waiting(self, job: jobs.Job, before: int) -> None:
        if job.job_id in self._running:
            return
        card = self._parts.board.card(job)
        if job.site in self._breakers.paused():
            card.show(Paused(job.site))
        else:
            card.show(Starting() if self._places.free > before else Waiting(before))

    async def _claim(self) -> jobs.Job | None:
        now = self._parts.clock()
        paused, last = self._breakers.paused(), self._places.at_share()
        try:
            job = await self._parts.storage.write(lambda db: jobs.claim(db, now, paused, last=last))
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
                self._count(run, outcome, trio.current_time() - started)
            elif not isinstance(outcome, Delivered):
                outcome = recorded  # a press was recorded and counted first
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

        stored = await self._until_stored(change)
        if isinstance(stored, Cancelled):
            return stored
        if not isinstance(run.ended_as, GaveUp):
            return run.ended_as
        self._forget(run)
        self._parts.board.card(job).show(Waiting(stored, gave_up=True))
        self.wake()
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

    def _count(self, run: JobRun, outcome: Outcome, seconds: float) -> None:
        metrics, job = self._parts.metrics, run.job
        if isinstance(outcome, Delivered):
            metrics.download_success.labels(**job.variant.labels).inc()
            metrics.download_size.labels(kind=outcome.kind).observe(outcome.size_bytes)
            metrics.site_downloads.labels(site=job.site, outcome="success").inc()
        elif isinstance(outcome, Failed):
            self.count_failure(job, outcome.reason)
        if run.reached_worker and not isinstance(outcome, Cancelled):
            metrics.download_duration.labels(**job.variant.labels).observe(seconds, {"job": str(job.job_id)})
        log.info(
            "job ended",
            extra={
                "job": job.job_id,
                "user": job.user_id,
                "outcome": type(outcome).__name__.lower(),
                **job.variant.labels,
                "site": job.site,
                "seconds": round(seconds, 2),
                **({"reason": outcome.reason, "detail": outcome.detail} if isinstance(outcome, Failed) else {}),
            },
        )

    def count_failure(self, job: jobs.Job, reason: Reason) -> None:
        """Count a job that failed; called once a job."""
        metrics = self._parts.metrics
        metrics.download_failure.labels(format=job.variant.format, reason=reason).inc()
        metrics.site_downloads.labels(site=job.site, outcome="failure").inc()
        if reason.ours:
            metrics.errors.labels(category="download").inc()

    async def chat_closed(self, chat_id: int) -> None:
        """End what is in hand for a chat that takes nothing any more; a private one is noted as its user's block.

        The one way of every refusal (403), whoever met it: a reply, an offer, a progress message, a file, an end told.
        """
        now = self._parts.clock()
        # A job that is claimed in the same moment is either waiting still or among the running ones.
        async with self._between_claim_and_start:
            closed = await self._until_stored(lambda db: chats.closed(db, chat_id, now, Reason.USER_BLOCKED))
        for job in closed:
            self.count_failure(job, Reason.USER_BLOCKED)
            self._left_waiting.discard(job.job_id)
            self._parts.board.drop(job.job_id)
        for run in list(self._running.values()):
            if run.job.chat_id == chat_id:
                run.end(Failed(Reason.USER_BLOCKED))

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
            await self.chat_closed(job.chat_id)
        await self._endings.tell(job, outcome)
        if paused_seconds is not None:
            await self._tell_breaker(job.site, paused_seconds)


def _sent_file(sent: Delivered) -> SentFile:
    return SentFile(
        file_id=sent.file_id, kind=sent.kind, title=sent.title, size_bytes=sent.size_bytes, lines=sent.lines
    )
