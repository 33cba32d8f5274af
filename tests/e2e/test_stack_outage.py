"""An outage of the bot, with the rules that ship and the real programs thirty times faster: it is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program, until
from tests.e2e.stack import READY, Stack, stack
from tests.e2e.test_stack_alerts import ADMIN, SPEED, bot_of_a_sandbox
from tests.programs import found

ITSELF = "told by Alertmanager itself"
FAILED = 'sum(increase(alertmanager_notifications_failed_total{integration="webhook"}[10s]))'


@pytest.fixture(autouse=True)
def _programs() -> None:
    found("prometheus")
    found("prometheus-alertmanager")


async def texts(program: Program) -> list[str]:
    """What stands in the admin's chat."""
    return [message.get("text", "") for message in await program.messages(ADMIN)]


async def value(running: Stack, promql: str) -> float | None:
    """Ask for one number."""
    found = await running.query(promql)
    return float(found[0]["value"][1]) if found else None


@pytest.mark.long
async def test_an_outage_is_told_once(tmp_path: Path) -> None:
    """Alertmanager tells that the bot is down, and up; the bot that is back says neither, nor that notices failed."""
    async with (
        bot_of_a_sandbox(tmp_path) as bot,
        stack(bot.data, "--speed", str(SPEED), **bot.settings) as running,
    ):
        async with bot.running() as process:
            program = bot.program(process, running.client)
            await running.until_said(READY)

            async def watched() -> bool:
                return "doradura_watchdog_last_seen_timestamp_seconds" in await program.metrics()

            await until(watched, seconds=60)
            await program.kill()
        await program.wait(ADMIN, lambda m: m.get("text", "").startswith("🔴 CRITICAL: Bot is down"), seconds=60)

        async def notices_fail() -> bool:
            return (await value(running, FAILED) or 0) > 0

        await until(notices_fail, seconds=60)
        async with bot.running():
            await program.wait(ADMIN, lambda m: m.get("text", "").startswith("✅ RESOLVED: Bot is down"), seconds=60)
            await until(watched, seconds=60)

            async def all_get_through() -> bool:
                return await value(running, FAILED) == 0

            await until(all_get_through, seconds=90)
            told = await texts(program)
            assert not [text for text in told if "Bot is down" in text and ITSELF not in text]
            said = 'count_over_time(ALERTS{alertname="NotificationsFailing",alertstate="firing"}[10m])'
            assert await running.query(said) == []
            assert not [text for text in told if "Notifications are failing" in text]
