"""One job from its claim to its outcome: cache, attempts, delivery.

A `JobRun` decides nothing about other jobs. One timer covers all its work. A deadline and a user's cancel end in an
outcome. A shutdown is Trio's own cancellation: the job's row stays as it is, and the next start continues with it.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

import trio

from doradura.clock import Clock
from doradura.downloads.attempt import NO_RESULT, RetryPolicy, attempts, take_result
from doradura.downloads.board import Board
from doradura.downloads.delivery import Delivery
from doradura.downloads.findings import Findings
from doradura.downloads.job_delivery import JobDelivery
from doradura.downloads.paces import SitePaces
from doradura.downloads.stages import (
    Converting,
    Failed,
    Fetching,
    GaveUp,
    Outcome,
    Retrying,
    Waiting,
    Working,
)
from doradura.downloads.worker_slots import Candidate, Slot, WorkerSlots
from doradura.downloads.workspace import Workspace
from doradura.media.protocol import (
    Failure,
    Metadata,
    Progress,
    Result,
)
from doradura.media.reasons import RETRIED_REASONS, Reason
from doradura.metrics import Metrics
from doradura.storage import Change, Storage, StorageError, files, jobs
from doradura.telegram.errors import WrongFileIdError
from doradura.workers.interface import Workers

PAUSES_SECONDS = {Reason.RATE_LIMITED: (20, 60)}
DEFAULT_PAUSES_SECONDS = (2, 8)
OVERSLEPT_SECONDS = 30.0
"""A timer that fires later than this shows that the process was stopped meanwhile."""
POLICY = RetryPolicy(
    attempts=3,
    reasons=RETRIED_REASONS,
    # If a site asks for a longer pause, the job fails, and its user is told when to try again.
    longest_pause_seconds=120.0,
    # If a job's worker is lost this often, the job probably kills it.
    lost_workers=5,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DownloadParts:
    """The parts that a job uses. The supervisor passes them on."""

    storage: Storage
    workers: Workers
    workspace: Workspace
    findings: Findings
    paces: SitePaces
    delivery: Delivery
    board: Board
    worker_slots: WorkerSlots
    metrics: Metrics
    bot_id: int
    """Our bot. A file_id is valid for one bot only."""
    clock: Clock
    held_chats: Callable[[], Collection[int]]
    """Returns the chats where Telegram told the bot to wait: none of their jobs is claimed before that is over."""
    suspect_workers: Callable[[], None]
    """Called when an attempt failed in a way that may be this machine's fault, so that workers are tested."""
    notify_foreign_file: Callable[[int, str], Awaitable[None]]
    """Called with the id of a job whose worker named a file that is not its own, and what is wrong with the file."""
    notify_browser_wanted: Callable[[str, str], Awaitable[None]]
    """Called with a site that lets only browsers in, and why requests can't look like one's."""


class JobRun:
    """The work on one job."""

    def __init__(
        self, parts: DownloadParts, job: jobs.Job, slot: Slot, sending: trio.CapacityLimiter, *, has_look: bool = False
    ) -> None:
        """`has_look` says that a look at its site was taken from the site's pace when it was claimed."""
        self._parts = parts
        self.job = job
        self._slot = slot
        self._progress_message = parts.board.progress_message(job)
        self._title = job.title
        self._lines: int | None = None
        self._has_audio: bool | None = None
        self._scope = trio.CancelScope()
        self.ended_as: Outcome | GaveUp | None = None
        """The outcome that `end` or `give_up` set; None if the job ends by itself."""
        self.reached_worker = False
        self._has_failed = job.tries > 0
        self._has_look = has_look
        self.bytes_per_second: float | None = None
        """How fast the site sends; None if that is not known."""
        self._can_begin_anew = False
        self._charged_seconds = 0.0
        self._timer = trio.CancelScope()
        self._delivery = JobDelivery(
            parts.delivery,
            parts.storage,
            job,
            self._progress_message,
            sending,
            prolong=self._prolong,
        )

    async def run(self) -> Outcome | GaveUp:
        """Work on the job and return its outcome, or GaveUp if it gave its slot up. Raises TokenRefusedError.

        If cancelled, the job's row stays as it is, and the next start continues with the job.
        """
        outcome = await self._run()
        if isinstance(outcome, Failed) and self._delivery.maybe_sent:
            return replace(outcome, maybe_sent=True)
        return outcome

    async def _run(self) -> Outcome | GaveUp:
        seconds = self.job.variant.grade.timer_seconds
        with self._scope:
            while True:
                began = trio.current_time()
                try:
                    with trio.fail_after(seconds) as self._timer:
                        return await self._work()
                except trio.TooSlowError:
                    if self._delivery.has_begun:  # the file was ready, so it was Telegram that took too long
                        return Failed(Reason.TELEGRAM, "not sent in time")
                    if trio.current_time() - began < seconds + OVERSLEPT_SECONDS:
                        return Failed(Reason.DEADLINE)
                    # The process was stopped meanwhile, and the job could not use its time, so the job starts again.
                    await self._slot.acquire()
        assert self.ended_as is not None
        return self.ended_as

    @property
    def cut_off(self) -> bool:
        """Whether `end` or `give_up` interrupted its work."""
        return self._scope.cancelled_caught

    def end(self, outcome: Outcome) -> None:
        """Stop working, since nobody wants the file any more. This also applies to a job that gives its slot up."""
        self.ended_as = outcome
        self._scope.cancel()

    def candidate(self) -> Candidate | None:
        """Return this job as a candidate for giving its slot up; None if it holds no slot or is nearly done."""
        if self._slot.held_at is None or not self._can_begin_anew or self._scope.cancel_called:
            return None
        return Candidate(
            job_id=self.job.job_id,
            user_id=self.job.user_id,
            held_at=self._slot.held_at,
            given_up=self.job.given_up,
        )

    @property
    def is_giving_up(self) -> bool:
        """Whether its slot is about to become free."""
        return self._scope.cancel_called and self._slot.held_at is not None

    @property
    def maybe_sent(self) -> bool:
        """Whether an upload of its file was interrupted or never answered."""
        return self._delivery.maybe_sent or self.job.state == "sending"

    def _prolong(self, seconds: float) -> None:
        """Move the job's deadline by a time that the job could not use."""
        self._timer.deadline += seconds

    def give_up(self) -> None:
        """Stop working for now, so that somebody else gets the slot."""
        self.ended_as = GaveUp()
        self._scope.cancel()

    def take_uncharged_ms(self) -> int:
        """Return how long the job held a slot since the last call of this method."""
        used_ms = int((self._slot.used_seconds - self._charged_seconds) * 1000)
        self._charged_seconds += used_ms / 1000
        return used_ms

    async def _work(self) -> Outcome:
        resumed = await self._product_on_disk()
        if resumed is not None:
            return await self._delivery.deliver(resumed, self._slot, maybe_sent=True)
        sent = await self._send_again()
        if sent is not None:
            return sent
        result = await self._attempts()
        if isinstance(result, Result):
            result = await take_result(self._parts.workspace, self.job.job_id, result, self._parts.notify_foreign_file)
        if isinstance(result, Failure):
            if result.lacks == "browser":
                await self._parts.notify_browser_wanted(self.job.site, result.detail)
            return self._failed(result)
        return await self._delivery.deliver(result, self._slot, maybe_sent=self.maybe_sent)

    def _failed(self, failure: Failure) -> Failed:
        """Return the outcome of a job from the failure of its last attempt."""
        return Failed(
            failure.reason,
            failure.detail,
            failure.sizes,
            lines=failure.lines or self._lines,
            has_audio=self._has_audio if failure.has_audio is None else failure.has_audio,
            final=failure.final,
            retry_after_seconds=failure.retry_after_seconds,
            unresolved=failure.unresolved,
            lacks=failure.lacks,
        )

    async def _product_on_disk(self) -> Result | None:
        """Return the finished file of an upload that a crash interrupted, if it is intact."""
        if self.job.state != "sending" or self.job.product is None:
            return None
        return await self._parts.workspace.taken(self.job.job_id, self.job.product)

    async def _send_again(self) -> Outcome | None:
        """Send the link's file by its file_id if it was sent before; None if not, or if Telegram no longer has it."""
        job, parts = self.job, self._parts
        if job.state == "sending":  # its file was being uploaded, and is not on the disk any more
            return None
        try:
            known = await parts.storage.read(
                lambda db: files.get(db, parts.bot_id, job.cache_key, job.variant),
            )
        except StorageError as error:
            log.warning("not known whether it was sent before", extra={"job": job.job_id, "error": str(error)})
            return None
        if known is None:
            parts.metrics.file_cache_lookups.labels(outcome="miss").inc()
            return None
        self._slot.release()
        try:
            outcome = await self._delivery.deliver_again(known)
        except WrongFileIdError:
            parts.metrics.file_cache_lookups.labels(outcome="stale").inc()
            await self._note(lambda db: files.forget(db, parts.bot_id, known.file_id))
            await self._slot.acquire()
            return None
        parts.metrics.file_cache_lookups.labels(outcome="hit").inc()
        return outcome

    async def _attempts(self) -> Result | Failure:
        """Make attempts until one has the file or no other follows."""
        return await attempts(self._in_slot, POLICY, pause=self._pause, tries=self.job.tries)

    async def _in_slot(self) -> Result | Failure:
        """Wait for a slot and make one attempt. If it failed because of this machine, the workers are tested."""
        if self._slot.held_at is None and self._parts.worker_slots.free <= 0:
            self._progress_message.show(Waiting(0))
        await self._slot.acquire()
        self._progress_message.show(Working())
        self._can_begin_anew = True
        try:
            result = await self._attempt()
        except OSError:
            self._parts.suspect_workers()
            raise
        finally:
            self._can_begin_anew = False
        if isinstance(result, Failure) and result.reason is Reason.TOOL_CRASH:
            self._parts.suspect_workers()
        return result

    async def _pause(self, failure: Failure, tries: int) -> None:
        """Release the slot and sleep until the next attempt."""
        self._has_failed = True
        self._slot.release()
        seconds = pause_seconds(failure, tries)
        log.info(
            "attempt failed, trying again",
            extra={"job": self.job.job_id, "reason": failure.reason, "detail": failure.detail, "seconds": seconds},
        )
        self._parts.metrics.download_retries.labels(reason=failure.reason).inc()
        await self._note(lambda db: jobs.set_tries(db, self.job.job_id, tries))
        self._progress_message.show(Retrying(failure.reason, seconds))
        # The next attempt must not be earlier than the site asked for.
        least = 1.0 if failure.retry_after_seconds is not None else 0.9
        await trio.sleep(seconds * random.uniform(least, 1.1))  # noqa: S311 - spreading retries, no secret

    async def _attempt(self) -> Result | Failure:
        """Make one attempt in one worker. Raises WorkerLostError, and OSError if its directory can't be made."""
        parts, job = self._parts, self.job
        directory = await parts.workspace.fresh(job.job_id)
        # After a failure the site is asked again, since what the probe found may be to blame.
        finding = (
            job.offer_id is not None
            and not self._has_failed
            and await parts.findings.hand_over(job.offer_id, directory)
        )
        if not finding:
            await self._take_look()
        order = await parts.workspace.download(
            job.job_id, directory, job.url, job.variant, guessed=job.guessed, finding=finding
        )
        self.reached_worker = True
        fetched = 0
        with parts.metrics.downloads_in_progress.labels(format=job.variant.format).track_inprogress():
            async with parts.workers.work(order) as conversation:
                await self._note(
                    lambda db: jobs.set_worker(db, job.job_id, conversation.pid, conversation.started_at),
                )
                async for message in conversation:
                    match message:
                        case Metadata():
                            if finding and not message.kept:  # which did not serve
                                await self._take_look()
                            await self._note_metadata(message)
                        case Progress():
                            parts.metrics.download_bytes.inc(max(0, message.fetched_bytes - fetched))
                            fetched = max(fetched, message.fetched_bytes)
                            self._show_progress(message)
                        case Result():
                            self._can_begin_anew = False  # the worker is done, so there is nothing to start again
                            parts.metrics.download_bytes.inc(max(0, message.fetched_bytes - fetched))
                            return message
                        case Failure():
                            return message
                        case _:
                            return _crashed(f"the worker said {type(message).__name__}")
        return NO_RESULT

    async def _take_look(self) -> None:
        """Take a look from the site's pace, unless the job has one. It does not wait here: it has a worker slot."""
        if not self._has_look and self._parts.paces.has(self.job.site):
            await self._note(lambda db: self._parts.paces.take(db, self.job.site))
        self._has_look = False

    async def _note(self, change: Change[None]) -> None:
        """Store a fact that helps the next start. A StorageError is only logged: the download goes on without it."""
        try:
            await self._parts.storage.write(change)
        except StorageError as error:
            log.warning("a fact for the next start is not stored", extra={"job": self.job.job_id, "error": str(error)})

    async def _note_metadata(self, metadata: Metadata) -> None:
        if not metadata.kept:
            self._parts.metrics.extraction_duration.observe(metadata.extraction_seconds)
        self._lines, self._has_audio = metadata.height, metadata.has_audio
        if metadata.title:
            self._title = metadata.title
            title = metadata.title
            await self._note(lambda db: jobs.set_title(db, self.job.job_id, title))

    def _show_progress(self, progress: Progress) -> None:
        # A complete source is not thrown away for somebody else, since converting does not take long.
        self._can_begin_anew = progress.stage != "converting"
        self.bytes_per_second = None if progress.stage == "converting" else progress.bytes_per_second
        title = self._title or self.job.url
        if progress.stage == "converting":
            self._progress_message.show(Converting(title, progress.share, progress.seconds_left))
        else:
            self._progress_message.show(
                Fetching(title, progress.fetched_bytes, progress.total_bytes, progress.bytes_per_second),
            )


def _crashed(detail: str) -> Failure:
    return Failure(reason=Reason.TOOL_CRASH, detail=detail)


def pause_seconds(failed: Failure, tries: int) -> int:
    """Return how many seconds to wait before the next attempt: as the site asks, or else by the failure's reason."""
    if failed.retry_after_seconds is not None:
        return max(1, math.ceil(failed.retry_after_seconds))
    pauses = PAUSES_SECONDS.get(failed.reason, DEFAULT_PAUSES_SECONDS)
    return pauses[min(tries, len(pauses)) - 1]
