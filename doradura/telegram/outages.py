"""Calls that are repeated until Telegram answers: through an outage, and through any time that it asks to wait."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from doradura.telegram.errors import DeadlineExceededError

PAUSE_SECONDS = 5.0
"""The pause between two series of attempts while Telegram accepts nothing; each series has pauses of its own."""

T = TypeVar("T")

log = logging.getLogger(__name__)


async def call_until_answered(
    call: Callable[[], Awaitable[T]], *, wait: Callable[[float], Awaitable[None]] = trio.sleep
) -> T:
    """Repeat a call until Telegram answers it; return the answer. Raises any error but DeadlineExceededError.

    Only for calls that may be repeated: those that have the same effect twice, or that raise DeadlineExceededError only
    when they certainly had no effect. If Telegram said how long to wait, it waits that long, by `wait`: there a caller
    can give back what others need. A cancel ends it at once.
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
