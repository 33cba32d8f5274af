"""Queries for the admins' reports: the outcomes of downloads in a span of time, and who used the bot.

Everything is counted from stored rows, so a restart changes no number. A job belongs to a span if it *ended* after
`since_ms` and no later than `until_ms`. Links that a probe refused are counted apart from the jobs, and included in the
success rate. Requests that were rejected before they became jobs are not counted at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from doradura.media.variant import Variant
from doradura.storage import jobs, ledger
from doradura.storage.seam import Connection

DAY_MS = 24 * 3600 * 1000


class Span(NamedTuple):
    """A span of time by its two ends, in ms since 1970."""

    since_ms: int
    until_ms: int

    @classmethod
    def last(cls, length_ms: int, now_ms: int) -> Span:
        """Return the span of that length that ends now."""
        return cls(now_ms - length_ms, now_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """The number of jobs with each outcome."""

    delivered: int
    failed: int
    cancelled: int
    bytes: int
    """The total size of the delivered files."""
    again: int
    """How many were delivered without a worker, by their file_id."""
    refused: int = 0
    """How many links were refused by their probe, so that there was no job."""

    @property
    def success_rate(self) -> float | None:
        """The share of delivered jobs among all jobs that nobody cancelled and the refused links; None without any."""
        judged = self.delivered + self.failed + self.refused
        return self.delivered / judged if judged else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Durations:
    """How long jobs in workers took from start to end, in seconds. Each percentile is the measured time of a job."""

    measured: int
    """The number of jobs."""
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """The outcomes of the jobs of a span. The dictionaries have the greatest number first."""

    ended: Ended
    formats: dict[str, int]
    """Delivered jobs by format; `sites` and `plans` likewise."""
    sites: dict[str, int]
    plans: dict[str, int]
    reasons: dict[str, int]
    """Failed jobs and refused links by reason."""
    delivered: list[int]
    """Delivered jobs in each part of the span, the oldest part first."""
    failed: list[int]
    """Failed jobs and refused links in each part of the span."""
    durations: Durations | None
    """None if no job ran in a worker."""
    refused_sites: Mapping[str, int] = field(default_factory=dict)
    """Refused links by site."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """The present state of the queue."""

    waiting: int
    oldest_seconds: float
    running: int


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """How many users were active, and how many are new."""

    active: int
    new: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """Stars and subscriptions: of a span, and of all time as the metrics count them."""

    received: int
    refunded: int
    begun: int
    """Subscriptions that began in the span."""
    failures: dict[str, int]
    """Failed payments by reason."""
    received_ever: int
    refunded_ever: int
    active: dict[str, int]
    """Active subscriptions by plan."""


def tally(db: Connection, span: Span, steps: int = 1) -> Tally:
    """Count the jobs that ended in a span, which is divided into `steps` equal parts. The jobs are read once.

    Percentiles are nearest ranks: the smallest time that this percentage of the jobs did not exceed.
    """
    step_ms = -(-(span.until_ms - span.since_ms) // steps)
    rows = db.execute(
        "SELECT state, variant, site, plan, reason, (finished_ms - ? - 1) / ?, worked, COUNT(*),"
        " CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT), CAST(COALESCE(SUM(finished_ms - started_ms), 0) AS BIGINT)"
        " FROM jobs WHERE finished_ms > ? AND finished_ms <= ? GROUP BY 1, 2, 3, 4, 5, 6, 7"
        " UNION ALL SELECT 'refused', '', site, '', reason, (looked_ms - ? - 1) / ?, 0, COUNT(*), 0, 0"
        " FROM offers WHERE reason IS NOT NULL AND looked_ms > ? AND looked_ms <= ? GROUP BY 3, 5, 6",
        (span.since_ms, step_ms, *span, span.since_ms, step_ms, *span),
    )
    found = _Counters(steps)
    for row in rows:
        found.add(*row)
    return Tally(
        ended=Ended(
            delivered=found.states["done"],
            failed=found.states["failed"],
            cancelled=found.states["cancelled"],
            bytes=found.bytes,
            again=found.sent_again,
            refused=sum(found.refused.values()),
        ),
        formats=_ranked(found.formats),
        sites=_ranked(found.sites),
        plans=_ranked(found.plans),
        reasons=_ranked(found.reasons),
        delivered=found.course["done"],
        failed=found.course["failed"],
        durations=_durations(db, span, found.timed, found.timed_ms),
        refused_sites=_ranked(found.refused),
    )


class _Counters:
    """The sums of the groups of jobs that the query returns."""

    def __init__(self, steps: int) -> None:
        self.states: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.sites: Counter[str] = Counter()
        self.plans: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.course = {"done": [0] * steps, "failed": [0] * steps}
        self.bytes = self.sent_again = self.timed = self.timed_ms = 0

    def add(  # noqa: PLR0917 - a row's values, in the query's order
        self,
        state: str,
        key: str,
        site: str,
        plan: str,
        reason: str | None,
        step: int,
        worked: int,
        count: int,
        size_bytes: int,
        took_ms: int,
    ) -> None:
        """Add a group of jobs with equal columns, or of refused links."""
        self.states[state] += count
        if state == "cancelled":
            return
        if state == "refused":
            self.refused[site] += count
            self.reasons[reason or "internal"] += count
            self.course["failed"][step] += count
            return
        self.course[state][step] += count
        if worked:
            self.timed += count
            self.timed_ms += took_ms
        if state == "failed":
            self.reasons[reason or "internal"] += count
            return
        self.formats[Variant.from_stored(key).format] += count
        self.sites[site] += count
        self.plans[plan] += count
        self.bytes += size_bytes
        self.sent_again += 0 if worked else count


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _durations(db: Connection, span: Span, measured: int, sum_ms: int) -> Durations | None:
    """Return the durations of jobs, given their number and the sum of their times; None if there are none."""
    if not measured:
        return None
    ranks = [-(-measured * percent // 100) for percent in (50, 95, 99, 100)]
    rows = db.execute(
        "SELECT place, took_ms FROM (SELECT finished_ms - started_ms AS took_ms,"
        " ROW_NUMBER() OVER (ORDER BY finished_ms - started_ms) AS place FROM jobs"
        " WHERE finished_ms > ? AND finished_ms <= ? AND worked = 1 AND state IN ('done', 'failed')) AS placed"
        " WHERE place IN (?, ?, ?, ?)",
        (*span, *ranks),
    )
    seconds = {int(place): took_ms / 1000 for place, took_ms in rows}
    p50, p95, p99, longest = (seconds[rank] for rank in ranks)
    return Durations(measured=measured, mean=sum_ms / measured / 1000, p50=p50, p95=p95, p99=p99, longest=longest)


def queue(db: Connection, now_ms: int) -> Queue:
    """Return the present state of the queue."""
    oldest = jobs.oldest_waiting_ms(db)
    running = db.execute("SELECT COUNT(*) FROM jobs WHERE state IN ('running', 'sending')").fetchone()[0]
    oldest_seconds = 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000)
    return Queue(waiting=jobs.depth(db), oldest_seconds=oldest_seconds, running=int(running))


def people(db: Connection, span: Span) -> People:
    """Return how many users were last seen since the span's beginning, and how many were first seen in the span."""
    row = db.execute(
        "SELECT (SELECT COUNT(*) FROM users WHERE last_seen_ms > ?),"
        " (SELECT COUNT(*) FROM users WHERE first_seen_ms > ? AND first_seen_ms <= ?)",
        (span.since_ms, *span),
    ).fetchone()
    return People(active=int(row[0]), new=int(row[1]))


def blocked(db: Connection) -> int:
    """Return the number of users who block the bot."""
    return int(db.execute("SELECT COUNT(*) FROM users WHERE blocked_ms IS NOT NULL").fetchone()[0])


def actions(db: Connection, day: int) -> int:
    """Return the number of actions of all users on a day, given in days since 1970 (UTC)."""
    return int(
        db.execute("SELECT CAST(COALESCE(SUM(actions), 0) AS BIGINT) FROM activity WHERE day = ?", (day,)).fetchone()[0]
    )


def downloaders(db: Connection, span: Span) -> int:
    """Return the number of users who got a file."""
    row = db.execute(
        "SELECT COUNT(DISTINCT user_id) FROM jobs WHERE finished_ms > ? AND finished_ms <= ? AND state = 'done'", span
    ).fetchone()
    return int(row[0])


def money(db: Connection, span: Span) -> Money:
    """Return the payments, refunds and subscriptions of a span and of all time."""
    row = db.execute(
        "SELECT (SELECT CAST(COALESCE(SUM(stars), 0) AS BIGINT) FROM ledger WHERE paid_ms > ? AND paid_ms <= ?),"
        " (SELECT CAST(COALESCE(SUM(stars), 0) AS BIGINT) FROM ledger WHERE refunded_ms > ? AND refunded_ms <= ?),"
        " (SELECT COUNT(*) FROM subscriptions WHERE started_ms > ? AND started_ms <= ?)",
        (*span, *span, *span),
    ).fetchone()
    failures = db.execute(
        "SELECT reason, COUNT(*) FROM payment_failures WHERE failed_ms > ? AND failed_ms <= ? GROUP BY reason", span
    )
    return Money(
        received=int(row[0]),
        refunded=int(row[1]),
        begun=int(row[2]),
        failures=_ranked(Counter({reason: int(count) for reason, count in failures})),
        received_ever=int(sum(ledger.received_stars(db).values())),
        refunded_ever=int(sum(ledger.refunded_stars(db).values())),
        active=_ranked(Counter({plan: int(n) for (plan,), n in ledger.active(db, span.until_ms).items()})),
    )
