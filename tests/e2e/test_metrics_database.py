"""The real program's numbers that come from its database: over a restart, and with a table that is gone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from tests.e2e.program import Program, running, until

MONTH_MS = 30 * 24 * 3600 * 1000

SOLD = {
    'doradura_revenue_stars_total{plan="premium"}': 200.0,
    'doradura_revenue_stars_total{plan="vip"}': 500.0,
    'doradura_refunded_stars_total{plan="vip"}': 500.0,
    'doradura_refunded_stars_total{plan="premium"}': 0.0,
    'doradura_new_subscriptions_total{plan="premium",recurring="true"}': 1.0,
    'doradura_new_subscriptions_total{plan="vip",recurring="false"}': 1.0,
    'doradura_new_subscriptions_total{plan="vip",recurring="true"}': 0.0,
    'doradura_subscription_cancellations_total{plan="premium"}': 1.0,
    'doradura_active_subscriptions{plan="premium"}': 1.0,
    'doradura_active_subscriptions{plan="vip"}': 0.0,
    'doradura_payment_failures_total{reason="reconcile"}': 1.0,
    'doradura_payment_failures_total{reason="not_booked"}': 0.0,
}


def change(data_dir: Path, *statements: str) -> None:
    """Write to the program's database from outside."""
    with closing(sqlite3.connect(data_dir / "doradura.db", timeout=10)) as db, db:
        for statement in statements:
            db.execute(statement)


def sell(data_dir: Path) -> None:
    """A subscription renewed once and cancelled, another one refunded, and a payment that went wrong."""
    now = int(time.time() * 1000)
    change(
        data_dir,
        f"INSERT INTO ledger VALUES ('a', 1, 'premium', 100, 'a', {now}, NULL),"
        f" ('b', 1, 'premium', 100, 'a', {now}, NULL), ('c', 2, 'vip', 500, 'c', {now}, {now})",
        f"INSERT INTO subscriptions VALUES ('a', 1, 'premium', 1, {now}, {now + MONTH_MS}, NULL, {now}, 1),"
        f" ('c', 2, 'vip', 0, {now}, {now + MONTH_MS}, {now}, NULL, 0)",
        f"INSERT INTO payment_failures VALUES (1, 'reconcile', NULL, NULL, '', {now})",
    )


async def until_shown(program: Program, expected: dict[str, float]) -> None:
    """Wait until the samples have these values; they are read again every 5 s."""

    async def so() -> bool:
        counted = await program.metrics()
        return {name: counted[name] for name in expected} == expected

    await until(so, seconds=60)


async def test_money_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """What was sold, refunded and cancelled is read from the database, so a restart changes no figure."""
    async with running(tmp_path / "data") as program:
        await until_shown(program, dict.fromkeys(SOLD, 0.0))
        sell(program.data_dir)
        await until_shown(program, SOLD)
    async with running(tmp_path / "data") as program:
        await until_shown(program, SOLD)


async def test_a_table_that_is_gone_costs_its_own_families(tmp_path: Path) -> None:
    """A query that fails leaves out what it would have told, counts one error, and comes back with its table."""
    async with running(tmp_path / "data") as program:

        async def families(*, gone: bool) -> dict[str, float]:
            found: dict[str, float] = {}

            async def so() -> bool:
                found.clear()
                found.update(await program.metrics())
                return gone is not any(name.startswith("doradura_payment_failures_total") for name in found)

            await until(so, seconds=60)
            return found

        before = await families(gone=False)
        change(program.data_dir, "ALTER TABLE payment_failures RENAME TO elsewhere")
        without = await families(gone=True)
        missing = {name for name in before if name.startswith("doradura_payment_failures_total")}
        assert len(missing) == 7
        assert set(before) - set(without) == missing
        assert without['doradura_errors_total{category="storage"}'] == 1.0
        assert 'doradura_revenue_stars_total{plan="vip"}' in without
        change(program.data_dir, "ALTER TABLE elsewhere RENAME TO payment_failures")
        after = await families(gone=False)
        assert after['doradura_errors_total{category="http"}'] == 0.0
        assert "metrics could not be read from the database" in program.log()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            assert (await client.get(f"{program.http_url}/health")).status_code == 200
