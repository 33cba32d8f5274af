"""The values that /metrics reads from the database at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from doradura.storage import jobs, ledger, outbox, runs, users
from doradura.storage.seam import Connection

Samples = Mapping[tuple[str, ...], float]
"""Label values -> value. The key is the empty tuple if a family has no label."""

Query = Callable[[Connection, int], Samples]
"""A query for one family. It is called with a connection and the time in ms."""

DAY_MS = 24 * 3600 * 1000


def _languages(db: Connection) -> Samples:
    return {(language,): float(count) for language, count in users.languages(db).items()}


def _age_seconds(oldest_ms: int | None, now_ms: int) -> float:
    return 0.0 if oldest_ms is None else max(0.0, (now_ms - oldest_ms) / 1000)


QUEUE_AGE: Final = "doradura_queue_oldest_job_age_seconds"


def queue_age(db: Connection, now_ms: int, held_chats: Collection[int] = ()) -> Samples:
    """Return the age of the oldest waiting job in seconds.

    Jobs of held chats are left out: they wait only for their chat, and do not mean that the queue is too long.
    """
    return {(): _age_seconds(jobs.oldest_waiting_ms(db, held_chats=held_chats), now_ms)}


FAMILIES: Mapping[str, Query] = {
    "doradura_queue_depth": lambda db, _now: {(): float(jobs.depth(db))},
    QUEUE_AGE: queue_age,
    "doradura_daily_active_users": lambda db, now: {(): float(users.active(db, now - DAY_MS))},
    "doradura_monthly_active_users": lambda db, now: {(): float(users.active(db, now - 30 * DAY_MS))},
    "doradura_registered_users": lambda db, _now: {(): float(users.registered(db))},
    "doradura_user_languages": lambda db, _now: _languages(db),
    "doradura_active_subscriptions": ledger.active,
    "doradura_revenue_stars_total": lambda db, _now: ledger.received_stars(db),
    "doradura_refunded_stars_total": lambda db, _now: ledger.refunded_stars(db),
    "doradura_new_subscriptions_total": lambda db, _now: ledger.subscriptions(db),
    "doradura_subscription_cancellations_total": lambda db, _now: ledger.cancellations(db),
    "doradura_payment_failures_total": lambda db, _now: ledger.failures(db),
    "doradura_alert_outbox_depth": lambda db, _now: {(): float(outbox.depth(db))},
    "doradura_alert_oldest_undelivered_seconds": lambda db, now: {(): _age_seconds(outbox.oldest_ms(db), now)},
    "doradura_unclean_starts_total": lambda db, _now: {(): float(runs.unclean_starts(db))},
}
"""Family -> its query. Label values without rows may be missing, and a scrape shows them as 0."""
