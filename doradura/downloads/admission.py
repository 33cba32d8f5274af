"""Whether a job may join the queue: its limits, held to in the transaction that stores the job.

One function for every way a download can be asked for (a command, a button, a retry), so that they refuse alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from doradura.storage import Connection, jobs

JOBS_OF_ONE_USER = 50
"""Unfinished jobs one person may have; more is a mistake or an attack."""

Rejection = Literal["full", "limit", "space", "blocked"]
"""Why a job is not accepted: the metric's label, the text's key. `blocked` is for those who may not use the bot."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The job stands in the queue, so many before it."""

    job: jobs.Job
    before: int


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """This user's job for the same thing is not finished yet."""

    job: jobs.Job


@dataclass(frozen=True, slots=True)
class Refused:
    """No room; `count`: how many wait."""

    reason: Rejection
    count: int


Answer = Queued | AlreadyThere | Refused


def enqueue(db: Connection, job: jobs.NewJob, *, queue_limit: int, now_ms: int) -> Answer:
    """Queue a job, or say why not."""
    same = jobs.same_unfinished(db, job.user_id, job.cache_key, job.variant)
    if same is not None:
        return AlreadyThere(same)
    own = len(jobs.of_user(db, job.user_id))
    if own >= JOBS_OF_ONE_USER:
        return Refused("limit", own)
    waiting = jobs.depth(db)
    if waiting >= queue_limit:
        return Refused("full", waiting)
    added = jobs.add(db, job, now_ms)
    return Queued(added, jobs.before(db, added))
