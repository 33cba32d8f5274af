"""Queries for the admins' reports: what became of the downloads of a stretch of time, and who used the bot.

Everything is counted from rows that last, so a restart changes no figure. A stretch is given by its two ends in
milliseconds; a job belongs to it when it *ended* after `since_ms`, and no later than `until_ms`. What was refused
before it became a job is in no figure here.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from doradura.storage import jobs

DAY_MS = 24 * 3600 * 1000

_ENDED = "finished_ms > ? AND finished_ms <= ?"
_TIMED = f"{_ENDED} AND worked = 1 AND state IN ('done', 'failed') AND started_ms IS NOT NULL"


class Span(NamedTuple):
    """A stretch of time."""

    since_ms: int
    until_ms: int

    @classmethod
    def last(cls, length_ms: int, now_ms: int) -> Span:
        """Give the stretch of that length that ends now."""
        return cls(now_ms - length_ms, now_ms)


class Ended(NamedTuple):
    """How many jobs ended how."""

    delivered: int
    failed: int
    cancelled: int
    bytes: int
    """Of what was delivered."""
    again: int
    """Delivered without a worker: sent again by the file_id."""

    @property
    def success_rate(self) -> float | None:
        """The share of jobs that ended well, of those that nobody cancelled; None when there are none."""
        judged = self.delivered + self.failed
        return self.delivered / judged if judged else None


class Durations(NamedTuple):
    """How long workers' jobs took from start to end, in seconds: the mean and percentiles that were really measured."""

    measured: int
    """How many jobs."""
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float


class Queue(NamedTuple):
    """The queue as it is now."""

    waiting: int
    oldest_seconds: float
    running: int


class People(NamedTuple):
    """Who used the bot."""

    active: int
    new: int


def ended(db: sqlite3.Connection, span: Span) -> Ended:
    """Count the jobs that ended."""
    row = db.execute(
        "SELECT COALESCE(SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END), 0),"  # noqa: S608 - own text
        " COALESCE(SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN state = 'cancelled' THEN 1 ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN state = 'done' THEN size_bytes ELSE 0 END), 0),"
        " COALESCE(SUM(CASE WHEN state = 'done' AND worked = 0 THEN 1 ELSE 0 END), 0)"
        f" FROM jobs WHERE {_ENDED}",
        span,
    ).fetchone()
    return Ended(*(int(value) for value in row))


def reasons(db: sqlite3.Connection, span: Span) -> dict[str, int]:
    """Count the failures by reason, most first."""
    rows = db.execute(
        f"SELECT COALESCE(reason, 'internal'), COUNT(*) FROM jobs WHERE {_ENDED} AND state = 'failed'"  # noqa: S608 - own text
        " GROUP BY 1 ORDER BY 2 DESC, 1",
        span,
    )
    return {row[0]: int(row[1]) for row in rows}


def formats(db: sqlite3.Connection, span: Span) -> dict[str, int]:
    """Count what was delivered by format, most first."""
    return _delivered_by(db, "format", span)


def sites(db: sqlite3.Connection, span: Span) -> dict[str, int]:
    """Count what was delivered by site, most first."""
    return _delivered_by(db, "site", span)


def plans(db: sqlite3.Connection, span: Span) -> dict[str, int]:
    """Count what was delivered by the plan it was asked under, most first."""
    return _delivered_by(db, "plan", span)


def _delivered_by(db: sqlite3.Connection, column: str, span: Span) -> dict[str, int]:
    rows = db.execute(
        f"SELECT {column}, COUNT(*) FROM jobs WHERE {_ENDED} AND state = 'done' GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608 - own text
        span,
    )
    return {row[0]: int(row[1]) for row in rows}


def durations(db: sqlite3.Connection, span: Span) -> Durations | None:
    """Measure the jobs that a worker had and that ended by themselves; None when there are none.

    A percentile is the nearest rank: the smallest time that so many per cent of the jobs did not exceed.
    """
    count, mean, longest = db.execute(
        f"SELECT COUNT(*), AVG(finished_ms - started_ms), MAX(finished_ms - started_ms) FROM jobs WHERE {_TIMED}",  # noqa: S608 - own text
        span,
    ).fetchone()
    if not count:
        return None

    def percentile(percent: int) -> float:
        rank = -(-count * percent // 100)
        row = db.execute(
            f"SELECT finished_ms - started_ms FROM jobs WHERE {_TIMED} ORDER BY 1 LIMIT 1 OFFSET ?",  # noqa: S608 - own text
            (*span, rank - 1),
        ).fetchone()
        return float(row[0]) / 1000

    return Durations(
        int(count), float(mean) / 1000, percentile(50), percentile(95), percentile(99), float(longest) / 1000
    )


def course(db: sqlite3.Connection, span: Span, steps: int) -> tuple[list[int], list[int]]:
    """Count what was delivered and what failed in each of `steps` equal parts of a stretch, the oldest first.

    The parts' sums are what `ended` counts.
    """
    step_ms = -(-(span.until_ms - span.since_ms) // steps)
    delivered, failed = [0] * steps, [0] * steps
    rows = db.execute(
        f"SELECT state, (finished_ms - ? - 1) / ?, COUNT(*) FROM jobs WHERE {_ENDED} AND state IN ('done', 'failed')"  # noqa: S608 - own text
        " GROUP BY 1, 2",
        (span.since_ms, step_ms, *span),
    )
    for state, step, count in rows:
        (delivered if state == "done" else failed)[int(step)] += int(count)
    return delivered, failed


def queue(db: sqlite3.Connection, now_ms: int) -> Queue:
    """Look at the queue."""
    oldest = jobs.oldest_waiting_ms(db)
    running = db.execute("SELECT COUNT(*) FROM jobs WHERE state IN ('running', 'sending')").fetchone()[0]
    return Queue(jobs.depth(db), 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000), int(running))


def people(db: sqlite3.Connection, span: Span) -> People:
    """Count who wrote or pressed something (by their last sign of life, as the metrics count) and who came first."""
    row = db.execute(
        "SELECT (SELECT COUNT(*) FROM users WHERE last_seen_ms > ?),"
        " (SELECT COUNT(*) FROM users WHERE first_seen_ms > ? AND first_seen_ms <= ?)",
        (span.since_ms, *span),
    ).fetchone()
    return People(int(row[0]), int(row[1]))


def blocked(db: sqlite3.Connection) -> int:
    """Count the users who block the bot."""
    return int(db.execute("SELECT COUNT(*) FROM users WHERE blocked_ms IS NOT NULL").fetchone()[0])


def actions(db: sqlite3.Connection, day: int) -> int:
    """Count what all users did on a day (days since 1970, UTC)."""
    return int(db.execute("SELECT COALESCE(SUM(actions), 0) FROM activity WHERE day = ?", (day,)).fetchone()[0])


def downloaders(db: sqlite3.Connection, span: Span) -> int:
    """Count the users who got a file."""
    return int(
        db.execute(f"SELECT COUNT(DISTINCT user_id) FROM jobs WHERE {_ENDED} AND state = 'done'", span).fetchone()[0]  # noqa: S608 - own text
    )
