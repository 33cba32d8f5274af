"""Why a job or a probe failed: the closed set of reasons, and what each means.

This is its only owner. The values are a contract: the label `reason` of the metrics, the field `reason` of the log, the
key `failed.*` of the texts. What cannot import this module (the rules, the dashboards, the pages of docs/) is compared
with it by tests/integration/rules and tests/unit/media/test_reasons.py; app.py hands the set to metrics/.
"""

from __future__ import annotations

import errno
from enum import Flag, StrEnum, auto
from typing import Self


class _Mark(Flag):
    """What is true of a reason."""

    NONE = 0
    OURS = auto()
    RETRIED = auto()
    PASSES = auto()
    MACHINE = auto()


_OURS = _Mark.OURS | _Mark.PASSES


class Reason(StrEnum):
    """A reason is a str, usable wherever its word is; `Reason(word)` raises ValueError for an unknown one."""

    _marks: _Mark

    GONE = "gone", _Mark.PASSES  # a page may come back
    PRIVATE = "private"
    LOGIN = "login"
    GEO = "geo"
    LIVE = "live", _Mark.PASSES  # a stream ends
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow", _Mark.PASSES  # a site may be faster another time
    UNSUPPORTED = "unsupported"
    REFUSED_ADDRESS = "refused_address"
    USER_BLOCKED = "user_blocked"

    BOT_CHECK = "bot_check", _OURS
    RATE_LIMITED = "rate_limited", _OURS | _Mark.RETRIED
    NETWORK = "network", _OURS | _Mark.RETRIED
    SITE_ERROR = "site_error", _OURS | _Mark.RETRIED
    DEADLINE = "deadline", _OURS | _Mark.MACHINE
    DISK = "disk", _OURS | _Mark.MACHINE
    TOOL_CRASH = "tool_crash", _OURS | _Mark.RETRIED | _Mark.MACHINE
    TELEGRAM = "telegram", _OURS
    INTERNAL = "internal", _OURS | _Mark.MACHINE

    def __new__(cls, word: str, marks: _Mark = _Mark.NONE) -> Self:
        """Make the member for a word, with its properties."""
        member = str.__new__(cls, word)
        member._value_ = word
        member._marks = marks  # noqa: SLF001 -- its own
        return member

    @property
    def ours(self) -> bool:
        """Whether it counts as an error of ours; the others are caused by the user or the site."""
        return _Mark.OURS in self._marks

    @property
    def final(self) -> bool:
        """Whether trying again now changes nothing: the user or the site caused it."""
        return not self.ours

    @property
    def retried(self) -> bool:
        """Whether another attempt is made after a pause."""
        return _Mark.RETRIED in self._marks

    @property
    def passes(self) -> bool:
        """Whether the same may succeed later, so that the message has a button to try again."""
        return _Mark.PASSES in self._marks

    @property
    def of_this_machine(self) -> bool:
        """Whether it says nothing about the link's site."""
        return _Mark.MACHINE in self._marks


OUR_REASONS: tuple[Reason, ...] = tuple(reason for reason in Reason if reason.ours)
RETRIED_REASONS: frozenset[Reason] = frozenset(reason for reason in Reason if reason.retried)
USER_REASONS: tuple[Reason, ...] = tuple(reason for reason in Reason if not reason.ours)

DISK_ERRNOS: frozenset[int] = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""The system's error numbers for a disk that is full, read-only or broken."""


def reason_of(error: OSError) -> Reason:
    """Return the reason for an OSError of our own machine.

    The disk's, or another (too many open files, no permission).
    """
    return Reason.DISK if error.errno in DISK_ERRNOS else Reason.INTERNAL
