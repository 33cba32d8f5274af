"""Failures of our own making, the rules that ship, the real programs thirty times faster: who must be told is told.

One bot against a sandbox of its own program, one stack, one plain receiver in the bot's place. The steps follow each
other in one test: each start of all this costs more than a step.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.program import Program, environment, until
from tests.e2e.stack import READY, Receiver, Stack, receiver, stack, started
from tests.ports import free_port
from tests.programs import found

TOKEN = "123456:" + "T" * 35
ADMIN, IDLER = 1000, 2000
SPEED = 30
WAITING = 101
"""More than the hundred jobs of QueueBackup."""
WORKERS = 2
SAMPLE = "sample.mp4"


@dataclass
class Bot:
    """A bot that talks to the sandbox as to Telegram; it can be killed and started again on the same address."""

    environ: dict[str, str]
    directory: Path
    sandbox_url: str

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.directory / "data"

    @property
    def settings(self) -> dict[str, str]:
        """What a stack has to know of it."""
        return {name: value for name, value in self.environ.items() if name.startswith("DORADURA_")}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[trio.Process]:
        """Run it."""
        log = self.directory / "bot.log"
        async with started(r"Numbers: (\S+)/metrics", "run", environ=self.environ, log=log) as (process, _):
            yield process

    def program(self, process: trio.Process, client: httpx.AsyncClient) -> Program:
        """Return what talks to it."""
        url = f"http://{self.environ['DORADURA_HTTP_BIND']}"
        return Program(process, self.data, url, self.sandbox_url, client, self.directory / "bot.log")


@asynccontextmanager
async def bot_of_a_sandbox(directory: Path, **settings: str) -> AsyncIterator[Bot]:
    """Start a sandbox, and return the bot that takes it for Telegram; that is not started yet."""
    (directory / "data").mkdir()
    (directory / "sandbox").mkdir()
    environ, log = environment(directory / "sandbox", {}), directory / "sandbox.log"
    async with started(r"The sandbox is ready: (\S+?)/?\n", "sandbox", environ=environ, log=log) as (_, url):
        ours = {
            "DORADURA_TELEGRAM_TOKEN": TOKEN,
            "DORADURA_TELEGRAM_API_URL": url,
            "DORADURA_ADMIN_IDS": str(ADMIN),
            "DORADURA_ALLOWED_PRIVATE": url.removeprefix("http://"),
            "DORADURA_HTTP_BIND": f"127.0.0.1:{free_port()}",
        }
        yield Bot({**environment(directory / "data", {}), **ours, **settings}, directory, url)


async def keep_failing(program: Program, links: Iterable[str], *, pause_seconds: float) -> None:
    """Ask for one link after the other, each in a chat of its own: one chat is written to once a second."""
    for link in links:
        user = (await program.ask("POST", "/sandbox/users", json={"first_name": "Unlucky"}))["id"]
        await program.say(user, f"/download {link} mp3")
        await trio.sleep(pause_seconds)


async def told(program: Program, text: str, after: int = 0) -> None:
    """Wait for what Alertmanager itself writes to the admin."""
    await program.wait(ADMIN, lambda m: m.get("text", "").startswith(text), after=after, seconds=30)


@pytest.fixture(autouse=True)
def _programs() -> None:
    found("prometheus")
    found("prometheus-alertmanager")


@pytest.mark.long
async def test_who_must_be_told_is_told(tmp_path: Path) -> None:
    """Watchdog, QueueBackup, HighErrorRate, TelegramUnreachable and BotDown fire and resolve, also past a dead bot."""
    async with (
        bot_of_a_sandbox(tmp_path, DORADURA_CONCURRENT_DOWNLOADS=str(WORKERS)) as bot,
        receiver() as kept,
        stack(bot.data, "--speed", str(SPEED), "--webhook-url", kept.url, **bot.settings) as running,
    ):
        async with bot.running() as process:
            program = bot.program(process, running.client)
            await running.until_said(READY)
            await the_watchdog_comes(running, kept, bot.data)
            await the_queue_backs_up(program, kept)
            await downloads_fail(program, kept)
            await telegram_goes_away(program, kept)
            await program.kill()
        await the_bot_is_dead_and_comes_back(program, bot, kept)


async def the_watchdog_comes(running: Stack, kept: Receiver, data: Path) -> None:
    """The proof of life comes at once and again, with the bearer token the bot would ask for."""
    await kept.until("Watchdog", "firing", least=2)
    token = await trio.Path(data / "webhook.token").read_text()
    assert {headers["authorization"] for headers in kept.headers} == {f"Bearer {token.strip()}"}
    assert (await running.up())["doradura-bot"] == 1


async def the_queue_backs_up(program: Program, kept: Receiver) -> None:
    """As many slow downloads as there are workers, and a crowd behind them; it resolves when the crowd leaves."""
    await program.say(IDLER, f"/download {program.media(SAMPLE)} mp3")
    await program.wait_for_success("mp3", "320k")
    slow = program.media("slow.mp4?kbps=80")
    people = [(await program.ask("POST", "/sandbox/users", json={"first_name": "P"}))["id"] for _ in range(3)]
    for number in range(WORKERS + WAITING):
        await program.say(people[number % 3], f"/download {slow}&n={number} mp3")
    alert = await kept.until("QueueBackup", "firing")
    assert (alert["labels"]["severity"], alert["annotations"]["summary"]) == ("critical", "Queue is backing up")
    for person in people:
        await program.say(person, "/cancel")
    await kept.until("QueueBackup", "resolved")


async def downloads_fail(program: Program, kept: Receiver) -> None:
    """Failures for reasons of ours are told with their share, and that they have ended.

    An answer that is an error and one that is cut off are tried three times, which takes a busy machine long. So that
    there are five in ten seconds, Telegram refuses a file besides that it took before: that needs no worker.
    """
    broken = (program.media(f"status/500.mp4?n={n}" if n % 2 else f"torn.mp4?n={n}") for n in range(WORKERS * 2))
    refusal = "Bad Request: not enough rights to send audios to the chat"
    await program.fault(method="sendAudio", times=0, error_code=400, description=refusal)
    async with trio.open_nursery() as failing:
        failing.start_soon(partial(keep_failing, program, broken, pause_seconds=0))
        failing.start_soon(partial(keep_failing, program, itertools.repeat(program.media(SAMPLE)), pause_seconds=0.5))
        alert = await kept.until("HighErrorRate", "firing")
        for reason in ("site_error", "network", "telegram"):
            name = f'doradura_download_failure_total{{format="mp3",reason="{reason}"}}'
            await until(partial(counted, program, name), seconds=60)
        failing.cancel_scope.cancel()
    assert (alert["labels"]["severity"], alert["annotations"]["summary"]) == ("critical", "High error rate")
    assert alert["annotations"]["description"] == "100% of downloads failed in the last 5 minutes"
    await program.clear_faults()
    await kept.until("HighErrorRate", "resolved")


async def counted(program: Program, name: str) -> float:
    """Return a sample's value."""
    return (await program.metrics())[name]


async def telegram_goes_away(program: Program, kept: Receiver) -> None:
    """A bot that hears nothing of Telegram is told of by both ways, and so is its return."""
    await program.fault(method="getUpdates", times=0, error_code=502, description="Bad Gateway")
    await kept.until("TelegramUnreachable", "firing")
    await told(program, "🔴 CRITICAL: Telegram is unreachable")
    await program.clear_faults()
    await kept.until("TelegramUnreachable", "resolved")
    await told(program, "✅ RESOLVED: Telegram is unreachable")


async def the_bot_is_dead_and_comes_back(program: Program, bot: Bot, kept: Receiver) -> None:
    """Of a dead bot the receiver is told, and the admin's chat by Alertmanager's own hand; so of its return."""
    alert = await kept.until("BotDown", "firing")
    assert alert["labels"]["instance"] == program.http_url.removeprefix("http://")
    await told(program, "🔴 CRITICAL: Bot is down")
    async with bot.running():
        await kept.until("BotDown", "resolved")
        await told(program, "✅ RESOLVED: Bot is down")
