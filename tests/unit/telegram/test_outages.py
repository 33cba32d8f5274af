"""A call that goes on through an outage."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.telegram.errors import (
    BadRequestError,
    DeadlineExceededError,
    NotSentError,
    RateLimitedError,
    TelegramError,
)
from doradura.telegram.outages import PAUSE_SECONDS, call_until_answered


def given_up(last: TelegramError) -> DeadlineExceededError:
    """Return the end of a series of attempts."""
    return DeadlineExceededError("sendMessage", attempts=3, last=last, unconfirmed=False)


def told_to_wait(seconds: int) -> RateLimitedError:
    """Return a 429."""
    return RateLimitedError("sendMessage", "Too Many Requests", retry_after_seconds=seconds)


async def test_it_goes_on_until_there_is_an_answer(autojump_clock: MockClock) -> None:
    """After a pause, or after as long as Telegram asks for where that is longer."""
    ends = [given_up(NotSentError("sendMessage", "no way")), given_up(told_to_wait(60)), given_up(told_to_wait(1))]

    async def call() -> str:
        await trio.lowlevel.checkpoint()
        if ends:
            raise ends.pop(0)
        return "sent"

    assert await call_until_answered(call) == "sent"
    assert trio.current_time() == PAUSE_SECONDS + 60.0 + PAUSE_SECONDS


async def test_a_refusal_ends_it(autojump_clock: MockClock) -> None:
    """What Telegram answers is an answer."""

    async def call() -> None:
        await trio.lowlevel.checkpoint()
        raise BadRequestError("sendMessage", 400, "no")

    with pytest.raises(BadRequestError):
        await call_until_answered(call)
    assert trio.current_time() == 0
