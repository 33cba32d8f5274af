"""How soon /health and /metrics answer while 20 jobs of 5 people are worked off, against the same bot at rest."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import trio

from tests.bench.figures import Row, Series, bucket_bound, spread
from tests.bench.rig import Bot, Event, RigError, bot, samples_of, sandbox
from tests.bench.scrape import ask_forever, lag_buckets

USERS = range(4001, 4006)
JOBS_EACH = 4
CONCURRENT = 2
REST_SECONDS = 3.0
AIM_SECONDS = 0.1
OWN_TIMER_SECONDS = 0.01
WAYS = (
    ("sample.mp4", "mp3 320k"),
    ("sample.mp4", "m4a"),
    ("hls/index.m3u8", "mp4 720p"),
    ("sample.mp4", "mp4 best"),
)
INTERVALS = {"/health": 0.02, "/metrics": 0.1}


class _Watch:
    """Latencies of both paths while something else goes on, and what /metrics said.

    Beside them it looks how late its own timer is. That is in every latency too: it is what the machine gives to a
    process that has next to nothing to do.
    """

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = {path: [] for path in INTERVALS}
        self.scrapes: list[str] = []
        self.own_lag: list[float] = []

    async def run(self, http_url: str) -> None:
        async with trio.open_nursery() as nursery:
            for path, interval_seconds in INTERVALS.items():
                texts = self.scrapes if path == "/metrics" else None
                nursery.start_soon(ask_forever, f"{http_url}{path}", interval_seconds, self.samples[path], texts)
            while True:
                due = trio.current_time() + OWN_TIMER_SECONDS
                await trio.sleep_until(due)
                self.own_lag.append(trio.current_time() - due)


async def measure(runs: int, directory: Path) -> Row:
    """Rest and load in turns."""
    row = Row()
    rest: list[dict[str, list[float]]] = []
    load: list[dict[str, list[float]]] = []
    seconds: list[float] = []
    most_at_once = 0.0
    lags: list[float] = []
    own_lag: list[float] = []
    async with (
        sandbox(directory) as url,
        bot(directory, url, DORADURA_CONCURRENT_DOWNLOADS=str(CONCURRENT)) as ours,
    ):
        await _work_off(ours, url, "warm", each=1)
        for turn in range(runs):
            quiet = _Watch()
            with trio.move_on_after(REST_SECONDS):
                await quiet.run(ours.http_url)
            rest.append(quiet.samples)
            busy = _Watch()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(busy.run, ours.http_url)
                began = trio.current_time()
                await _work_off(ours, url, str(turn), each=JOBS_EACH)
                seconds.append(trio.current_time() - began)
                nursery.cancel_scope.cancel()
            load.append(busy.samples)
            own_lag += busy.own_lag
            most_at_once = max(most_at_once, *map(_in_progress, busy.scrapes))
            lags.append(bucket_bound(lag_buckets(busy.scrapes[0]), lag_buckets(busy.scrapes[-1]), 0.99))
    for path in INTERVALS:
        row.compare(
            path,
            ours=Series("busy", [1000 * median(part[path]) for part in load], "ms", 1),
            theirs=Series("at rest", [1000 * median(part[path]) for part in rest], "ms", 1),
        )
        row.add("  busy", spread([each for part in load for each in part[path]]))
        row.add("  at rest", spread([each for part in rest for each in part[path]]))
    row.add("loop lag, busy", f"p99 under {1000 * max(lags):g} ms")
    row.add("this program's lag", spread(own_lag))
    jobs = JOBS_EACH * len(USERS)
    row.add("jobs", f"{jobs} in {median(seconds):.1f} s, {jobs / median(seconds):.1f} a second, {CONCURRENT} at once")
    worst = max(each for part in load for path in INTERVALS for each in part[path])
    row.aim(f"each answer within {1000 * AIM_SECONDS:.0f} ms (slowest {1000 * worst:.1f})", met=worst < AIM_SECONDS)
    row.aim(f"at most {CONCURRENT} jobs in a worker (seen {most_at_once:.0f})", met=most_at_once <= CONCURRENT)
    return row


def _in_progress(scrape: str) -> float:
    """Return how many jobs were in a worker."""
    found = samples_of(scrape)
    return sum(value for name, value in found.items() if name.startswith("doradura_downloads_in_progress{"))


async def _work_off(ours: Bot, sandbox_url: str, mark: str, *, each: int) -> None:
    """Let everybody ask for their files at once, and wait until all are there."""
    wanted = each * len(USERS)
    async with ours.person.listening() as messages, trio.open_nursery() as nursery:
        for user_id in USERS:
            nursery.start_soon(_ask, ours, sandbox_url, user_id, mark, each)
        with trio.fail_after(120):
            async for message in messages:
                wanted -= _is_file(message)
                if not wanted:
                    return
    raise RigError("the sandbox stopped telling what happens")


async def _ask(ours: Bot, sandbox_url: str, user_id: int, mark: str, each: int) -> None:
    for number in range(each):
        path, words = WAYS[number % len(WAYS)]
        await ours.person.say(user_id, f"/download {sandbox_url}/media/{path}?n={mark}-{user_id}-{number} {words}")


def _is_file(message: Event) -> bool:
    return "audio" in message or "video" in message
