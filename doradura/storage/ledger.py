"""Queries on money: what was paid and refunded, which subscriptions there are, what went wrong.

Sums over rows that are never deleted, so none of them falls but the number of active subscriptions.
"""

from __future__ import annotations

from doradura.storage.seam import Connection

ByLabels = dict[tuple[str, ...], float]
"""Plan (and what else is asked for) -> number."""


def active(db: Connection, now_ms: int) -> ByLabels:
    """Count the subscriptions that hold now, by plan: paid for, not over, not refunded."""
    return _grouped(
        db,
        "SELECT plan, COUNT(*) FROM subscriptions WHERE ended_ms IS NULL AND expires_ms > ? GROUP BY plan",
        now_ms,
    )


def received_stars(db: Connection) -> ByLabels:
    """Add up the Stars ever received, by plan; what was refunded later is in it."""
    return _grouped(db, "SELECT plan, CAST(SUM(stars) AS BIGINT) FROM ledger GROUP BY plan")


def refunded_stars(db: Connection) -> ByLabels:
    """Add up the Stars given back, by plan."""
    return _grouped(
        db, "SELECT plan, CAST(SUM(stars) AS BIGINT) FROM ledger WHERE refunded_ms IS NOT NULL GROUP BY plan"
    )


def subscriptions(db: Connection) -> ByLabels:
    """Count the subscriptions ever begun, by plan and by whether they renew themselves ("true" or "false")."""
    return _grouped(
        db,
        "SELECT plan, CASE recurring WHEN 1 THEN 'true' ELSE 'false' END, COUNT(*) FROM subscriptions"
        " GROUP BY plan, recurring",
    )


def cancellations(db: Connection) -> ByLabels:
    """Count how often a subscription was cancelled, by plan; taken back and cancelled again are two."""
    return _grouped(db, "SELECT plan, CAST(SUM(cancellations) AS BIGINT) FROM subscriptions GROUP BY plan")


def failures(db: Connection) -> ByLabels:
    """Count the payments that did not go as they must, by reason."""
    return _grouped(db, "SELECT reason, COUNT(*) FROM payment_failures GROUP BY reason")


def _grouped(db: Connection, sql: str, *values: int) -> ByLabels:
    return {tuple(row[:-1]): float(row[-1]) for row in db.execute(sql, values)}
