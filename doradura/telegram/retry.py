"""Whether a failed call is made again, and when, and which take of the budgets. Decisions only.

What no answer after the last byte means, by method:

- get*, set*, answer*, deleteMessage, sendChatAction, edit*: done again until the call's time is over, as twice is the
  same as once; the second answer ("not modified", "not found", "too old") then says that the first was done.
- sendMessage: again, twice at most: an answer that comes double is better than none. Alerts and whatever else may not
  come double ask for `repeat_unconfirmed=False` and get UnconfirmedError.
- sendAudio, sendVideo, sendDocument, sendPhoto, copy*, forward*, sendInvoice: not again; UnconfirmedError, and whoever
  sends settles it (a file goes into its progress message by an edit, which may be repeated).
- getUpdates: one attempt; the poller asks again with the same offset.

Before the last byte nothing was done, and every method is tried again.
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
"""How often a call may be repeated that, each time it was done after all, leaves one more copy in the chat."""

_REPEATABLE_PREFIXES = ("get", "edit", "delete", "set", "answer")
_PACED_PREFIXES = ("send", "edit", "copy", "forward", "stop")


@dataclass(frozen=True, slots=True)
class Raise:
    """Nothing to be gained by another attempt: the error travels."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Another attempt would help, but its time lies past the call's deadline."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after so many seconds."""

    after_seconds: float


Decision = Raise | GiveUp | Again


def is_idempotent(method: str) -> bool:
    """Whether doing it twice is the same as once. A chat action twice is five seconds more of "typing"."""
    return method == "sendChatAction" or method.startswith(_REPEATABLE_PREFIXES)


def is_paced(method: str) -> bool:
    """Whether it takes of the budgets: what puts something into a chat or changes it there.

    Taking away and actions wait out a chat's 429s, but are none of the messages Telegram counts; queries never wait, as
    somebody holds a spinner, or a payment that lapses after ten seconds.
    """
    return method != "sendChatAction" and method.startswith(_PACED_PREFIXES)


def unconfirmed_repeats(method: str, *, repeat: bool | None) -> float:
    """Return how many repeats a method has after answers that never came.

    As many as time allows where twice is the same as once. `repeat` is the caller's wish; without one, what adds
    something is not repeated.
    """
    if is_idempotent(method):
        return 0 if repeat is False else math.inf
    return UNCONFIRMED_REPEATS if repeat else 0


def decide(
    error: TelegramError, *, attempt: int, remaining_seconds: float, unconfirmed_repeats_left: float, draw: float
) -> Decision:
    """Decide what becomes of a call whose attempt number `attempt` (from 1) ended in `error`.

    `unconfirmed_repeats_left` counts the repeats after answers that never came; those after refusals are not limited.
    `draw` is a random number from 0 to 1, so that callers that failed together do not come back together.
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
    """Return the wait after a 429: what Telegram said and 0.5 to 1 s more, as it counts whole seconds.

    A server that says no time (0, a negative one) is asked again at growing intervals, not twice a second for ever.
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
    """Return the wait after attempt number `attempt` (from 1): doubling, up to a limit, less up to a half by chance."""
    doubled: float = first_seconds * 2 ** min(attempt - 1, 30)
    return min(longest_seconds, doubled) * (1 - draw / 2)
