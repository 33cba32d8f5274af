"""Retry policy: which failed calls are retried, when, and which methods count against the budgets. Decisions only.

If no answer comes after the last byte was sent, by method:
- get*, set*, answer*, deleteMessage, sendChatAction, edit*: repeated until the call's time is over, as twice has the
  same effect as once; the second answer ("not modified", "not found", "too old") then shows that the first call
  succeeded.
- sendMessage: repeated, at most twice: a reply that arrives twice is better than none. Alerts and whatever else must
  not arrive twice ask for `repeat_unconfirmed=False` and get UnconfirmedError.
- sendAudio, sendVideo, sendDocument, sendPhoto, copy*, forward*, sendInvoice: not repeated; they raise UnconfirmedError
  and the sender resolves it (a file is put into its progress message by an edit, which may be repeated).
- getUpdates: one attempt; the poller polls again with the same offset.

Before the last byte was sent nothing was done, so every method is retried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from doradura.telegram.errors import (
    NotSentError,
    RateLimitedError,
    ServerError,
    TelegramError,
    UnconfirmedError,
    UnexpectedResultError,
    UploadFileError,
)

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 15.0
UNCONFIRMED_REPEATS = 2
"""How often a call may be repeated if each repeat that succeeds leaves one more copy in the chat."""

_REPEATABLE_PREFIXES = ("get", "edit", "delete", "set", "answer")
_PACED_PREFIXES = ("send", "edit", "copy", "forward", "stop")


@dataclass(frozen=True, slots=True)
class Raise:
    """Another attempt would not help: raise the error."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Another attempt would help, but it would come after the call's deadline."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after this many seconds."""

    after_seconds: float


Decision = Raise | GiveUp | Again


def is_idempotent(method: str) -> bool:
    """Return whether calling twice has the same effect as once.

    A second chat action is five more seconds of "typing".
    """
    return method == "sendChatAction" or method.startswith(_REPEATABLE_PREFIXES)


def is_paced(method: str) -> bool:
    """Return whether a method counts against the budgets: those that put something into a chat or change it there.

    Deletions and chat actions wait for a chat's holds, but Telegram does not count them as messages. Answers to queries
    never wait: somebody watches a spinner, or a payment lapses after ten seconds.
    """
    return method != "sendChatAction" and method.startswith(_PACED_PREFIXES)


def unconfirmed_repeats(method: str, *, repeat: bool | None) -> float:
    """Return how often a method may be repeated if no answer comes.

    As often as time allows where twice has the same effect as once. `repeat` is the caller's choice; without one, a
    method that adds something is not repeated.
    """
    if is_idempotent(method):
        return 0 if repeat is False else math.inf
    return UNCONFIRMED_REPEATS if repeat else 0


def decide(
    error: TelegramError, *, attempt: int, remaining_seconds: float, unconfirmed_repeats_left: float, draw: float
) -> Decision:
    """Decide what to do with a call whose attempt number `attempt` (from 1) ended in `error`.

    `unconfirmed_repeats_left` limits repeats after missing answers; repeats after refusals are not limited. `draw` is a
    random number from 0 to 1, so that callers that failed together do not come back together.
    """
    match error:
        case UploadFileError() | UnexpectedResultError():
            return Raise()
        case UnconfirmedError() if unconfirmed_repeats_left <= 0:
            return Raise()
        case RateLimitedError():
            after_seconds = rate_limit_wait(error, attempt=attempt, draw=draw)
        case NotSentError() | UnconfirmedError() | ServerError():
            after_seconds = backoff(attempt, draw=draw)
        case _:
            return Raise()
    return Again(after_seconds) if after_seconds < remaining_seconds else GiveUp()


def rate_limit_wait(error: RateLimitedError, *, attempt: int, draw: float) -> float:
    """Return the wait after a 429: what Telegram said plus 0.5 to 1 s, because it counts whole seconds.

    A server that names no time (0, a negative one) is asked again at growing intervals, not twice a second for ever.
    """
    said = error.retry_after_seconds + 0.5 + draw / 2
    return said if error.retry_after_seconds >= 1 else max(said, backoff(attempt, draw=draw))


def backoff(
    attempt: int,
    *,
    draw: float,
    first_seconds: float = FIRST_DELAY_SECONDS,
    longest_seconds: float = LONGEST_DELAY_SECONDS,
) -> float:
    """Return the wait after attempt number `attempt` (from 1): doubling up to a limit, minus up to half at random."""
    doubled: float = first_seconds * 2 ** min(attempt - 1, 30)
    return min(longest_seconds, doubled) * (1 - draw / 2)
