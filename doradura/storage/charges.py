"""The queue's fair order: where a job stands, and what its user's order is charged for it.

The order is one number a job, `place`, so that the next job is one index step. It is a virtual start time: a user's
next job stands behind the one before by what that one is charged. A waiting job is charged what a job is expected to
use of a place; one that used more is charged more while it runs, one that used less gives the rest back when it ends.
Either moves the user's later jobs. Somebody who has nothing queued begins at the queue's clock.

The clock is virtual too, so the wall clock may be set to anything: it goes by the time that all jobs used, divided by
the number of users who have jobs. Two things follow. Whoever got less than their share stands before the clock and
whoever got more behind it; and as long as anything is worked on the clock goes on, so that every job is reached by it
however many others come later. Where nobody else waits, the clock follows the only user: nobody owes for idle places.
"""

from __future__ import annotations

from doradura.storage.seam import Connection
from doradura.storage.states import UNFINISHED

EXPECTED_MS = 60_000
"""What a job is charged before it is known what it uses."""


def clock_ms(db: Connection) -> int:
    """Return the queue's virtual time in milliseconds."""
    return int(db.execute("SELECT virtual_ms FROM queue_clock").fetchone()[0])


def reserve(db: Connection, user_id: int) -> int:
    """Charge a user for a new job. Return the place at which it stands."""
    row = db.execute("SELECT queue_ms FROM users WHERE user_id = ?", (user_id,)).fetchone()
    place = max(clock_ms(db), 0 if row is None else row[0])
    db.execute("UPDATE users SET queue_ms = ? WHERE user_id = ?", (place + EXPECTED_MS, user_id))
    return place


def claimed(db: Connection, job_id: int) -> None:
    """Let the clock follow the queue: the claimed job stood first, so nobody who waits stands before it.

    What the user's running jobs were charged and have not used yet is left out: they may give it back.
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
    """Charge a job for time that it used of a place; one that has ended too."""
    row = db.execute("SELECT used_ms, charged_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if row is None or used_ms <= 0:
        return
    used, charged = row[0] + used_ms, row[1]
    _charge(db, job_id, used_ms=used, charged_ms=max(used, charged))
    users = db.execute(f"SELECT COUNT(DISTINCT user_id) FROM jobs WHERE state IN {UNFINISHED}").fetchone()[0]  # noqa: S608 - own text
    db.execute("UPDATE queue_clock SET virtual_ms = virtual_ms + ?", (used_ms // max(1, users),))


def settle(db: Connection, job_id: int) -> None:
    """A job ended: what it was charged and did not use is given back."""
    (used,) = db.execute("SELECT used_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    _charge(db, job_id, used_ms=used, charged_ms=used)


def begin_again(db: Connection, job_id: int) -> None:
    """A job is queued again: it stands behind what it used, and is charged what a job is expected to use."""
    (used,) = db.execute("SELECT used_ms FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    _charge(db, job_id, used_ms=used, charged_ms=used + EXPECTED_MS)
    db.execute(
        "UPDATE jobs SET place = place + ?, used_ms = 0, charged_ms = ? WHERE job_id = ?", (used, EXPECTED_MS, job_id)
    )


def _charge(db: Connection, job_id: int, *, used_ms: int, charged_ms: int) -> None:
    """Set what a job used and was charged, and move the user's later jobs by the difference."""
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
