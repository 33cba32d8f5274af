"""What a notice means for what is known already: pure decisions.

One open incident per fingerprint, whatever the group or startsAt: what concerns it changes its message.
"""

from __future__ import annotations

from enum import Enum

from doradura.alerts.payload import Notice, parse_time
from doradura.storage.alerts import Incident

STALE_MS = 60_000
"""A firing notice that was known before its end and comes again this soon after it was overtaken on its way (a second
Alertmanager, a POST whose answer was lost). Later than this it is true: the end was a false one."""

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
    if seen or same:
        overtaken = not known.doubtful and now_ms - (known.closed_ms or 0) < STALE_MS
        return Action.IGNORE if overtaken else Action.REOPEN
    return Action.REOPEN if within_reminder(notice.remind_ms, told_ms=told_ms, now_ms=now_ms) else Action.OPEN


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
    """Give which startsAt a firing incident goes by: an older firing, heard late, does not make it older."""
    known_ms, heard_ms = parse_time(known), parse_time(heard)
    return known if known_ms is not None and heard_ms is not None and heard_ms < known_ms else heard


def within_reminder(remind_ms: int | None, *, told_ms: int, now_ms: int) -> bool:
    """Whether the last telling is so fresh that neither a reminder nor a new message is due."""
    if remind_ms is None:
        return False
    return now_ms - told_ms < remind_ms - min(REMIND_MARGIN_MS, remind_ms // REMIND_MARGIN_SHARE)
