"""Attempts at one order in child processes, for jobs and for probes. A failed attempt is repeated if that may help.

Owns the rule that decides whether another attempt follows. Knows nothing of queues, messages or the database: the
caller supplies one attempt, and what happens in the pause before the next.
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
    """When another attempt follows a failed one."""

    attempts: int
    """The largest number of attempts, including those before a restart."""
    reasons: Collection[Reason]
    """Only a failure with one of these reasons is followed by another attempt."""
    longest_pause_seconds: float
    """If a site asks the bot to wait longer than this, there is no other attempt."""
    lost_workers: int
    """After so many lost workers the job fails. A lost worker does not count as an attempt."""

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
    """Call `one` until it returns something other than a failure, or the policy allows no other attempt.

    `pause` receives the failure and the number of attempts so far, and is awaited before the next attempt. `one` may
    raise WorkerLostError, which does not count as an attempt, and OSError if this machine can't make a directory or a
    process; that is not the worker's fault and is not repeated. Neither leaves this function: both become a Failure.
    A cancel interrupts `one` or `pause`.
    """
    lost = 0
    while True:
        try:
            result = await one()
        except WorkerLostError as error:
            lost += 1
            log.warning("worker lost", extra={"error": str(error), "times": lost})
            if lost >= policy.lost_workers:
                return Failure(reason=Reason.TOOL_CRASH, detail=f"the worker was lost {lost} times: {error}")
            continue
        except OSError as error:
            return Failure(reason=reason_of(error), detail=f"its directory or process can't be made: {error}")
        if not isinstance(result, Failure):
            return result
        tries += 1
        if not policy.allows(result, tries):
            return result
        await pause(result, tries)


NO_RESULT = Failure(reason=Reason.TOOL_CRASH, detail="the worker ended without a result")
"""The failure of an attempt whose worker ended normally but sent neither a result nor a failure."""


async def take_result(
    workspace: Workspace, job_id: int, reported: Result, notify: Callable[[int, str], Awaitable[None]]
) -> Result | Failure:
    """Move the files that an ended worker reported out of its reach, and return the checked result.

    A file that is not in the job's directory fails the job; `notify` is then called with the job and what is wrong.
    """
    try:
        return await workspace.take(job_id, reported)
    except ForeignFileError as error:
        log.error("a worker named a file that is not its own", extra={"job": job_id, "detail": str(error)})  # noqa: TRY400 - the detail is enough
        await notify(job_id, str(error))
        return Failure(reason=Reason.TOOL_CRASH, detail=str(error), final=True)
    except OSError as error:
        return Failure(reason=reason_of(error), detail=f"its file can't be taken: {error}")
