"""The example configurations for several bots, run as they are: only addresses and intervals are replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from tests.e2e.examples import example, place
from tests.e2e.program import Program, running
from tests.e2e.prometheus_program import Prometheus, free_port, open_prometheus, until_equal

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


async def test_several_instances(tmp_path: Path) -> None:
    """One Prometheus adds up three bots, keeps them apart by instance, and drops one taken out of the file."""
    port = free_port()
    async with three_bots(tmp_path) as bots:
        written = {f"bot-instance-{number}:9090": place(bot) for number, bot in enumerate(bots, 1)}
        where = example(
            "several-instances",
            tmp_path,
            {**written, "127.0.0.1:9091": f"127.0.0.1:{port}", "127.0.0.1:9093": f"127.0.0.1:{free_port()}"},
        )
        async with open_prometheus(where / "prometheus.yml", tmp_path / "one", port=port) as server:
            await agrees(server, bots)
            await records_once(server)
            by_instance = {
                frozenset({("instance", place(bot))}): float(n) for bot, n in zip(bots, (1, 2, 0), strict=True)
            }
            assert await server.query(f"sum by (instance) ({SUCCESSES})") == by_instance
            targets = where / "targets" / "bots.yml"
            removed = f"    - '{place(bots[0])}'\n"
            assert removed in targets.read_text()
            targets.write_text(targets.read_text().replace(removed, ""))
            rest = {(place(bot),) for bot in bots[1:]}

            async def up() -> object:
                return await server.labels('up{job="doradura-bot"} == 1', "instance")

            await until_equal(up, rest, seconds=60)
            assert await server.value(ALL_SUCCESSES) == 2


async def test_federation(tmp_path: Path) -> None:
    """A parent has every bot's series from two children, labels kept; a target that a child drops leaves the child."""
    ports = [free_port() for _ in range(3)]
    async with three_bots(tmp_path) as bots, AsyncExitStack() as servers:
        addresses = {
            **{
                name: place(bot)
                for name, bot in zip(("bot-us-1:9090", "bot-us-2:9090", "bot-eu-1:9090"), bots, strict=True)
            },
            "prometheus-us:9090": f"127.0.0.1:{ports[0]}",
            "prometheus-eu:9090": f"127.0.0.1:{ports[1]}",
            "127.0.0.1:9091": f"127.0.0.1:{ports[2]}",
            "127.0.0.1:9093": f"127.0.0.1:{free_port()}",
        }
        where = example("federation", tmp_path, addresses)
        files = ("prometheus-us.yml", "prometheus-eu.yml", "prometheus.yml")
        us, _eu, parent = [
            await servers.enter_async_context(
                open_prometheus(where / file, tmp_path / file.removesuffix(".yml"), port=port)
            )
            for file, port in zip(files, ports, strict=True)
        ]
        await agrees(parent, bots)
        await records_once(parent)
        kept = {
            ("doradura-bot", place(bot), region, None, None)
            for bot, region in zip(bots, ("us", "us", "eu"), strict=True)
        }
        names = ("job", "instance", "prometheus", "exported_job", "exported_instance")
        assert await parent.labels("doradura_build_info", *names) == kept
        assert await parent.labels('up{job="federate"} == 1', "instance") == {
            (f"127.0.0.1:{port}",) for port in ports[:2]
        }
        targets = where / "targets" / "bots-us.yml"
        targets.write_text(targets.read_text().replace(f"    - '{place(bots[0])}'\n", ""))

        async def up() -> object:
            return await us.labels('up{job="doradura-bot"} == 1', "instance")

        await until_equal(up, {(place(bots[1]),)}, seconds=60)
        lingering = await parent.labels('up{job="doradura-bot"}', "instance")
        assert lingering == {(place(bot),) for bot in bots}, "docs/monitoring.md says that it lingers in the parent"
