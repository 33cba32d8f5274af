"""Decides what a notice means for the incident that is already known. No I/O.

There is one open incident per fingerprint, whatever the group or startsAt; whatever concerns it edits its message.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from doradura.alerts.payload import Notice, parse_time
from doradura.storage.alerts import Incident

STALE_MS = 60_000
"""How long a repeated firing notice waits after its incident's end. So soon after the end it may have been delayed on
its way (a second Alertmanager, a POST whose answer was lost), or the end was false; Alertmanager's list decides. A
notice that arrives later than this is true."""

QUIET_MS = (15 * 60_000, 60 * 60_000, 60 * 60_000)
"""By severity rank: how long after the last sound an alert that fires again only edits its message. The annotation
`remind_seconds` overrides it. A critical alert is thus overlooked for a quarter of an hour at most."""

DOUBTFUL_QUIET_MS = 5 * 60_000
"""The same for an alert that is still firing after a message said that its end may be false."""

REMIND_MARGIN_MS = 60_000
"""Alertmanager repeats at about its interval, sometimes early. Without a margin, every other repeat would be lost."""

REMIND_MARGIN_SHARE = 10
"""The margin is at most a tenth of the interval: a stack with --speed asks for reminders seconds apart."""


class NoticeEffect(Enum):
    """What a notice does to the incident of its fingerprint."""

    IGNORE = "ignore"
    OPEN = "open"
    REFRESH = "refresh"
    REOPEN = "reopen"
    DOUBT = "doubt"
    """Either the alert fires again, or the notice is older than the end: it is kept and decided a minute later."""
    CLOSE = "close"
    OPEN_CLOSED = "open closed"
    """The end of a firing that was never reported here. It is shown, as somebody may have seen the alert elsewhere."""


def decide(notice: Notice, known: Incident | None, *, seen: bool, told_ms: int, now_ms: int) -> NoticeEffect:
    """Return what a notice does, given the latest incident of its fingerprint.

    `seen` means that a notice with this group, fingerprint, startsAt and status arrived before. `told_ms` is when the
    incident's message last made a sound.
    """
    if known is None:
        return NoticeEffect.OPEN if notice.status == "firing" else NoticeEffect.OPEN_CLOSED
    same = notice.starts == known.starts
    if notice.status == "resolved":
        return _decide_end(notice, known, seen=seen, same=same)
    if known.state == "firing":
        return NoticeEffect.REFRESH
    if known.ending == "dismissed":
        return NoticeEffect.OPEN  # an admin dismissed it, so firing again is news
    if seen or same:
        told_end = not known.doubtful and not known.ending
        return NoticeEffect.DOUBT if told_end and now_ms - (known.closed_ms or 0) < STALE_MS else NoticeEffect.REOPEN
    quiet = is_quiet(notice.remind_ms, notice.severity_rank, told_ms=told_ms, now_ms=now_ms)
    return NoticeEffect.REOPEN if quiet else NoticeEffect.OPEN


def _decide_end(notice: Notice, known: Incident, *, seen: bool, same: bool) -> NoticeEffect:
    if same:
        return NoticeEffect.CLOSE if known.state == "firing" else NoticeEffect.IGNORE
    if seen or _is_earlier_end(notice, known):
        return NoticeEffect.IGNORE
    return NoticeEffect.CLOSE if known.state == "firing" else NoticeEffect.OPEN_CLOSED


def _is_earlier_end(notice: Notice, known: Incident) -> bool:
    """Return whether a late end belongs to an earlier firing of an incident that has fired again since."""
    last_start_ms = parse_time(known.starts)
    if notice.ends_ms is None or last_start_ms is None or notice.ends_ms > last_start_ms:
        return False
    return known.state == "firing" or (notice.starts_ms is not None and notice.starts_ms >= known.since_ms)


def later_start(known: str, heard: str) -> str:
    """Return the startsAt that a firing incident keeps: the notice of an older firing that arrives late is ignored."""
    known_ms, heard_ms = parse_time(known), parse_time(heard)
    return known if known_ms is not None and heard_ms is not None and heard_ms < known_ms else heard


def is_quiet(remind_ms: int | None, severity_rank: int, *, told_ms: int, now_ms: int) -> bool:
    """Return whether the last sound, at `told_ms`, is so recent that neither a reminder nor a new message is due.

    A `told_ms` in the future was stored before the system time was set back; it does not count as recent.
    """
    quiet_ms = QUIET_MS[severity_rank] if remind_ms is None else remind_ms
    return 0 <= now_ms - told_ms < quiet_ms - min(REMIND_MARGIN_MS, quiet_ms // REMIND_MARGIN_SHARE)


def is_due(due_ms: int, now_ms: int) -> bool:
    """Return whether a doubt is due. A time too far ahead was stored before the system time was set back: it is due."""
    return not now_ms < due_ms <= now_ms + STALE_MS


def untold_end(incident: Incident, ending: str, *, now_ms: int, by: str = "") -> Incident:
    """Return an incident after an end that no notice reported; `ending` is `unheard` or `dismissed`."""
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
