"""Queries on site breakers: the pauses of sites that take us for a robot."""

from __future__ import annotations

from doradura.storage.seam import Connection


def open_until(db: Connection, site: str, until_ms: int) -> int:
    """Store a site's pause. Return how often in a row the site was paused."""
    row = db.execute(
        "INSERT INTO site_breakers (site, until_ms, failures) VALUES (?, ?, 1) ON CONFLICT (site) DO UPDATE SET"
        " until_ms = excluded.until_ms, failures = site_breakers.failures + 1 RETURNING failures",
        (site, until_ms),
    ).fetchone()
    return int(row[0])


def close(db: Connection, site: str) -> None:
    """Delete a site's pause, because the site answers again."""
    db.execute("DELETE FROM site_breakers WHERE site = ?", (site,))


def all_open(db: Connection) -> dict[str, tuple[int, int]]:
    """Return site -> (end of its pause in ms, number of pauses in a row)."""
    return {row[0]: (row[1], row[2]) for row in db.execute("SELECT site, until_ms, failures FROM site_breakers")}
