"""The one decision about repeating, as a table."""

from __future__ import annotations

import math

import pytest

from doradura.telegram import errors
from doradura.telegram.retry import (
    Again,
    Decision,
    GiveUp,
    Raise,
    backoff,
    decide,
    is_idempotent,
    unconfirmed_repeats,
)

NOT_SENT = errors.NotSentError("m", "no connection")
UNCONFIRMED = errors.UnconfirmedError("m", "torn")
SERVER = errors.ServerError("m", 500, "Internal Server Error: restart")
LIMITED = errors.RateLimitedError("m", "slow down", retry_after_seconds=9)
UNTIMED = errors.RateLimitedError("m", "slow down", retry_after_seconds=0)
UNEXPECTED = errors.UnexpectedResultError("m", "odd")
UPLOAD_FILE = errors.UploadFileError("m", "gone")
REFUSED = errors.BadRequestError("m", 400, "no")
FORBIDDEN = errors.ForbiddenError("m", 403, "blocked")
TOKEN = errors.TokenRefusedError("m", 401, "Unauthorized")
CONFLICT = errors.ConflictError("m", 409, "other")
TOO_LARGE = errors.TooLargeError("m", 413, "big")

TABLE: list[tuple[errors.TelegramError, int, float, float, Decision]] = [
    (NOT_SENT, 1, 60, 0, Again(0.5)),
    (NOT_SENT, 2, 60, 0, Again(1.0)),
    (NOT_SENT, 5, 60, 0, Again(8.0)),
    (NOT_SENT, 6, 60, 0, Again(15.0)),
    (NOT_SENT, 5000, 60, 0, Again(15.0)),
    (NOT_SENT, 6, 15, 0, GiveUp()),
    (NOT_SENT, 1, -1, 0, GiveUp()),
    (SERVER, 3, 60, 0, Again(2.0)),
    (SERVER, 3, 2, 0, GiveUp()),
    (UNCONFIRMED, 1, 60, 0, Raise()),
    (UNCONFIRMED, 1, 60, 2, Again(0.5)),
    (UNCONFIRMED, 1, 0.4, 2, GiveUp()),
    (UNCONFIRMED, 2, 60, 1, Again(1.0)),
    (UNCONFIRMED, 3, 60, 0, Raise()),
    (UNCONFIRMED, 9, 60, math.inf, Again(15.0)),
    (SERVER, 3, 60, 0, Again(2.0)),
    (LIMITED, 1, 60, 0, Again(9.5)),
    (LIMITED, 7, 60, 0, Again(9.5)),
    (LIMITED, 1, 9.5, 2, GiveUp()),
    (UNTIMED, 1, 60, 0, Again(0.5)),
    (UNTIMED, 5, 60, 0, Again(8.0)),
    (UNTIMED, 9, 60, 0, Again(15.0)),
    (UNEXPECTED, 1, 60, 2, Raise()),
    (UPLOAD_FILE, 1, 60, 2, Raise()),
    (REFUSED, 1, 60, 2, Raise()),
    (FORBIDDEN, 1, 60, 2, Raise()),
    (TOKEN, 1, 60, 2, Raise()),
    (CONFLICT, 1, 60, 2, Raise()),
    (TOO_LARGE, 1, 60, 2, Raise()),
]


@pytest.mark.parametrize(("error", "attempt", "remaining", "repeats", "expected"), TABLE)
def test_decisions(
    error: errors.TelegramError, attempt: int, remaining: float, repeats: float, expected: Decision
) -> None:
    """Not sent, 5xx and 429 are repeated in time; doubt only while repeats are left for it; refusals never."""
    decision = decide(error, attempt=attempt, remaining_seconds=remaining, unconfirmed_repeats_left=repeats, draw=0.0)

    assert decision == expected


def test_chance_spreads_the_waits() -> None:
    """Those that failed together come back apart: a back-off loses up to a half, a 429's wait gains 0.5 to 1 s."""
    assert (backoff(3, draw=0.0), backoff(3, draw=0.5), backoff(3, draw=1.0)) == (2.0, 1.5, 1.0)
    late = decide(LIMITED, attempt=1, remaining_seconds=60, unconfirmed_repeats_left=0, draw=1.0)
    assert late == Again(10.0)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("getMe", True),
        ("editMessageMedia", True),
        ("deleteMessage", True),
        ("setMyCommands", True),
        ("answerCallbackQuery", True),
        ("sendChatAction", True),
        ("sendMessage", False),
        ("sendAudio", False),
        ("refundStarPayment", False),
        ("createInvoiceLink", False),
    ],
)
def test_which_methods_may_be_done_twice(method: str, *, expected: bool) -> None:
    """What sets a state may be repeated, what adds something may not."""
    assert is_idempotent(method) is expected


@pytest.mark.parametrize(
    ("method", "repeat", "expected"),
    [
        ("editMessageText", None, math.inf),
        ("editMessageText", True, math.inf),
        ("editMessageText", False, 0),
        ("sendMessage", None, 0),
        ("sendMessage", False, 0),
        ("sendMessage", True, 2),
    ],
)
def test_how_often_doubt_is_repeated(method: str, repeat: bool | None, expected: float) -> None:  # noqa: FBT001 - a table's column
    """What adds something is repeated twice at most, and only when that is wished for."""
    assert unconfirmed_repeats(method, repeat=repeat) == expected
