"""The attempts at one order in child processes, shared by jobs and probes: repeated where that helps.

Owns the rule by which a failed attempt is followed by another. Knows nothing of queues, messages or the database: who
asks says what one attempt is, and what happens in the pause before the next.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from doradura.downloads.products import ForeignFileError
from doradura.downloads.workspace import Workspace
from doradura.media.protocol import Failure, Result, WorkerLostError
from doradura.media.reasons import Reason, reason_of

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is followed by another."""

    attempts: int
    """How many there are at most, those of earlier starts counted."""
    reasons: Collection[Reason]
    """Of what failed for one of these."""
    longest_pause_seconds: float
    """A site that asks to be left alone for longer is not waited for."""
    lost_workers: int
    """So often a worker may go away by itself, which is no attempt."""

    def allows(self, failure: Failure, tries: int) -> bool:
        """Return whether another attempt follows this failure, the `tries`-th."""
        too_long = (failure.retry_after_seconds or 0.0) > self.longest_pause_seconds
        return not failure.final and not too_long and failure.reason in self.reasons and tries < self.attempts


async def attempts(
    one: Callable[[], Awaitable[T | Failure]],
    policy: RetryPolicy,
    *,
    pause: Callable[[Failure, int], Awaitable[None]],
    tries: int = 0,
) -> T | Failure:
    """Call `one` until it brings something else than a failure, or the policy allows no other attempt.

    `pause` is given the failure and the number of attempts so far, and is awaited before the next one. `one` may raise
    WorkerLostError, which costs no attempt, and OSError where this machine has no directory or process for it, which
    is no worker's fault and is not tried again. Cancelled, it leaves with whatever `one` or `pause` is doing.
    """
    lost = 0
    while True:
        try:
            end = await one()
        except WorkerLostError as error:
            lost += 1
            log.warning("worker lost", extra={"error": str(error), "times": lost})
            if lost >= policy.lost_workers:
                return Failure(reason=Reason.TOOL_CRASH, detail=f"the worker was lost again and again: {error}")
            continue
        except OSError as error:
            return Failure(reason=reason_of(error), detail=f"no directory or process for it: {error}")
        if not isinstance(end, Failure):
            return end
        tries += 1
        if not policy.allows(end, tries):
            return end
        await pause(end, tries)


LEFT_SILENTLY = Failure(reason=Reason.TOOL_CRASH, detail="the worker left without a word")
"""What became of an attempt whose worker went away in order, having said nothing final."""


async def told_by_the_log_alone(_job_id: int, _detail: str) -> None:
    """Tell nobody of a worker that named a file which is not its own; the log has it anyway."""


async def take_made(
    workspace: Workspace, job_id: int, told: Result, tell: Callable[[int, str], Awaitable[None]]
) -> Result | Failure:
    """Take what an ended worker says it made; what is not its own file fails the job, and `tell` is called with it."""
    try:
        return await workspace.take(job_id, told)
    except ForeignFileError as error:
        log.error("a worker named a file that is not its own", extra={"job": job_id, "detail": str(error)})  # noqa: TRY400 - the detail says it all
        await tell(job_id, str(error))
        return Failure(reason=Reason.TOOL_CRASH, detail=str(error), final=True)
    except OSError as error:
        return Failure(reason=reason_of(error), detail=f"its file can't be taken: {error}")
