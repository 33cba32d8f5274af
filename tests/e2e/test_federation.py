"""The example configurations for several bots, run as they are: only addresses and intervals are replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.e2e.examples import example, place
from tests.e2e.program import Program, running
from tests.monitors import Prometheus, open_prometheus, until_equal
from tests.ports import free_port

USER = 2000
SUCCESSES = 'doradura_download_success_total{format="m4a"}'
ALL_SUCCESSES = "sum(doradura_download_success_total)"


@asynccontextmanager
async def three_bots(where: Path) -> AsyncIterator[list[Program]]:
    """Three programs, each with its own sandbox, users and numbers: 1, 2 and 0 files; 2, 3 and 4 people."""
    async with AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(running(where / f"bot{number}")) for number in range(3)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_work, bots[0], 1, 2)
            nursery.start_soon(_work, bots[1], 2, 3)
            nursery.start_soon(_work, bots[2], 0, 4)
        yield bots


async def _work(bot: Program, files: int, people: int) -> None:
    """Let so many people write, deliver so many files, fail once, and wait until all of it is counted."""
    for number in range(people - 1):
        user = await bot.ask("POST", "/sandbox/users", json={"first_name": f"P{number}"})
        await bot.say(user["id"], "/start")
    for number in range(files):
        await bot.say(USER, f"/download {bot.media('sample.mp4')}?n={number} m4a")
    await bot.say(USER, f"/download {bot.media('missing.mp4')} mp3")

    async def counted() -> list[float]:
        metrics = await bot.metrics()
        return [
            metrics['doradura_download_success_total{format="m4a",quality="default"}'],
            metrics['doradura_download_failure_total{format="mp3",reason="gone"}'],
            metrics["doradura_registered_users"],
        ]

    await until_equal(counted, [files, 1, people], seconds=60)


async def sums(bots: list[Program]) -> dict[str, float]:
    """What the bots' own /metrics add up to: files, failures, seconds observed; and the largest number of users."""
    scraped = [await bot.metrics() for bot in bots]

    def total(prefix: str) -> float:
        return sum(value for each in scraped for name, value in each.items() if name.startswith(prefix))

    return {
        ALL_SUCCESSES: total("doradura_download_success_total{"),
        "sum(doradura_download_failure_total)": total("doradura_download_failure_total{"),
        "sum(doradura_download_duration_seconds_count)": total("doradura_download_duration_seconds_count{"),
        'sum(doradura_download_duration_seconds_bucket{le="1.0"})': sum(
            value
            for each in scraped
            for name, value in each.items()
            if name.startswith("doradura_download_duration_seconds_bucket{") and 'le="1.0"' in name
        ),
        "max(doradura_registered_users)": max(each["doradura_registered_users"] for each in scraped),
    }


async def agrees(server: Prometheus, bots: list[Program]) -> None:
    """Wait until a server's sums are those of the bots' own pages."""
    wanted = await sums(bots)
    assert wanted[ALL_SUCCESSES] == 3
    assert wanted["max(doradura_registered_users)"] == 4

    async def answers() -> dict[str, float | None]:
        return {expression: await server.value(expression) for expression in wanted}

    await until_equal(answers, wanted, seconds=60)


async def records_once(server: Prometheus) -> None:
    """Wait until the recording rules have made their series from all bots: one, of no instance."""

    async def recorded() -> object:
        return await server.labels("doradura:downloads:rate5m", "job", "instance", "prometheus")

    await until_equal(recorded, {(None, None, None)}, seconds=60)


def drop(targets: Path, bot: Program) -> None:
    """Take a bot out of a file of targets."""
    text, line = targets.read_text(encoding="utf-8"), f"    - '{place(bot)}'\n"
    assert line in text
    targets.write_text(text.replace(line, ""), encoding="utf-8")


async def until_up(server: Prometheus, bots: list[Program]) -> None:
    """Wait until a server scrapes these bots and no other."""

    async def up() -> object:
        return await server.labels('up{job="doradura-bot"} == 1', "instance")

    await until_equal(up, {(place(bot),) for bot in bots}, seconds=60)


async def several_instances(bots: list[Program], where: Path) -> None:
    """One Prometheus adds up three bots, keeps them apart by instance, and drops one taken out of the file."""
    port = free_port()
    written = {f"bot-instance-{number}:9090": place(bot) for number, bot in enumerate(bots, 1)}
    own = {"127.0.0.1:9091": f"127.0.0.1:{port}", "127.0.0.1:9093": f"127.0.0.1:{free_port()}"}
    directory = example("several-instances", where, {**written, **own})
    async with open_prometheus(directory / "prometheus.yml", where / "series", port=port) as server:
        await agrees(server, bots)
        await records_once(server)
        assert await server.query(f"sum by (instance) ({SUCCESSES})") == {
            frozenset({("instance", place(bot))}): files for bot, files in zip(bots, (1, 2, 0), strict=True)
        }
        drop(directory / "targets" / "bots.yml", bots[0])
        await until_up(server, bots[1:])
        assert await server.value(ALL_SUCCESSES) == 2


async def federation(bots: list[Program], where: Path) -> None:
    """A parent has every bot's series from two children, labels kept; a target that a child drops leaves the child."""
    ports = [free_port() for _ in range(3)]
    us, eu, parent = (f"127.0.0.1:{port}" for port in ports)
    addresses = {
        "bot-us-1:9090": place(bots[0]),
        "bot-us-2:9090": place(bots[1]),
        "bot-eu-1:9090": place(bots[2]),
        "prometheus-us:9090": us,
        "prometheus-eu:9090": eu,
        "127.0.0.1:9091": parent,
        "127.0.0.1:9093": f"127.0.0.1:{free_port()}",
    }
    directory = example("federation", where, addresses)
    async with AsyncExitStack() as stack:
        child, _, whole = [
            await stack.enter_async_context(open_prometheus(directory / f"{name}.yml", where / name, port=port))
            for name, port in zip(("prometheus-us", "prometheus-eu", "prometheus"), ports, strict=True)
        ]
        await agrees(whole, bots)
        await records_once(whole)
        assert await whole.labels('up{job="federate"} == 1', "instance") == {(us,), (eu,)}
        names = ("job", "instance", "prometheus", "exported_job", "exported_instance")
        assert await whole.labels("doradura_build_info", *names) == {
            ("doradura-bot", place(bot), region, None, None)
            for bot, region in zip(bots, ("us", "us", "eu"), strict=True)
        }
        drop(directory / "targets" / "bots-us.yml", bots[0])
        await until_up(child, bots[1:2])
        lingering = await whole.labels('up{job="doradura-bot"}', "instance")
        assert lingering == {(place(bot),) for bot in bots}, "docs/monitoring.md says that it lingers in the parent"


@pytest.mark.long
async def test_the_examples_with_three_bots(tmp_path: Path) -> None:
    """Both examples add up, keep apart and drop three real bots: one server over all, and a parent of two children."""
    async with three_bots(tmp_path) as bots:
        await several_instances(bots, tmp_path / "several")
        await federation(bots, tmp_path / "federation")
