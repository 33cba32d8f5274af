"""Queries on jobs: the durable queue, and the outcome of every download.

A job's states: `waiting` (in the queue) -> `running` (in a worker, or its stored file_id is looked up) -> `sending`
(its file is being sent) -> `done`, `failed` or `cancelled`. Each step is one transaction, so a kill between two steps
leaves a job that `left_behind` finds, because the run of the program in its `instance` is gone. The order in the queue
is `place`, which `charges` explains; of two jobs with the same place the older one comes first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from doradura.media.processes import Stray
from doradura.media.variant import Variant
from doradura.storage import charges
from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.conditions import ALL, Clause, given, none_of
from doradura.storage.seam import Connection, Row
from doradura.storage.states import UNFINISHED, JobEnd, JobState
from doradura.storage.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The columns of a row of `jobs` that the program reads."""

    job_id: int
    user_id: int
    chat_id: int
    reply_to: int | None
    url: str
    cache_key: str
    site: str
    variant: Variant
    plan: str
    language: str
    state: JobState
    place: int
    tries: int
    created_ms: int
    started_ms: int | None
    message_id: int | None
    maybe_sent: int
    reason: str | None
    title: str | None
    product: str | None
    thread_id: int | None = None
    """The forum topic in which it was requested."""
    given_up: int = 0
    """How often it gave its worker slot up for somebody else."""
    offer_id: int | None = None
    """The offer whose card it comes from, and whose probe's finding it may start from."""

    @property
    def guessed(self) -> bool:
        """Whether the link came without a scheme, so that https is a guess. Its key has no scheme either."""
        return self.cache_key.startswith("//")


_JOB = Columns(Job, variant=Variant.from_stored)
BY_ADMIN = "by_admin"
"""The reason of a job that an admin cancelled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """The values of a new job."""

    job_id: int
    user_id: int
    chat_id: int
    reply_to: int | None
    url: str
    cache_key: str
    site: str
    variant: Variant
    plan: str
    language: str
    thread_id: int | None = None
    offer_id: int | None = None


def add(db: Connection, job: NewJob, now_ms: int) -> Job:
    """Add a job to the queue and return it."""
    place = charges.reserve(db, job.user_id)
    db.execute(
        "INSERT INTO jobs (job_id, user_id, chat_id, reply_to, url, cache_key, site, variant, plan, language,"  # noqa: S608 - own text
        " thread_id, offer_id, state, place, charged_ms, created_ms, bot_id)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, {CURRENT})",
        (
            *(job.job_id, job.user_id, job.chat_id, job.reply_to, job.url, job.cache_key, job.site, job.variant.key),
            *(job.plan, job.language, job.thread_id, job.offer_id),
            *(place, charges.EXPECTED_MS, now_ms),
        ),
    )
    db.touch(Topic.QUEUE)
    added = get(db, job.job_id)
    assert added is not None
    return added


def get(db: Connection, job_id: int) -> Job | None:
    """Return a job by its id; None if there is none."""
    row = db.execute(f"SELECT {_JOB.listed} FROM jobs WHERE job_id = ?", (job_id,)).fetchone()  # noqa: S608 - own text
    return None if row is None else _JOB.value(row)


def claim(
    db: Connection,
    now_ms: int,
    paused_sites: tuple[str, ...] = (),
    *,
    instance: int,
    held_chats: Collection[int] = (),
    last: Collection[int] = (),
    only: Clause = ALL,
) -> Job | None:
    """Mark the next job as running in an instance and return it; None if no job can be claimed.

    Jobs of paused sites and of held chats are skipped, and those outside `only`. Jobs of the users in `last` are
    claimed only if nobody else has a job that can be claimed.
    """
    for passed_by in (last, ()) if last else ((),):
        row = db.execute(
            "UPDATE jobs SET state = 'running', instance = ?, started_ms = COALESCE(started_ms, ?) WHERE job_id = ("  # noqa: S608 - own text and marks
            f" SELECT job_id FROM jobs WHERE state = 'waiting'{none_of('site', paused_sites)}"
            f"{none_of('chat_id', held_chats)}{none_of('user_id', passed_by)}{only.sql}"
            f" ORDER BY place, job_id LIMIT 1) RETURNING {_JOB.listed}",
            (instance, now_ms, *paused_sites, *held_chats, *passed_by, *only.values),
        ).fetchone()
        if row is not None:
            job = _JOB.value(row)
            charges.claimed(db, job.job_id)
            return job
    return None


def waiting_users(
    db: Connection, paused_sites: tuple[str, ...] = (), *, held_chats: Collection[int] = (), only: Clause = ALL
) -> list[int]:
    """Return the users with a job that can be claimed, in the queue's order."""
    rows = db.execute(
        f"SELECT user_id FROM jobs WHERE state = 'waiting'{none_of('site', paused_sites)}"  # noqa: S608 - own marks
        f"{none_of('chat_id', held_chats)}{only.sql} GROUP BY user_id ORDER BY MIN(place), MIN(job_id)",
        (*paused_sites, *held_chats, *only.values),
    )
    return [row[0] for row in rows]


def set_message(db: Connection, job_id: int, message_id: int) -> None:
    """Store the id of a job's progress message."""
    db.execute("UPDATE jobs SET message_id = ? WHERE job_id = ?", (message_id, job_id))


def set_worker(db: Connection, job_id: int, pid: int, started: int) -> None:
    """Store the process that works on a job, so that a start after a kill can end it, and that a worker had the job."""
    db.execute(
        "UPDATE jobs SET worker_pid = ?, worker_started = ?, worked = 1 WHERE job_id = ?", (pid, started, job_id)
    )


def set_title(db: Connection, job_id: int, title: str) -> None:
    """Store the title that the site gives."""
    db.execute("UPDATE jobs SET title = ? WHERE job_id = ?", (title[:500], job_id))


def sending(db: Connection, job_id: int, product: str) -> bool:
    """Store that a job's file is being sent now. Return False if the job was cancelled meanwhile."""
    cursor = db.execute(
        "UPDATE jobs SET state = 'sending', product = ? WHERE job_id = ? AND state IN ('running', 'sending')",
        (product, job_id),
    )
    return cursor.rowcount == 1


def set_maybe_sent(db: Connection, job_id: int) -> None:
    """Store that a file was sent and the answer never came."""
    db.execute("UPDATE jobs SET maybe_sent = 1 WHERE job_id = ?", (job_id,))


def requeue(db: Connection, job_id: int) -> None:
    """Put a job back at its place in the queue, without counting an attempt. A file in delivery may have been sent."""
    db.execute(
        "UPDATE jobs SET maybe_sent = CASE WHEN state = 'sending' THEN 1 ELSE maybe_sent END, state = 'waiting',"
        " worker_pid = NULL, worker_started = NULL, product = NULL"
        " WHERE job_id = ? AND state IN ('running', 'sending')",
        (job_id,),
    )
    db.touch(Topic.QUEUE)


def put_back(db: Connection, job_id: int, *, maybe_sent: bool) -> bool:
    """Queue a job again because others wait, without counting an attempt. Return False if the job has ended."""
    cursor = db.execute(
        "UPDATE jobs SET state = 'waiting', given_up = given_up + 1, maybe_sent = ?, product = NULL,"
        " worker_pid = NULL, worker_started = NULL WHERE job_id = ? AND state IN ('running', 'sending')",
        (int(maybe_sent), job_id),
    )
    if cursor.rowcount != 1:
        return False
    charges.begin_again(db, job_id)
    db.touch(Topic.QUEUE)
    return True


def set_tries(db: Connection, job_id: int, tries: int) -> None:
    """Store how many attempts failed."""
    db.execute("UPDATE jobs SET tries = ?, worker_pid = NULL, worker_started = NULL WHERE job_id = ?", (tries, job_id))


def finish(
    db: Connection,
    job_id: int,
    state: JobEnd,
    now_ms: int,
    *,
    reason: str | None = None,
    size_bytes: int | None = None,
    told: bool = False,
) -> bool:
    """Store a job's outcome. Return False if it had one already. `told` means that its progress message shows it."""
    cursor = db.execute(
        "UPDATE jobs SET state = ?, finished_ms = ?, reason = ?, size_bytes = ?, told = ?, product = NULL,"  # noqa: S608 - own text
        f" worker_pid = NULL, worker_started = NULL WHERE job_id = ? AND state IN {UNFINISHED}",
        (state, now_ms, reason, size_bytes, int(told), job_id),
    )
    if cursor.rowcount != 1:
        return False
    charges.refund(db, job_id)
    return True


def set_told(db: Connection, job_id: int) -> None:
    """Store that a job's outcome was shown to its user."""
    db.execute("UPDATE jobs SET told = 1 WHERE job_id = ?", (job_id,))


def untold(db: Connection) -> list[Job]:
    """Return the jobs whose outcome was not shown yet."""
    rows = db.execute(
        f"SELECT {_JOB.listed} FROM jobs WHERE told = 0 AND state IN ('done', 'failed', 'cancelled') ORDER BY job_id",  # noqa: S608 - own text
    )
    return [_JOB.value(row) for row in rows]


def untold_cancels(db: Connection) -> list[Job]:
    """Return the cancelled jobs whose outcome was not shown yet."""
    rows = db.execute(
        # The condition of the partial index on untold jobs is repeated here; without it the index is not used.
        f"SELECT {_JOB.listed} FROM jobs WHERE told = 0 AND state IN ('done', 'failed', 'cancelled')"  # noqa: S608 - own text
        " AND state = 'cancelled' ORDER BY job_id",
    )
    return [_JOB.value(row) for row in rows]


def of_user(db: Connection, user_id: int, chat_id: int | None = None) -> list[Job]:
    """Return a user's unfinished jobs in the queue's order; with `chat_id`, only those of that chat."""
    of_chat, values = given({"chat_id": chat_id})
    rows = db.execute(
        f"SELECT {_JOB.listed} FROM jobs WHERE user_id = ?{of_chat}"  # noqa: S608 - own text
        f" AND state IN {UNFINISHED} ORDER BY place, job_id",
        (user_id, *values),
    )
    return [_JOB.value(row) for row in rows]


def before(db: Connection, job: Job) -> int:
    """Return the number of waiting jobs that are before a job."""
    row = db.execute(
        "SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND (place, job_id) < (?, ?)", (job.place, job.job_id)
    ).fetchone()
    return int(row[0])


def first_waiting(db: Connection, limit: int) -> list[int]:
    """Return the ids of the first `limit` waiting jobs in the queue's order."""
    rows = db.execute("SELECT job_id FROM jobs WHERE state = 'waiting' ORDER BY place, job_id LIMIT ?", (limit,))
    return [row[0] for row in rows]


def depth(db: Connection) -> int:
    """Return the number of waiting jobs."""
    return int(db.execute("SELECT COUNT(*) FROM jobs WHERE state = 'waiting'").fetchone()[0])


def oldest_waiting_ms(db: Connection, *, held_chats: Collection[int] = ()) -> int | None:
    """Return when the oldest waiting job was requested, in ms, without those of held chats; None if none waits."""
    row = db.execute(
        f"SELECT MIN(created_ms) FROM jobs WHERE state = 'waiting'{none_of('chat_id', held_chats)}",  # noqa: S608 - own marks
        tuple(held_chats),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def same_unfinished(db: Connection, user_id: int, cache_key: str, variant: Variant) -> Job | None:
    """Return a user's unfinished job for the same link and variant; None if there is none."""
    row = db.execute(
        f"SELECT {_JOB.listed} FROM jobs WHERE user_id = ? AND cache_key = ? AND variant = ?"  # noqa: S608 - own text
        f" AND state IN {UNFINISHED} LIMIT 1",
        (user_id, cache_key, variant.key),
    ).fetchone()
    return None if row is None else _JOB.value(row)


def newer_same(db: Connection, job: Job) -> Job | None:
    """Return a later job of the same user for the same link and variant, finished or not; None if there is none.

    A job that took over this job's message is later, even if a clock that was set back gave it a smaller id.
    """
    row = db.execute(
        f"SELECT {_JOB.listed} FROM jobs WHERE user_id = ? AND cache_key = ? AND variant = ?"  # noqa: S608 - own text
        " AND (job_id > ? OR (job_id <> ? AND message_id = ?)) LIMIT 1",
        (job.user_id, job.cache_key, job.variant.key, job.job_id, job.job_id, job.message_id),
    ).fetchone()
    return None if row is None else _JOB.value(row)


_NOT_OF = "COALESCE(instance, 0) <> ?"
"""SQL for the rows of another instance, or of a version that had no such column. No instance has the id 0."""


def left_behind(db: Connection, instance: int) -> list[Job]:
    """Return the jobs that another instance was running. There is one instance at a time, so that one is gone."""
    rows = db.execute(
        f"SELECT {_JOB.listed} FROM jobs WHERE state IN ('running', 'sending') AND {_NOT_OF} ORDER BY place",  # noqa: S608 - own text
        (instance,),
    )
    return [_JOB.value(row) for row in rows]


def take_over(db: Connection, job_id: int, instance: int) -> None:
    """Store that an instance continues a job that another one left behind."""
    db.execute("UPDATE jobs SET instance = ? WHERE job_id = ?", (instance, job_id))


def workers_left_behind(db: Connection, instance: int) -> list[Stray]:
    """Return the worker processes of other instances."""
    found = " UNION ALL ".join(
        f"SELECT {table}_id, worker_pid, worker_started FROM {table}s WHERE worker_pid IS NOT NULL AND {_NOT_OF}"  # noqa: S608 - own text
        for table in ("job", "offer")
    )
    rows = db.execute(found, (instance, instance))
    return [Stray(owner_id=row[0], pid=row[1], start_time=row[2]) for row in rows]


def forget_workers(db: Connection, instance: int) -> None:
    """Delete the ids of other instances' processes, which were killed, so that no later start looks for them."""
    for table in ("jobs", "offers"):
        db.execute(
            f"UPDATE {table} SET worker_pid = NULL, worker_started = NULL"  # noqa: S608 - own text
            f" WHERE worker_pid IS NOT NULL AND {_NOT_OF}",
            (instance,),
        )


def fail_waiting(db: Connection, chat_id: int, now_ms: int, *, reason: str) -> list[Job]:
    """Fail all waiting jobs of a closed chat and return them."""
    rows = db.execute(
        "UPDATE jobs SET state = 'failed', reason = ?, finished_ms = ?, told = 1"  # noqa: S608 - own text
        f" WHERE chat_id = ? AND state = 'waiting' RETURNING {_JOB.listed}",
        (reason, now_ms, chat_id),
    ).fetchall()
    return _refunded(db, rows)


def cancel(
    db: Connection,
    user_id: int,
    now_ms: int,
    *,
    chat_id: int | None = None,
    job_id: int | None = None,
    reason: str | None = None,
) -> list[Job]:
    """Cancel a user's jobs that are not being sent yet, and return them. What they did not use is refunded.

    With `chat_id` or `job_id`, only the jobs of that chat or only that job. `reason` is BY_ADMIN if an admin cancels.
    """
    which, values = given({"chat_id": chat_id, "job_id": job_id})
    rows = db.execute(
        "UPDATE jobs SET state = 'cancelled', finished_ms = ?, reason = ?, product = NULL WHERE user_id = ?"  # noqa: S608 - own text
        f"{which} AND state IN ('waiting', 'running') RETURNING {_JOB.listed}",
        (now_ms, reason, user_id, *values),
    ).fetchall()
    if rows:
        db.touch(Topic.CANCELLED_JOBS)
    return _refunded(db, rows)


def _refunded(db: Connection, rows: list[Row]) -> list[Job]:
    """Refund what ended jobs did not use, and return the jobs. The last ones come first, as each moves later jobs."""
    ended = [_JOB.value(row) for row in rows]
    for job in sorted(ended, key=lambda job: (job.place, job.job_id), reverse=True):
        charges.refund(db, job.job_id)
    return ended
