"""Calls that are made again until Telegram answers: through an outage, and through a time that it asks to wait."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from doradura.telegram.errors import DeadlineExceededError

PAUSE_SECONDS = 5.0
"""Between two series of attempts when Telegram takes nothing; each series has pauses of its own."""

T = TypeVar("T")

log = logging.getLogger(__name__)


async def call_until_answered(
    call: Callable[[], Awaitable[T]], *, wait: Callable[[float], Awaitable[None]] = trio.sleep
) -> T:
    """Make a call until Telegram answers it; return the answer, raise any other error than a deadline's.

    For calls that may be made again: those that leave nothing twice, or whose client gives only what certainly left
    nothing up with DeadlineExceededError. Where Telegram said how long to wait, that long is waited, by `wait`: whoever
    holds what others need gives it back meanwhile. A cancel ends it.
    """
    while True:
        try:
            return await call()
        except DeadlineExceededError as error:
            log.info("Telegram takes nothing, going on", extra={"error": str(error)})
            told_seconds = error.retry_after_seconds
        if told_seconds is None:
            await trio.sleep(PAUSE_SECONDS)
        else:
            await wait(max(PAUSE_SECONDS, told_seconds))
