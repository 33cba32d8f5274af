"""What a notice means for what is known already: pure decisions.

One open incident per fingerprint, whatever the group or startsAt: what concerns it changes its message.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from doradura.alerts.payload import Notice, parse_time
from doradura.storage.alerts import Incident

STALE_MS = 60_000
"""A firing notice that was known before its end and comes again this soon after it may have been overtaken on its way
(a second Alertmanager, a POST whose answer was lost), or the end was a false one: it waits for so long, and
Alertmanager's list decides. Later than this it is true."""

QUIET_MS = (15 * 60_000, 60 * 60_000, 60 * 60_000)
"""By severity: for so long after the last telling, what fires again changes its message and rings no phone, unless the
annotation `remind_seconds` gives another time. A critical alert is missed for a quarter of an hour at most."""

DOUBTFUL_QUIET_MS = 5 * 60_000
"""The same for what fires still although its end was told, by a message that said that the end may be false."""

REMIND_MARGIN_MS = 60_000
"""Alertmanager's repeats come at about their interval, at times early; without a margin every other one would do."""

REMIND_MARGIN_SHARE = 10
"""The margin is a tenth of the interval at most: a stack at --speed asks for reminders seconds apart."""


class Action(Enum):
    """What is to be done with a notice."""

    IGNORE = "ignore"
    OPEN = "open"
    REFRESH = "refresh"
    REOPEN = "reopen"
    DOUBT = "doubt"
    """It fires again, or the notice is older than the end: kept, and decided in a minute."""
    CLOSE = "close"
    OPEN_CLOSED = "open closed"
    """An end whose beginning we never heard of: told, as somebody may have seen it elsewhere."""


def decide(notice: Notice, known: Incident | None, *, seen: bool, told_ms: int, now_ms: int) -> Action:
    """Say what a notice does, given the latest incident of its fingerprint.

    `seen`: group, fingerprint, startsAt and status were there before. `told_ms`: when the incident's message last rang.
    """
    if known is None:
        return Action.OPEN if notice.status == "firing" else Action.OPEN_CLOSED
    same = notice.starts == known.starts
    if notice.status == "resolved":
        return _decide_end(notice, known, seen=seen, same=same)
    if known.state == "firing":
        return Action.REFRESH
    if known.ending == "dismissed":
        return Action.OPEN  # the admin thought it over: that it fires is news
    if seen or same:
        told_end = not known.doubtful and not known.ending
        return Action.DOUBT if told_end and now_ms - (known.closed_ms or 0) < STALE_MS else Action.REOPEN
    quiet = is_quiet(notice.remind_ms, notice.severity_rank, told_ms=told_ms, now_ms=now_ms)
    return Action.REOPEN if quiet else Action.OPEN


def _decide_end(notice: Notice, known: Incident, *, seen: bool, same: bool) -> Action:
    if same:
        return Action.CLOSE if known.state == "firing" else Action.IGNORE
    if seen or _is_earlier_end(notice, known):
        return Action.IGNORE
    return Action.CLOSE if known.state == "firing" else Action.OPEN_CLOSED


def _is_earlier_end(notice: Notice, known: Incident) -> bool:
    """Whether a late end belongs to an earlier firing of an incident that has fired again since."""
    last_start_ms = parse_time(known.starts)
    if notice.ends_ms is None or last_start_ms is None or notice.ends_ms > last_start_ms:
        return False
    return known.state == "firing" or (notice.starts_ms is not None and notice.starts_ms >= known.since_ms)


def later_start(known: str, heard: str) -> str:
    """Return which startsAt a firing incident goes by: an older firing, heard late, does not make it older."""
    known_ms, heard_ms = parse_time(known), parse_time(heard)
    return known if known_ms is not None and heard_ms is not None and heard_ms < known_ms else heard


def is_quiet(remind_ms: int | None, severity_rank: int, *, told_ms: int, now_ms: int) -> bool:
    """Whether the last telling is so fresh that neither a reminder nor a new message is due.

    A telling in the future was before the clock was set back: it is not fresh.
    """
    quiet_ms = QUIET_MS[severity_rank] if remind_ms is None else remind_ms
    return 0 <= now_ms - told_ms < quiet_ms - min(REMIND_MARGIN_MS, quiet_ms // REMIND_MARGIN_SHARE)


def is_due(due_ms: int, now_ms: int) -> bool:
    """Whether a doubt is to be decided; what seems to lie further ahead than it can was noted by another clock."""
    return not now_ms < due_ms <= now_ms + STALE_MS


def untold_end(incident: Incident, ending: str, *, now_ms: int, by: str = "") -> Incident:
    """Return an incident as it is at an end that no notice told: `unheard` or `dismissed`."""
    return replace(
        incident,
        state="resolved",
        ending=ending,
        dismissed_by=by,
        ended_ms=now_ms,
        closed_ms=now_ms,
        doubtful=0,
        unrung=0,
    )
