"""The queries of the pages in docs/, asked of a live Prometheus that scrapes a live bot."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.e2e.examples import example, place
from tests.e2e.markdown import PAGES, of_kind, queries
from tests.e2e.program import Program, running
from tests.monitors import Prometheus, open_alertmanager, open_prometheus, until_equal
from tests.ports import free_port

USER, ADMIN = 2000, 1000

SUCCESS_RATE = """\
sum(rate(doradura_download_success_total[5m])) /
(sum(rate(doradura_download_success_total[5m])) +
 sum(rate(doradura_download_failure_total[5m]))) * 100"""

DOCUMENT = (
    "doradura:download_success_rate:5m",
    "doradura:error_rate:5m",
    "doradura:download_duration:p95:5m",
    "doradura_queue_depth",
    "doradura_download_success_total",
    "doradura_daily_active_users",
    "rate(doradura_download_success_total[5m])",
    "rate(doradura_errors_total[5m])",
    "sum(rate(doradura_download_success_total[5m]))",
    "sum by (format) (rate(doradura_download_success_total[5m]))",
    SUCCESS_RATE,
    "histogram_quantile(0.5,\n  rate(doradura_download_duration_seconds_bucket[5m]))",
    "histogram_quantile(0.95,\n  rate(doradura_download_duration_seconds_bucket[5m]))",
    'process_resident_memory_bytes{job="prometheus"}',
    "prometheus_tsdb_head_series",
    "prometheus_target_interval_length_seconds",
)
"""Every query of the document the monitoring is built after, as it stands there."""

RECORDED_SECONDS = 40


async def work(bot: Program, number: int) -> None:
    """Three files and three failures, by two people; one failure is of ours, two are of the user's link."""
    sample = bot.media(f"sample.mp4?n={number}")
    for words in (f"{sample} m4a", f"{sample} mp3", f"{sample} mp4 360p"):
        await bot.say(USER, f"/download {words}")
    for words in (f"{bot.media('missing.mp4')} mp3", f"{bot.media('forbidden.mp4')} mp3"):
        await bot.say(ADMIN, f"/download {words}")
    await bot.say(ADMIN, f"/download {bot.media('status/500.mp4')} m4a")


@asynccontextmanager
async def watched_bot(where: Path) -> AsyncIterator[tuple[Program, Prometheus]]:
    """A bot that has worked while a Prometheus and an Alertmanager were watching, everything seen by now."""
    port, alertmanager = free_port(), free_port()
    async with running(where / "data") as bot, open_alertmanager(where, port=alertmanager):
        configuration = example(
            "several-instances",
            where,
            {
                "bot-instance-1:9090": place(bot),
                "    - 'bot-instance-2:9090'\n": "",
                "    - 'bot-instance-3:9090'\n": "",
                "127.0.0.1:9091": f"127.0.0.1:{port}",
                "127.0.0.1:9093": f"127.0.0.1:{alertmanager}",
            },
        )
        async with open_prometheus(configuration / "prometheus.yml", where / "series", port=port) as server:

            async def up() -> object:
                return await server.value("sum(up)")

            await until_equal(up, 3, seconds=60)
            await work(bot, 1)

            async def counted() -> object:
                return [
                    await server.value("sum(doradura_download_success_total)"),
                    await server.value("sum(doradura_download_failure_total)"),
                ]

            await until_equal(counted, [3, 3], seconds=90)
            yield bot, server


async def answers(server: Prometheus, query: str) -> bool:
    """Whether a query has at least one sample that is a number."""
    return any(not math.isnan(value) for value in (await server.query(query)).values())


async def unanswered(server: Prometheus, asked: list[str]) -> list[str]:
    """The queries that have no answer, after the time recorded series and averages need."""
    open_ = asked
    with trio.move_on_after(RECORDED_SECONDS):
        while open_:
            open_ = [query for query in open_ if not await answers(server, query)]
            await trio.sleep(0.5 if open_ else 0)
    return open_


async def test_every_query_answers(tmp_path: Path) -> None:
    """The document's queries and the pages' give numbers, those of what was done; what may be empty is accepted."""
    shown = [query for page in PAGES for block in of_kind(page, "promql") for query in queries(block)]
    empty = [query for page in PAGES for block in of_kind(page, "promql may be empty") for query in queries(block)]
    assert len(shown) > 30
    async with watched_bot(tmp_path) as (bot, server):
        assert await unanswered(server, [*DOCUMENT, *shown]) == []
        for query in empty:
            await server.query(query)
        # Three of six succeeded. Each counter is extrapolated from when it was seen first, so not quite a half.
        success = await server.value(SUCCESS_RATE)
        assert success is not None
        assert abs(success - 50) < 25
        by_format = await server.query("sum by (format) (doradura_download_success_total) > 0")
        assert by_format == {frozenset({("format", name)}): 1 for name in ("m4a", "mp3", "mp4")}
        scraped = await bot.metrics()
        assert await server.value("max(doradura_registered_users)") == scraped["doradura_registered_users"] == 2


def test_the_pages_have_the_documents_queries() -> None:
    """Each query of the document is shown on monitoring.md, comments and line breaks aside."""

    def bare(query: str) -> str:
        lines = [line for line in query.splitlines() if not line.startswith("#")]
        return " ".join(" ".join(lines).split())

    shown = {bare(query) for page in PAGES for block in of_kind(page, "promql") for query in queries(block)}
    assert [query for query in DOCUMENT if bare(query) not in shown] == []
