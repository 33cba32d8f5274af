"""Queries on the program's own runs: whether the last one ended normally, and when it last worked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from doradura.storage.columns import Columns
from doradura.storage.seam import Connection

NOTIFY_AGAIN_MS = 3600 * 1000
"""Admins are notified of at most one unclean start in this time, since a crash loop has an alert of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncleanness:
    """An unclean end of the last run, as the next start finds it."""

    alive_ms: int
    """When that run is last known to have worked, in ms."""
    should_notify: bool
    """Whether to notify the admins, since they were not notified of one recently."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The stored facts about the program's runs."""

    started_ms: int
    """When the present run began."""
    unclean_starts: int
    """The number of starts after an unclean end, since the database was made."""
    unclean_ms: int | None
    """When the last of these starts was."""


_RUN = Columns(Run)


def new_instance() -> int:
    """Return a random id for this run of the program, which is stored in its rows. It is not 0."""
    return 1 + secrets.randbits(62)


def begin(db: Connection, now_ms: int) -> Uncleanness | None:
    """Store that a run begins. Return the unclean end of the last run; None if it ended normally or there was none."""
    known = db.execute("SELECT is_open, started_ms, told_ms FROM program_run").fetchone()
    if known is None:
        db.execute("INSERT INTO program_run (one, is_open, started_ms) VALUES (1, 1, ?)", (now_ms,))
        return None
    was_open, started_ms, told_ms = known
    if not was_open:
        db.execute("UPDATE program_run SET is_open = 1, started_ms = ?", (now_ms,))
        return None
    # A clock that was set back must not delay the notification by the time that it was set back.
    should_notify = told_ms is None or not told_ms <= now_ms < told_ms + NOTIFY_AGAIN_MS
    db.execute(
        "UPDATE program_run SET started_ms = ?, unclean_starts = unclean_starts + 1, unclean_ms = ?, told_ms = ?",
        (now_ms, now_ms, now_ms if should_notify else told_ms),
    )
    return Uncleanness(alive_ms=max(started_ms, _beat_ms(db)), should_notify=should_notify)


def end(db: Connection, now_ms: int) -> None:
    """Store that the run ended normally."""
    db.execute("UPDATE program_run SET is_open = 0, ended_ms = ?", (now_ms,))


def beat(db: Connection, now_ms: int) -> None:
    """Store that the program works now."""
    db.execute(
        "INSERT INTO heartbeat (one, beat_ms) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET beat_ms = excluded.beat_ms",
        (now_ms,),
    )


def known(db: Connection) -> Run | None:
    """Return the stored facts about the runs; None before the first run."""
    row = db.execute(f"SELECT {_RUN.listed} FROM program_run").fetchone()  # noqa: S608 - own text
    return None if row is None else _RUN.value(row)


def unclean_starts(db: Connection) -> int:
    """Return the number of starts after an unclean end."""
    run = known(db)
    return 0 if run is None else run.unclean_starts


def _beat_ms(db: Connection) -> int:
    row = db.execute("SELECT beat_ms FROM heartbeat").fetchone()
    return 0 if row is None else int(row[0])
