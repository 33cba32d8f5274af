"""Queries on money: payments, refunds, subscriptions and failed payments.

All are sums over rows that are never deleted, so only the number of active subscriptions can decrease.
"""

from __future__ import annotations

from doradura.storage.seam import Connection

ByLabels = dict[tuple[str, ...], float]
"""The plan, and further labels if there are any -> number."""


def active(db: Connection, now_ms: int) -> ByLabels:
    """Return the number of active subscriptions by plan: paid, not expired and not refunded."""
    return _grouped(
        db,
        "SELECT plan, COUNT(*) FROM subscriptions WHERE ended_ms IS NULL AND expires_ms > ? GROUP BY plan",
        now_ms,
    )


def received_stars(db: Connection) -> ByLabels:
    """Return the Stars ever received, by plan, including those refunded later."""
    return _grouped(db, "SELECT plan, CAST(SUM(stars) AS BIGINT) FROM ledger GROUP BY plan")


def refunded_stars(db: Connection) -> ByLabels:
    """Return the Stars ever refunded, by plan."""
    return _grouped(
        db, "SELECT plan, CAST(SUM(stars) AS BIGINT) FROM ledger WHERE refunded_ms IS NOT NULL GROUP BY plan"
    )


def subscriptions(db: Connection) -> ByLabels:
    """Return the number of subscriptions ever begun, by plan and by whether they renew ("true" or "false")."""
    return _grouped(
        db,
        "SELECT plan, CASE recurring WHEN 1 THEN 'true' ELSE 'false' END, COUNT(*) FROM subscriptions"
        " GROUP BY plan, recurring",
    )


def cancellations(db: Connection) -> ByLabels:
    """Return the number of cancellations by plan. A subscription that is resumed and cancelled again counts twice."""
    return _grouped(db, "SELECT plan, CAST(SUM(cancellations) AS BIGINT) FROM subscriptions GROUP BY plan")


def failures(db: Connection) -> ByLabels:
    """Return the number of failed payments by reason."""
    return _grouped(db, "SELECT reason, COUNT(*) FROM payment_failures GROUP BY reason")


def _grouped(db: Connection, sql: str, *values: int) -> ByLabels:
    return {tuple(row[:-1]): float(row[-1]) for row in db.execute(sql, values)}
