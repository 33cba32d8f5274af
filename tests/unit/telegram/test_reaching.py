"""What is said while the Bot API can't be reached."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from doradura.telegram.reaching import Reaching


async def test_an_outage_is_said_once_then_once_a_minute(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """Whatever number of attempts fails; its end is said, and the next outage at once."""
    caplog.set_level(logging.INFO)
    reaching = Reaching()
    for _ in range(130):
        reaching.failed("api.telegram.org", "name not found")
        await trio.sleep(1)
    reaching.answered()
    reaching.answered()
    reaching.failed("127.0.0.1", "connection refused")
    away = "Can't reach api.telegram.org (name not found). Is this machine online? Trying on."
    assert [record.getMessage() for record in caplog.records] == [
        *[away] * 3,
        "reached again, after 130 s",
        "Can't reach 127.0.0.1 (connection refused). Does the Bot API server run there? Trying on.",
    ]
