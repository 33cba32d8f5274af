"""The whole circle: the bot is scraped, a rule fires, Alertmanager posts it to the bot, an admin reads it in chat."""

from __future__ import annotations

import itertools
import socket
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.e2e.program import Program, running, until
from tests.e2e.stack import READY, Stack, stack
from tests.programs import found

ADMIN, LISTENER = 1000, 2000
PEOPLE = 12
RATE = "🔴 CRITICAL: High error rate\n"
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
            program.is_alone = False  # Alertmanager writes to the same chat, with parameters of an older Bot API
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


@pytest.mark.long
async def test_the_error_rate_comes_with_its_percentage_and_resolves_in_place(tmp_path: Path) -> None:
    """HighErrorRate reaches the admin within 15 s of Prometheus firing it, and ends in the same message."""
    async with running(tmp_path / "data") as program:
        await program.say(LISTENER, f"/download {program.media('sample.mp4')} mp3")
        await program.wait_for_success("mp3", "320k")
        # Telegram takes the file no more: a failure of ours that needs no worker, so ten seconds hold enough of them.
        refusal = "Bad Request: not enough rights to send audios to the chat"
        await program.fault(method="sendAudio", times=0, error_code=400, description=refusal)
        arguments = ("--speed", "30", "--targets", program.http_url.removeprefix("http://"))
        sandbox = program.sandbox_url.removeprefix("http://")
        async with stack(tmp_path / "data", *arguments, DORADURA_SANDBOX_BIND=sandbox) as monitoring:
            await monitoring.until_said(READY)
            async with trio.open_nursery() as failing:
                failing.start_soon(keep_failing, program)
                await until(partial(fires, monitoring), seconds=60)
                told = await program.wait(ADMIN, lambda m: is_from_bot(m.get("text", ""), RATE), seconds=15)
                failing.cancel_scope.cancel()
            assert "\n100% of downloads failed in the last 5 minutes\n" in told["text"]
            await program.clear_faults()
            ended = await program.wait(ADMIN, lambda m: m.get("text", "").startswith("✅ RESOLVED: High error rate\n"))
            assert ended["message_id"] == told["message_id"]
            assert "\nLasted " in ended["text"]


async def fires(monitoring: Stack) -> bool:
    """Whether Prometheus itself says that HighErrorRate fires."""
    return bool(await monitoring.query('ALERTS{alertname="HighErrorRate",alertstate="firing"}'))


async def keep_failing(program: Program) -> None:
    """Let many people ask for a file that Telegram takes no more: one person can ask for it once at a time."""
    people = [(await program.ask("POST", "/sandbox/users", json={"first_name": "P"}))["id"] for _ in range(PEOPLE)]
    for person in itertools.cycle(people):
        await program.say(person, f"/download {program.media('sample.mp4')} mp3")
        await trio.sleep(0.3)


def is_from_bot(text: str, first: str) -> bool:
    """Whether a message is the bot's own telling of an alert."""
    return text.startswith(first) and ITSELF not in text


def is_from_alertmanager(text: str, first: str) -> bool:
    """Whether a message is Alertmanager's own telling of an alert."""
    return text.startswith(first) and ITSELF in text
