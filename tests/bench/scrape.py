"""A scrape: how long it takes, how large it is, and what it does to everything else in the event loop.

Against the same registry behind prometheus-client's own threaded server. Ours also reads the queue and the users from
the database, at most every five seconds.
"""

from __future__ import annotations

import gzip
import math
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import trio

from tests.bench.figures import Row, Series, bucket_bound, spread
from tests.bench.rig import Bot, Person, bot, cpu_seconds, samples_of, sandbox, started, variables

SCRAPES_A_TURN = 30
PHASE_SECONDS = 5.0
HEALTH_INTERVAL_SECONDS = 0.02
USER = 2000
FORMS = (
    ("text", {"Accept": "text/plain", "Accept-Encoding": "identity"}),
    ("text, gzip", {"Accept": "text/plain", "Accept-Encoding": "gzip"}),
    ("OpenMetrics, gzip", {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one scrape took, by the scraper's clock and of the server's CPU."""

    seconds: float
    cpu_seconds: float


async def measure(runs: int, directory: Path) -> Row:
    """Scrape both servers in turns; then let /health be asked with and without scrapes beside it."""
    row = Row()
    async with (
        sandbox(directory) as url,
        bot(directory, url) as ours,
        started(
            ["-m", "tests.bench.exporter"],
            r"serving (\S+) ",
            log=directory / "exporter.log",
            variables=variables(directory / "none"),
        ) as other,
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        await _use(ours.person)
        for label, headers in FORMS:
            mine: list[Cost] = []
            theirs: list[Cost] = []
            for _ in range(runs + 1):
                mine.append(await _cost(client, ours.http_url, ours.pid, headers))
                theirs.append(await _cost(client, other.said, other.pid, headers))
            del mine[0], theirs[0]
            row.compare(
                label,
                ours=Series("ours", [each.seconds * 1000 for each in mine], "ms", 1),
                theirs=Series("theirs", [each.seconds * 1000 for each in theirs], "ms", 1),
            )
            row.compare(
                "  CPU",
                ours=Series("ours", [each.cpu_seconds * 1000 for each in mine], "ms", 1),
                theirs=Series("theirs", [each.cpu_seconds * 1000 for each in theirs], "ms", 1),
            )
            row.add("  size", await _size(client, ours.http_url, headers))
        await _lag(row, client, ours)
    return row


async def _use(person: Person) -> None:
    """Make the program count something, so that the text is that of a bot in use."""
    asked = 0
    for text in ("/start", "/help", "/queue", "hello"):
        asked = await person.say(USER, text)
    with trio.fail_after(30):
        while not await person.messages(USER, after=asked):  # noqa: ASYNC110 - happens in another process
            await trio.sleep(0.05)


async def _cost(client: httpx.AsyncClient, url: str, pid: int, headers: dict[str, str]) -> Cost:
    samples = []
    used = cpu_seconds(pid)
    for _ in range(SCRAPES_A_TURN):
        began = trio.current_time()
        (await client.get(f"{url}/metrics", headers=headers)).raise_for_status()
        samples.append(trio.current_time() - began)
    return Cost(median(samples), (cpu_seconds(pid) - used) / SCRAPES_A_TURN)


async def _size(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> str:
    answer = await client.get(f"{url}/metrics", headers=headers)
    count = sum(not line.startswith("#") for line in answer.text.splitlines())
    size = int(answer.headers["content-length"])
    if answer.headers.get("content-encoding") != "gzip":
        return f"{size:,} bytes, {count} samples"
    return (
        f"{size:,} bytes on the wire, {len(answer.content):,} unpacked ({len(gzip.compress(answer.content)):,} at -9)"
    )


async def _lag(row: Row, client: httpx.AsyncClient, ours: Bot) -> None:
    """Ask /health all the time, first alone, then beside one scraper that never pauses."""
    for label, scraping in (("/health alone", False), ("/health and scrapes", True)):
        before = lag_buckets((await client.get(f"{ours.http_url}/metrics")).text)
        samples: list[float] = []
        scrapes = 0
        with trio.move_on_after(PHASE_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_forever, f"{ours.http_url}/health", HEALTH_INTERVAL_SECONDS, samples)
                while scraping:
                    await client.get(f"{ours.http_url}/metrics")
                    scrapes += 1
        after = lag_buckets((await client.get(f"{ours.http_url}/metrics")).text)
        row.add(label, spread(samples))
        bound = bucket_bound(before, after, 0.99)
        often = f", {scrapes / PHASE_SECONDS:.0f} scrapes a second" if scraping else ""
        row.add("", f"loop lag p99 under {1000 * bound:g} ms{often}")


async def ask_forever(url: str, interval_seconds: float, samples: list[float], texts: list[str] | None = None) -> None:
    """Ask on a connection of one's own until cancelled; note the seconds each answer took, and keep what it said."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        await client.get(url)
        while True:
            began = trio.current_time()
            answer = await client.get(url)
            samples.append(trio.current_time() - began)
            if texts is not None:
                texts.append(answer.text)  # read later: that would hold up the next one
            await trio.sleep(interval_seconds)


def lag_buckets(scrape: str) -> dict[float, float]:
    """Return the loop lag's buckets out of a scrape's text: bound -> cumulative count."""
    found = {}
    for name, value in samples_of(scrape).items():
        bucket = re.fullmatch(r'doradura_loop_lag_seconds_bucket\{le="(.+)"\}', name)
        if bucket:
            found[math.inf if bucket[1] == "+Inf" else float(bucket[1])] = value
    return found
