"""Queries on the paces of sites: how many looks were begun lately, and which jobs need one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from doradura.storage.conditions import ALL, Clause, marks
from doradura.storage.seam import Connection


def full_ms(db: Connection, site: str) -> int:
    """Return when a site's bucket is full again, in ms since 1970; 0 if it is full since long."""
    row = db.execute("SELECT full_ms FROM site_paces WHERE site = ?", (site,)).fetchone()
    return 0 if row is None else int(row[0])


def set_full_ms(db: Connection, site: str, at_ms: int) -> None:
    """Store when a site's bucket is full again."""
    db.execute(
        "INSERT INTO site_paces (site, full_ms) VALUES (?, ?)"
        " ON CONFLICT (site) DO UPDATE SET full_ms = excluded.full_ms",
        (site, at_ms),
    )


def without_look(sites: Sequence[str], looked_at: Collection[int], bot_id: int) -> Clause:
    """Return the condition for jobs that don't need a look at one of these sites.

    Those are the jobs of other sites, those whose file this bot sent before, and those that come from an offer in
    `looked_at` and have not failed.
    """
    if not sites:
        return ALL
    found = f" OR (tries = 0 AND COALESCE(offer_id, 0) IN {marks(looked_at)})" if looked_at else ""
    return Clause(
        f" AND (site NOT IN {marks(sites)}{found} OR EXISTS (SELECT 1 FROM sent_files AS sent"  # noqa: S608 - own text
        f" WHERE sent.cache_key = jobs.cache_key AND sent.variant = jobs.variant AND sent.bot_id = ?))",
        (*sites, *looked_at, bot_id),
    )


def needing_look(db: Connection, site: str, looked_at: Collection[int], bot_id: int) -> list[int]:
    """Return the ids of a site's waiting jobs that need a look, in the queue's order."""
    without = without_look((site,), looked_at, bot_id)
    rows = db.execute(
        f"SELECT job_id FROM jobs WHERE state = 'waiting' AND site = ? AND NOT (1 = 1{without.sql})"  # noqa: S608 - own text
        " ORDER BY place, job_id",
        (site, *without.values),
    )
    return [row[0] for row in rows]


def needs_look(db: Connection, job_id: int, site: str, looked_at: Collection[int], bot_id: int) -> bool:
    """Return whether a job needs a look at its site."""
    without = without_look((site,), looked_at, bot_id)
    row = db.execute(
        f"SELECT COUNT(*) FROM jobs WHERE job_id = ?{without.sql}",  # noqa: S608 - own text
        (job_id, *without.values),
    ).fetchone()
    return int(row[0]) == 0
