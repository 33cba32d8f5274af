"""Queries on the program's own runs: whether the last one ended in order, and when it was last seen alive."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from doradura.storage.seam import Connection

TELL_AGAIN_MS = 3600 * 1000
"""The admins are told of one unclean start within this time: a crash loop has an alert of its own."""


class Uncleanness(NamedTuple):
    """An end that was not in order, as the next start finds it."""

    alive_ms: int
    """When that run is last known to have worked."""
    to_be_told: bool
    """Whether the admins have not been told of one lately."""


class Run(NamedTuple):
    """What is known of the program's runs."""

    started_ms: int
    """When the one that runs began."""
    unclean_starts: int
    """Starts after an end that was not in order, since the database was made."""
    unclean_ms: int | None
    """When the last of them was."""


def new_instance() -> int:
    """Return an id for this run of the program, by which rows name it; no other run has it, and it is not 0."""
    return 1 + secrets.randbits(62)


def begin(db: Connection, now_ms: int) -> Uncleanness | None:
    """Note that a run begins; return what is to be said when the one before it was not ended in order.

    Nothing is said before the first run, nor after one that `end` was called for.
    """
    known = db.execute("SELECT is_open, started_ms, told_ms FROM program_run").fetchone()
    if known is None:
        db.execute("INSERT INTO program_run (one, is_open, started_ms) VALUES (1, 1, ?)", (now_ms,))
        return None
    was_open, started_ms, told_ms = known
    if not was_open:
        db.execute("UPDATE program_run SET is_open = 1, started_ms = ?", (now_ms,))
        return None
    # A clock that went back must not keep the admins from being told for as long as it went.
    to_be_told = told_ms is None or not told_ms <= now_ms < told_ms + TELL_AGAIN_MS
    db.execute(
        "UPDATE program_run SET started_ms = ?, unclean_starts = unclean_starts + 1, unclean_ms = ?, told_ms = ?",
        (now_ms, now_ms, now_ms if to_be_told else told_ms),
    )
    return Uncleanness(max(started_ms, _beat_ms(db)), to_be_told)


def end(db: Connection, now_ms: int) -> None:
    """Note that the run ended in order."""
    db.execute("UPDATE program_run SET is_open = 0, ended_ms = ?", (now_ms,))


def beat(db: Connection, now_ms: int) -> None:
    """Note that the program works at this moment."""
    db.execute(
        "INSERT INTO heartbeat (one, beat_ms) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET beat_ms = excluded.beat_ms",
        (now_ms,),
    )


def known(db: Connection) -> Run | None:
    """Return what is known of the runs; None before the first."""
    row = db.execute("SELECT started_ms, unclean_starts, unclean_ms FROM program_run").fetchone()
    return None if row is None else Run(*row)


def unclean_starts(db: Connection) -> int:
    """Return how many starts came after an end that was not in order."""
    run = known(db)
    return 0 if run is None else run.unclean_starts


def _beat_ms(db: Connection) -> int:
    row = db.execute("SELECT beat_ms FROM heartbeat").fetchone()
    return 0 if row is None else int(row[0])
