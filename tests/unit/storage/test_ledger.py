"""What /metrics reads of money, on a database in memory."""

from __future__ import annotations

import sqlite3

import pytest

from doradura.storage import Connection, ledger

NOW = 1_800_000_000_000
MONTH = 30 * 24 * 3600 * 1000


@pytest.fixture
def db(db: Connection) -> Connection:
    """A database that holds rows to what they refer to, as the program's does."""
    db.execute("PRAGMA foreign_keys = ON")
    return db


def charge(db: Connection, charge_id: str, plan: str, stars: int, *, renews: str | None = None) -> None:
    """A payment, of a new subscription or of one that renews."""
    db.execute(
        "INSERT INTO ledger (telegram_payment_charge_id, user_id, plan, stars, subscription_id, paid_ms)"
        " VALUES (?, 7, ?, ?, ?, ?)",
        (charge_id, plan, stars, renews or charge_id, NOW),
    )


def subscription(db: Connection, charge_id: str, plan: str, *, recurring: bool, expires_ms: int) -> None:
    """What a first charge bought."""
    db.execute(
        "INSERT INTO subscriptions (subscription_id, user_id, plan, recurring, started_ms, expires_ms)"
        " VALUES (?, 7, ?, ?, ?, ?)",
        (charge_id, plan, int(recurring), NOW, expires_ms),
    )


@pytest.fixture
def sold(db: Connection) -> Connection:
    """Three subscriptions, one of them renewed once."""
    charge(db, "a", "premium", 100)
    subscription(db, "a", "premium", recurring=True, expires_ms=NOW + MONTH)
    charge(db, "a2", "premium", 120, renews="a")
    charge(db, "b", "premium", 100)
    subscription(db, "b", "premium", recurring=False, expires_ms=NOW)
    charge(db, "c", "vip", 500)
    subscription(db, "c", "vip", recurring=True, expires_ms=NOW + 1)
    return db


def test_nothing_sold(db: Connection) -> None:
    """Without a row there is nothing, and no query fails."""
    assert ledger.active(db, NOW) == ledger.received_stars(db) == ledger.refunded_stars(db) == {}
    assert ledger.subscriptions(db) == ledger.cancellations(db) == ledger.failures(db) == {}


def test_what_was_sold(sold: Connection) -> None:
    """A renewal is revenue and no new subscription; one that is over is counted as begun and not as active."""
    assert ledger.received_stars(sold) == {("premium",): 320.0, ("vip",): 500.0}
    assert ledger.subscriptions(sold) == {
        ("premium", "true"): 1.0,
        ("premium", "false"): 1.0,
        ("vip", "true"): 1.0,
    }
    assert ledger.active(sold, NOW) == {("premium",): 1.0, ("vip",): 1.0}
    assert ledger.active(sold, NOW + 1) == {("premium",): 1.0}


def test_a_refund_lowers_no_counter(sold: Connection) -> None:
    """What was given back is counted beside what was received; only the active subscriptions become fewer."""
    sold.execute("UPDATE ledger SET refunded_ms = ? WHERE telegram_payment_charge_id = 'c'", (NOW,))
    sold.execute("UPDATE subscriptions SET ended_ms = ? WHERE subscription_id = 'c'", (NOW,))
    assert ledger.received_stars(sold) == {("premium",): 320.0, ("vip",): 500.0}
    assert ledger.refunded_stars(sold) == {("vip",): 500.0}
    assert ledger.subscriptions(sold)["vip", "true"] == 1.0
    assert ledger.active(sold, NOW) == {("premium",): 1.0}


def test_a_cancellation_taken_back_stays_counted(sold: Connection) -> None:
    """Cancelled, thought better of, cancelled again: two, and the subscription holds to its end."""
    change = "UPDATE subscriptions SET cancelled_ms = ?, cancellations = cancellations + ? WHERE subscription_id = 'a'"
    for cancelled_ms, more in ((NOW, 1), (None, 0), (NOW, 1)):
        sold.execute(change, (cancelled_ms, more))
    assert ledger.cancellations(sold) == {("premium",): 2.0, ("vip",): 0.0}
    assert ledger.active(sold, NOW)["premium",] == 1.0


def test_one_row_a_charge(sold: Connection) -> None:
    """A charge that Telegram tells twice can't be booked twice, and a subscription without its charge can't exist."""
    with pytest.raises(sqlite3.IntegrityError):
        charge(sold, "a", "premium", 100)
    with pytest.raises(sqlite3.IntegrityError):
        subscription(sold, "nowhere", "vip", recurring=True, expires_ms=NOW)
    with pytest.raises(sqlite3.IntegrityError):
        charge(sold, "d", "vip", 0)


def test_failures_by_reason(db: Connection) -> None:
    """Failures are counted by why."""
    for number, reason in enumerate(("not_booked", "late_answer", "not_booked")):
        db.execute(
            "INSERT INTO payment_failures (failure_id, reason, failed_ms) VALUES (?, ?, ?)", (number, reason, NOW)
        )
    assert ledger.failures(db) == {("not_booked",): 2.0, ("late_answer",): 1.0}
