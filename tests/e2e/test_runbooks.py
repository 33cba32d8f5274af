"""The commands of docs/runbooks.md that cause an alert do cause, in the real program, what the alert's rule sees."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from doradura.media.reasons import OUR_REASONS
from tests.e2e.program import Program, running, until
from tests.integration.rules.runbooks import cause, words

USER = 2000
SECONDS = 120.0


def script(program: Program, alert: str) -> str:
    """The page's words and the commands of a section, for this program and without their waiting.

    What follows a wait that is no part of a loop takes the cause back, and is left to the caller.
    """
    addresses = {"BOT": program.http_url, "SANDBOX": program.sandbox_url, "DATA": str(program.data_dir)}
    settings = " ".join(f"{name}={value}" for name, value in addresses.items())
    commands = re.split(r"^sleep ", cause(alert), maxsplit=1, flags=re.MULTILINE)[0]
    # The page finds the bot by its command line; here others may run on the machine.
    own = f"{settings}\nbot_pid() {{ echo {program.process.pid}; }}\nsleep() {{ :; }}\n"
    return f"set -euo pipefail\n{words()}\n{own}\n{commands}"


async def run(program: Program, alert: str) -> None:
    """Do what the page says."""
    with trio.fail_after(SECONDS):
        await trio.run_process(["bash", "-c", script(program, alert)], env={**os.environ, "no_proxy": "*"})


async def failing_downloads(program: Program) -> None:
    """Five downloads fail by our doing and none goes well: over a tenth."""
    await run(program, "HighErrorRate")

    async def enough() -> bool:
        seen = await program.metrics()
        failed = {name: value for name, value in seen.items() if name.startswith("doradura_download_failure_total")}
        ours = sum(value for name, value in failed.items() if any(f'"{reason}"' in name for reason in OUR_REASONS))
        good = sum(value for name, value in seen.items() if name.startswith("doradura_download_success_total"))
        return ours >= 5 and good == 0

    await until(enough, seconds=SECONDS)


async def full_queue(program: Program) -> None:
    """More than a hundred jobs wait."""
    await run(program, "QueueBackup")

    async def full() -> bool:
        return (await program.metrics())["doradura_queue_depth"] > 100

    await until(full, seconds=SECONDS)


async def silent_telegram(program: Program) -> None:
    """Polls fail, and the time of the last one that completed stands still."""
    await run(program, "TelegramUnreachable")
    await program.say(USER, "/start")  # what is being waited for ends, the next poll fails
    failed = 'doradura_telegram_requests_total{method="getUpdates",outcome="server_error"}'
    last = "doradura_telegram_last_poll_timestamp_seconds"

    async def failures(number: int) -> dict[str, float]:
        async def there() -> bool:
            return (await program.metrics()).get(failed, 0) >= number

        await until(there, seconds=SECONDS)
        return await program.metrics()

    before = await failures(1)
    assert (await failures(3))[last] == before[last]
    await program.clear_faults()


async def second_poller(program: Program) -> None:
    """Polls are refused with a conflict, three times and more."""
    await run(program, "PollConflict")
    await program.say(USER, "/start")

    async def refused() -> bool:
        return (await program.metrics())["doradura_telegram_poll_conflicts_total"] >= 3

    await until(refused, seconds=SECONDS)
    await program.clear_faults()


async def slowed_down(program: Program) -> None:
    """Telegram's refusals are counted, five and more."""
    await run(program, "RateLimitedByTelegram")

    async def counted() -> bool:
        return (await program.metrics())['doradura_telegram_rate_limited_total{source="server"}'] >= 5

    await until(counted, seconds=SECONDS)
    await program.clear_faults()


@asynccontextmanager
async def locked(program: Program) -> AsyncIterator[None]:
    """The database's lock is held for as long as the block."""
    async with trio.open_nursery() as nursery:
        text = script(program, "StorageFailing").replace("python3", "exec python3")
        nursery.start_soon(trio.run_process, ["bash", "-c", text])
        yield
        nursery.cancel_scope.cancel()


async def locked_database(program: Program) -> None:
    """The health check fails and an error is counted; when the lock is gone, all is well."""
    check, errors = 'doradura_health_status{check="storage"}', 'doradura_errors_total{category="storage"}'

    async def failing() -> bool:
        seen = await program.metrics()
        return seen.get(check) == 0 and seen[errors] >= 1

    async def well() -> bool:
        return (await program.metrics()).get(check) == 1

    async with locked(program):
        await until(failing, seconds=SECONDS)
    await until(well, seconds=SECONDS)


async def stopped_bot(program: Program) -> None:
    """The process stands still."""
    await run(program, "BotDown")

    async def stands() -> bool:
        status = await trio.Path(f"/proc/{program.process.pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] == "T"

    await until(stands, seconds=SECONDS)  # each thread stops by itself
    program.process.send_signal(signal.SIGCONT)


CAUSES: dict[str, Callable[[Program], Awaitable[None]]] = {
    "StorageFailing": locked_database,
    "TelegramUnreachable": silent_telegram,
    "PollConflict": second_poller,
    "RateLimitedByTelegram": slowed_down,
    "HighErrorRate": failing_downloads,
    "BotDown": stopped_bot,
    "QueueBackup": full_queue,
}


@pytest.mark.parametrize("alert", CAUSES)
async def test_commands_cause_what_the_alert_sees(alert: str, tmp_path: Path) -> None:
    """A program in the sandbox, the section's commands, and the numbers that the alert's rule looks at."""
    async with running(tmp_path / "data", DORADURA_ADMIN_IDS="1000", DORADURA_DRAIN_SECONDS="1") as program:
        await CAUSES[alert](program)
