"""A bot that is back does not say that it is away: Alertmanager has said so."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tests.monitoring_doubles import stamp
from tests.unit.alerts.conftest import Alerts, Life, alert

BEFORE = "2027-01-15T07:50:00Z"
"""Ten minutes before a test begins."""


async def status(life: Life, *alerts: Any) -> int:
    """POST a body; give what it is answered."""
    return (await life.intake.accept(life.body(*alerts))).status


async def test_its_own_absence_is_not_taken(alerts: Alerts, autojump_clock: MockClock) -> None:
    """BotDown of before the start is to be sent again: while it was over, Alertmanager forgets it; nobody is told."""
    async with alerts.life() as life:
        assert await status(life, alert("BotDown", starts=BEFORE)) == 503
        await life.post(alert("HighErrorRate", starts=BEFORE))
    assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]


async def test_another_bots_absence_is_told_later(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What still comes two minutes after the start is another bot's, and is told."""
    async with alerts.life() as life:
        assert await status(life, alert("BotDown", starts=BEFORE)) == 503
        alerts.world.clock.ahead_seconds = 120
        await life.post(alert("BotDown", starts=BEFORE))
    assert alerts.firsts() == ["🔴 CRITICAL: Summary of BotDown"]


@pytest.mark.parametrize("case", ["after the start", "its end", "with another alert", "without a time"])
async def test_what_is_not_its_own_absence_is_taken(case: str, alerts: Alerts, autojump_clock: MockClock) -> None:
    """An absence that began after the start, an end, and a body that says something else besides are taken at once."""
    async with alerts.life() as life:
        await trio.lowlevel.checkpoint()
        bodies = {
            "after the start": [alert("BotDown", starts=stamp(alerts.world.clock() + 1000))],
            "its end": [alert("BotDown", starts=BEFORE, status="resolved")],
            "with another alert": [alert("BotDown", starts=BEFORE), alert("QueueBackup", starts=BEFORE)],
            "without a time": [alert("BotDown", starts="soon")],
        }
        assert await status(life, *bodies[case]) == 200
