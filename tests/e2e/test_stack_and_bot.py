"""The whole circle: the bot is scraped, a rule fires, Alertmanager posts it to the bot, an admin reads it in chat."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.program import running, until
from tests.e2e.stack import READY, stack
from tests.programs import found

ADMIN = 1000
ITSELF = "told by Alertmanager itself"


@pytest.fixture(autouse=True)
def _programs() -> None:
    found("prometheus")
    found("prometheus-alertmanager")


async def test_an_alert_comes_round_to_the_admin(tmp_path: Path) -> None:
    """A dead instance is told by the bot, and by Alertmanager itself; the watchdog reaches the bot."""
    with socket.socket() as probe:  # bound, not listening: who connects is refused
        probe.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{probe.getsockname()[1]}"
        async with running(tmp_path / "data") as program:
            here = program.http_url.removeprefix("http://")
            sandbox = program.sandbox_url.removeprefix("http://")
            arguments = ("--speed", "30", "--targets", f"{here},{dead}")
            async with stack(tmp_path / "data", *arguments, DORADURA_SANDBOX_BIND=sandbox) as monitoring:
                await monitoring.until_said(READY)
                first = "🔴 CRITICAL: Bot is down\n"
                by_bot = await program.wait(ADMIN, lambda m: is_from_bot(m.get("text", ""), first))
                assert dead in by_bot["text"]
                assert by_bot["text"].rstrip().endswith("#BotDown")
                by_itself = await program.wait(ADMIN, lambda m: is_from_alertmanager(m.get("text", ""), first))
                assert dead in by_itself["text"]

                async def seen() -> bool:
                    return "doradura_watchdog_last_seen_timestamp_seconds" in await program.metrics()

                await until(seen, seconds=30)


def is_from_bot(text: str, first: str) -> bool:
    """Whether a message is the bot's own telling of an alert."""
    return text.startswith(first) and ITSELF not in text


def is_from_alertmanager(text: str, first: str) -> bool:
    """Whether a message is Alertmanager's own telling of an alert."""
    return text.startswith(first) and ITSELF in text
