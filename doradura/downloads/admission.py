"""Whether a job may join the queue. The limits are checked in the transaction that stores the job.

Every request for a download (a command, a button, a retry) calls the same function, so that all are refused alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from doradura.storage import Connection, jobs

JOBS_OF_ONE_USER = 50
"""How many unfinished jobs one user may have. More are a mistake or an attack."""

Rejection = Literal["full", "limit", "space", "blocked"]
"""Why a job is not accepted: the metric's label and the text's key. `blocked` is for users who are banned."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The job has joined the queue. `before` is the number of jobs ahead of it."""

    job: jobs.Job
    before: int


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The user has an unfinished job for the same link and variant, so no other was added."""

    job: jobs.Job


@dataclass(frozen=True, slots=True)
class Refused:
    """The job is not accepted. `count` is the number of jobs that count against the limit."""

    reason: Rejection
    count: int


Answer = Queued | AlreadyThere | Refused


def enqueue(db: Connection, job: jobs.NewJob, *, queue_limit: int, now_ms: int) -> Answer:
    """Add a job to the queue, or return why it is not added."""
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
