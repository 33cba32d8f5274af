"""One job from its claim to its end: cache, attempts, delivery.

A `JobRun` decides nothing about other jobs. Its timer is armed once, around everything; deadline, user cancel and
shutdown are three different ends: the first two are outcomes, the third is trio's own cancellation, after which the
job stands in the database as it stood and the next start goes on with it.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

import trio

from doradura.clock import Clock
from doradura.downloads.attempt import LEFT_SILENTLY, RetryPolicy, attempts, take_made, told_by_the_log_alone
from doradura.downloads.board import Board
from doradura.downloads.delivery import Delivery
from doradura.downloads.job_delivery import JobDelivery
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
from doradura.downloads.worker_slots import Places, Run, Slot
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
"""A deadline that is noticed so much later was slept through: this process was stopped."""
POLICY = RetryPolicy(
    attempts=3,
    reasons=RETRIED_REASONS,
    # A site that asks for more is not waited for: its user is told when to come again.
    longest_pause_seconds=120.0,
    # A job whose worker is lost this often is likely what kills it.
    lost_workers=5,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DownloadParts:
    """What a job needs, handed down by the supervisor."""

    storage: Storage
    workers: Workers
    workspace: Workspace
    delivery: Delivery
    board: Board
    places: Places
    metrics: Metrics
    bot_id: int
    """The bot whose file_ids are ours."""
    clock: Clock
    held_chats: Callable[[], Collection[int]] = tuple
    """Gives the chats that Telegram told to wait: nothing is fetched for them before that is over."""
    suspect_workers: Callable[[], None] = lambda: None
    """Called when an attempt failed in a way that may be this machine's fault: the worker is to be tested."""
    tell_foreign_file: Callable[[int, str], Awaitable[None]] = told_by_the_log_alone
    """Called with a job whose worker named a file that is not its own, and what is wrong with it."""


class JobRun:
    """The work on one job."""

    def __init__(self, parts: DownloadParts, job: jobs.Job, slot: Slot, sending: trio.CapacityLimiter) -> None:
        self._parts = parts
        self.job = job
        self._slot = slot
        self._card = parts.board.card(job)
        self._title = job.title
        self._lines: int | None = None
        self._has_audio: bool | None = None
        self._scope = trio.CancelScope()
        self.ended_as: Outcome | GaveUp | None = None
        """What it was told to end as, from outside."""
        self.reached_worker = False
        self.bytes_per_second: float | None = None
        """How fast the site sends, as far as known."""
        self._can_begin_anew = False
        self._charged_seconds = 0.0
        self._timer = trio.CancelScope()
        self._delivery = JobDelivery(
            parts.delivery,
            parts.storage,
            job,
            self._card,
            sending,
            prolong=self._prolong,
        )

    async def run(self) -> Outcome | GaveUp:
        """Work until the job's end, or until it gives its place up; a shutdown's cancellation travels through."""
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
                    if self._delivery.has_begun:  # the file was ready: what took so long was Telegram
                        return Failed(Reason.TELEGRAM, "not sent in time")
                    if trio.current_time() - began < seconds + OVERSLEPT_SECONDS:
                        return Failed(Reason.DEADLINE)
                    # The process was stopped meanwhile: the job's time was not its own, so it begins anew.
                    await self._slot.acquire()
        assert self.ended_as is not None
        return self.ended_as

    @property
    def cut_off(self) -> bool:
        """Whether it ended by `end`."""
        return self._scope.cancelled_caught

    def end(self, outcome: Outcome) -> None:
        """Stop working: nobody wants the file any more. That holds also for one that just gives its place up."""
        self.ended_as = outcome
        self._scope.cancel()

    def place(self) -> Run | None:
        """Return the place it could give up; None where it holds none, or what it works on is nearly done."""
        if self._slot.held_at is None or not self._can_begin_anew or self._scope.cancel_called:
            return None
        return Run(
            job_id=self.job.job_id,
            user_id=self.job.user_id,
            held_at=self._slot.held_at,
            given_up=self.job.given_up,
        )

    @property
    def is_giving_up(self) -> bool:
        """Whether its place is about to be free."""
        return self._scope.cancel_called and self._slot.held_at is not None

    @property
    def maybe_sent(self) -> bool:
        """Whether a sending of its file was cut off or never answered."""
        return self._delivery.maybe_sent or self.job.state == "sending"

    def _prolong(self, seconds: float) -> None:
        """Put the job's deadline off: that time was not its own."""
        self._timer.deadline += seconds

    def give_up(self) -> None:
        """Stop working for now, so that somebody else has the place."""
        self.ended_as = GaveUp()
        self._scope.cancel()

    def take_uncharged_ms(self) -> int:
        """Return the time of a place that was used and not charged yet; from now on it counts as charged."""
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
        end = await self._attempts()
        if isinstance(end, Result):
            end = await take_made(self._parts.workspace, self.job.job_id, end, self._parts.tell_foreign_file)
        if isinstance(end, Failure):
            return self._failed(end)
        return await self._delivery.deliver(end, self._slot, maybe_sent=self.maybe_sent)

    def _failed(self, end: Failure) -> Failed:
        """Return the outcome of a job whose last attempt ended so."""
        return Failed(
            end.reason,
            end.detail,
            end.sizes,
            lines=end.lines or self._lines,
            has_audio=self._has_audio if end.has_audio is None else end.has_audio,
            final=end.final,
            retry_after_seconds=end.retry_after_seconds,
            unresolved=end.unresolved,
            lacks=end.lacks,
        )

    async def _product_on_disk(self) -> Result | None:
        """Return the file of a sending that a kill cut off, if it is still whole."""
        if self.job.state != "sending" or self.job.product is None:
            return None
        return await self._parts.workspace.taken(self.job.job_id, self.job.product)

    async def _send_again(self) -> Outcome | None:
        """Send what was sent before by its file_id; None when there is nothing or Telegram does not know it."""
        job, parts = self.job, self._parts
        if job.state == "sending":  # its file went out by upload and is not there any more
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
        """Let workers try until one has the file or trying is over."""
        return await attempts(self._in_slot, POLICY, pause=self._pause, tries=self.job.tries)

    async def _in_slot(self) -> Result | Failure:
        """Let one worker try once there is a slot for it; what may be this machine's fault has the workers tested."""
        if self._slot.held_at is None and self._parts.places.free <= 0:
            self._card.show(Waiting(0))
        await self._slot.acquire()
        self._card.show(Working())
        self._can_begin_anew = True
        try:
            end = await self._attempt()
        except OSError:
            self._parts.suspect_workers()
            raise
        finally:
            self._can_begin_anew = False
        if isinstance(end, Failure) and end.reason is Reason.TOOL_CRASH:
            self._parts.suspect_workers()
        return end

    async def _pause(self, failure: Failure, tries: int) -> None:
        """Give the slot back and wait: what the site asks for, else what its reason does."""
        self._slot.release()
        seconds = pause_seconds(failure, tries)
        log.info(
            "attempt failed, trying again",
            extra={"job": self.job.job_id, "reason": failure.reason, "detail": failure.detail, "seconds": seconds},
        )
        self._parts.metrics.download_retries.labels(reason=failure.reason).inc()
        await self._note(lambda db: jobs.set_tries(db, self.job.job_id, tries))
        self._card.show(Retrying(failure.reason, seconds))
        # Never before the time a site asked for.
        least = 1.0 if failure.retry_after_seconds is not None else 0.9
        await trio.sleep(seconds * random.uniform(least, 1.1))  # noqa: S311 - spreading retries, no secret

    async def _attempt(self) -> Result | Failure:
        """Let one worker try. Raises WorkerLostError, and OSError when there is no directory to be had."""
        parts, job = self._parts, self.job
        directory = await parts.workspace.fresh(job.job_id)
        order = await parts.workspace.download(job.job_id, directory, job.url, job.variant, guessed=job.guessed)
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
                            await self._known(message)
                        case Progress():
                            parts.metrics.download_bytes.inc(max(0, message.fetched_bytes - fetched))
                            fetched = max(fetched, message.fetched_bytes)
                            self._show_progress(message)
                        case Result():
                            self._can_begin_anew = False  # the worker leaves now, and nothing else is to be done
                            parts.metrics.download_bytes.inc(max(0, message.fetched_bytes - fetched))
                            return message
                        case Failure():
                            return message
                        case _:
                            return _crashed(f"the worker said {type(message).__name__}")
        return LEFT_SILENTLY

    async def _note(self, change: Change[None]) -> None:
        """Store what helps a later start; a failing database fails no download that goes on."""
        try:
            await self._parts.storage.write(change)
        except StorageError as error:
            log.warning("not noted", extra={"job": self.job.job_id, "error": str(error)})

    async def _known(self, metadata: Metadata) -> None:
        self._parts.metrics.extraction_duration.observe(metadata.extraction_seconds)
        self._lines, self._has_audio = metadata.height, metadata.has_audio
        if metadata.title:
            self._title = metadata.title
            title = metadata.title
            await self._note(lambda db: jobs.set_title(db, self.job.job_id, title))

    def _show_progress(self, progress: Progress) -> None:
        # What has come in whole is not thrown away for somebody else: converting takes a while and ends.
        self._can_begin_anew = progress.stage != "converting"
        self.bytes_per_second = None if progress.stage == "converting" else progress.bytes_per_second
        title = self._title or self.job.url
        if progress.stage == "converting":
            self._card.show(Converting(title, progress.share, progress.seconds_left))
        else:
            self._card.show(
                Fetching(title, progress.fetched_bytes, progress.total_bytes, progress.bytes_per_second),
            )


def _crashed(detail: str) -> Failure:
    return Failure(reason=Reason.TOOL_CRASH, detail=detail)


def pause_seconds(failed: Failure, tries: int) -> int:
    """Return how long to wait before the next attempt: what the site asks for, else what its reason does."""
    if failed.retry_after_seconds is not None:
        return max(1, math.ceil(failed.retry_after_seconds))
    pauses = PAUSES_SECONDS.get(failed.reason, DEFAULT_PAUSES_SECONDS)
    return pauses[min(tries, len(pauses)) - 1]
