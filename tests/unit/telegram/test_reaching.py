"""What is said while the Bot API can't be reached."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.telegram import errors
from doradura.telegram.client import BotApi
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


async def test_a_refusal_ends_an_outage_too(
    api: BotApi, telegram: Any, make: Any, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """Whatever Telegram answers, it was reached: the next outage is said at once."""
    telegram.steps = [httpx.ConnectError("x"), make.refusal(400, "Bad Request: no"), httpx.ConnectError("x")]
    with pytest.raises(errors.BadRequestError):
        await api.send_message(5, "x")
    await api.send_message(5, "x")
    said = [record.getMessage() for record in caplog.records]
    assert [line[:11] for line in said if "reach" in line] == ["Can't reach", "Can't reach"]
