"""The queue's fair order: each job's position, and the time that its user is charged for it.

Each job has one number, `place`, so that the next job is found in one index step. It is a virtual start time in ms: a
user's next job comes after the one before by the time that the earlier one is charged. A waiting job is charged the
time for which a job is expected to hold a worker slot. A job that uses more is charged more while it runs; one that
uses less gets the rest refunded when it ends. Both move the user's later jobs. The first job of a user who has nothing
queued is placed at the queue's clock.

The clock is virtual too, so the wall clock may be set to anything. It advances by the time that all jobs use, divided
by the number of users with jobs. So users who got less than their share are before the clock, and those who got more
are after it. Since the clock advances while any job runs, it reaches every job, however many others come later. If
nobody else waits, the clock follows the only user, so that nobody is charged for idle slots.
"""

from __future__ import annotations

from doradura.storage.seam import Connection
from doradura.storage.states import UNFINISHED

EXPECTED_MS = 60_000
"""What a job is charged until its real use is known."""


def clock_ms(db: Connection) -> int:
    """Return the queue's virtual time in milliseconds."""
    return int(db.execute("SELECT virtual_ms FROM queue_clock").fetchone()[0])


def reserve(db: Connection, user_id: int) -> int:
    """Charge a user for a new job. Return the job's `place`."""
    row = db.execute("SELECT queue_ms FROM users WHERE user_id = ?", (user_id,)).fetchone()
    place = max(clock_ms(db), 0 if row is None else row[0])
    db.execute("UPDATE users SET queue_ms = ? WHERE user_id = ?", (place + EXPECTED_MS, user_id))
    return place


def claimed(db: Connection, job_id: int) -> None:
    """Move the clock to a claimed job's place: the job was the first, so no waiting job is before it.

    What the user's running jobs were charged and have not used yet is subtracted, since it may be refunded.
    """
    user_id, place = db.execute("SELECT user_id, place FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    unused = db.execute(
        "SELECT CAST(COALESCE(SUM(charged_ms - used_ms), 0) AS BIGINT) FROM jobs"
        " WHERE user_id = ? AND place < ? AND state IN ('running', 'sending')",
        (user_id, place),
    ).fetchone()[0]
    if place - unused > clock_ms(db):
        db.execute("UPDATE queue_clock SET virtual_ms = ?", (place - unused,))


def use(db: Connection, job_id: int, used_ms: int) -> None:
    """Charge a job for the time that it held a worker slot. The job may have ended already."""
    row = db.execute("SELECT used_ms, charged_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if row is None or used_ms <= 0:
        return
    used, charged = row[0] + used_ms, row[1]
    _charge(db, job_id, used_ms=used, charged_ms=max(used, charged))
    users = db.execute(f"SELECT COUNT(DISTINCT user_id) FROM jobs WHERE state IN {UNFINISHED}").fetchone()[0]  # noqa: S608 - own text
    db.execute("UPDATE queue_clock SET virtual_ms = virtual_ms + ?", (used_ms // max(1, users),))


def refund(db: Connection, job_id: int) -> None:
    """Refund what a job was charged and did not use, because it ended."""
    (used,) = db.execute("SELECT used_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    _charge(db, job_id, used_ms=used, charged_ms=used)


def begin_again(db: Connection, job_id: int) -> None:
    """Place a job that is queued again after the time that it used, and charge it like a new job."""
    (used,) = db.execute("SELECT used_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    _charge(db, job_id, used_ms=used, charged_ms=used + EXPECTED_MS)
    db.execute(
        "UPDATE jobs SET place = place + ?, used_ms = 0, charged_ms = ? WHERE job_id = ?", (used, EXPECTED_MS, job_id)
    )


def _charge(db: Connection, job_id: int, *, used_ms: int, charged_ms: int) -> None:
    """Store what a job used and was charged, and move the user's later jobs by the difference."""
    user_id, place, before = db.execute(
        "SELECT user_id, place, charged_ms FROM jobs WHERE job_id = ?", (job_id,)
    ).fetchone()
    db.execute("UPDATE jobs SET used_ms = ?, charged_ms = ? WHERE job_id = ?", (used_ms, charged_ms, job_id))
    difference = charged_ms - before
    if difference:
        db.execute("UPDATE users SET queue_ms = queue_ms + ? WHERE user_id = ?", (difference, user_id))
        db.execute(
            "UPDATE jobs SET place = place + ?"  # noqa: S608 - own text
            f" WHERE user_id = ? AND (place, job_id) > (?, ?) AND state IN {UNFINISHED}",
            (difference, user_id, place, job_id),
        )
