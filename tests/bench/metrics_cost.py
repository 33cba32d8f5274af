"""What counting costs: CPU as a share of a download's, memory of all metrics, size of a scrape.

The calls one job makes to its metrics are recorded in the program itself, then replayed alone, many times; that time
stands against the CPU time of a whole download, children included. The document states the limits; the aims are ours.
"""

from __future__ import annotations

import gc
import gzip
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import imageio_ffmpeg
import trio
from prometheus_client import Counter, Gauge, Histogram

from doradura.app import App
from doradura.metrics import DATABASE_FAMILIES, BuildFacts, FamilySamples, Labelled, Metrics
from doradura.settings import read_settings
from tests.bench.figures import Row
from tests.bench.rig import MEBIBYTE, TICKS_PER_SECOND, TOKEN, bot, next_file, open_person, sandbox, started, variables

USER = 2000
REPLAYS = 2_000
QUIET_SECONDS = 0.5
SONG_SECONDS = 200
WAYS = (
    ("sample", "m4a"),
    ("sample", "mp3 320k"),
    ("sample", "mp4 360p"),
    ("song", "mp3 320k"),
)
"""What is fetched, the sandbox's sample of ten seconds or one as long as a song, and what it is made."""

Way = tuple[str, str]
PACKED_AIM = 8_000
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
BUILD = BuildFacts(version="1", python="3", yt_dlp="2", ffmpeg="7", mode="telegram")

RESIDENT = """
import os
from tests.bench.metrics_cost import fill, make_app

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = resident()
app = make_app({})
fill(app.metrics)
print(resident() - before)
"""

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


async def measure(runs: int, directory: Path) -> Row:
    """Record, replay and compare way by way; then memory and size of metrics that have counted everything."""
    row = Row()
    async with sandbox(directory) as url:
        media = directory / "media"
        await trio.to_thread.run_sync(_make_files, directory, media)
        async with started(
            ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(media)],
            r"\((http://\S+?)/\)",
            log=directory / "media.log",
            variables=variables(directory / "none"),
        ) as server:
            links = {name: f"{server.said}/{name}.mp4" for name in ("sample", "song")}
            reached = f"{urlsplit(url).netloc},{urlsplit(server.said).netloc}"
            calls = await _calls_of_jobs(url, links, directory, reached)
            cpu = await _cpu_of_downloads(runs, url, links, directory, reached)
    for way in WAYS:
        cost = _replayed_seconds(calls[way])
        spent = median(cpu[way])
        share = 100 * cost / spent
        took = f"{1e6 * cost:.0f} us of {1000 * spent:.0f} ms, {len(calls[way])} calls"
        row.add(f"CPU, {' to '.join(way)}", f"{share:.4f} % of a download: {took}")
        CPU.judge(row, " to ".join(way), share)
    _memory(row)
    await _size(row)
    return row


def _make_files(directory: Path, media: Path) -> None:
    """Lay the sandbox's sample beside itself repeated, without encoding, to the length of a song."""
    media.mkdir()
    sample = next(directory.rglob("sample.mp4"))
    shutil.copy(sample, media / "sample.mp4")
    repeated = ["-stream_loop", "-1", "-i", str(sample), "-t", str(SONG_SECONDS)]
    copied = ["-map", "0:v", "-map", "0:a", "-c", "copy", str(media / "song.mp4")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", *repeated, *copied], check=True)


@dataclass(frozen=True, slots=True)
class Bound:
    """What the document allows and what we aim at, and how such a figure is written."""

    limit: float
    aim: float
    unit: str

    def judge(self, row: Row, what: str, found: float) -> None:
        """Add both verdicts to a row. The document's limit is what passes or fails."""
        row.aim(f"{what} under {self.limit:,g} {self.unit}", met=found < self.limit)
        row.add("our aim", f"{what} under {self.aim:,g} {self.unit}: {'met' if found < self.aim else 'missed'}")


CPU = Bound(0.1, 0.01, "% of a download")
MEMORY = Bound(10, 2, "MiB")
TEXT = Bound(100_000, 80_000, "bytes")


def make_app(environment: Mapping[str, str]) -> App:
    """Make an app, not started: its metrics are those of the program."""
    given = {"DORADURA_TELEGRAM_TOKEN": TOKEN, "DORADURA_HTTP_BIND": "127.0.0.1:0", **environment}
    settings = read_settings(given, sandbox=False)
    return App(settings, environment=os.environ, build=BUILD, ffmpeg=imageio_ffmpeg.get_ffmpeg_exe())


@contextmanager
def recording(metrics: Metrics) -> Iterator[list[Call]]:
    """Note every call that counts something, but for the event loop's own lag, which no job causes."""
    found: list[Call] = []
    counting = ((Counter, "inc"), (Gauge, "inc"), (Gauge, "dec"), (Gauge, "set"), (Histogram, "observe"))
    kept = [(owner, name, getattr(owner, name)) for owner, name in (*counting, (Labelled, "labels"))]

    def noted(original: Callable[..., object]) -> Callable[..., object]:
        def call(counted: object, *values: Any, **named: Any) -> object:
            if counted is not metrics.loop_lag:
                found.append((original, (counted, *values), named))
            return original(counted, *values, **named)

        return call

    for owner, name, original in kept:
        setattr(owner, name, noted(original))
    try:
        yield found
    finally:
        for owner, name, original in kept:
            setattr(owner, name, original)


async def _calls_of_jobs(url: str, links: Mapping[str, str], directory: Path, reached: str) -> dict[Way, list[Call]]:
    """Return the calls between a message and the end of its job, with all that Telegram is asked for meanwhile."""
    app = make_app(
        {
            "DORADURA_TELEGRAM_API_URL": url,
            "DORADURA_ADMIN_IDS": "1000",
            "DORADURA_ALLOWED_PRIVATE": reached,
            "DORADURA_DATA_DIR": str(directory / "recorded"),
        }
    )
    found = {}
    async with trio.open_nursery() as nursery, open_person(url, TOKEN) as person:
        await nursery.start(app.run)
        for media, words in WAYS:
            with recording(app.metrics) as calls:
                async with person.listening() as messages:
                    await person.say(USER, f"/download {links[media]}?r={words.replace(' ', '')} {words}")
                    await next_file(messages, USER)
                await _until_quiet(calls)
            found[media, words] = calls
        app.stop()
    return found


async def _until_quiet(calls: list[Call]) -> None:
    """Wait until nothing counts any more: an end is counted, and the progress message taken away, after the file."""
    with trio.fail_after(30):
        seen = -1
        while seen != len(calls):
            seen = len(calls)
            await trio.sleep(QUIET_SECONDS)


async def _cpu_of_downloads(
    runs: int, url: str, links: Mapping[str, str], directory: Path, reached: str
) -> dict[Way, list[float]]:
    """Return the CPU time of whole downloads, of the bot and all its children; the first of each is thrown away."""
    found: dict[Way, list[float]] = {}
    async with bot(directory, url, DORADURA_ALLOWED_PRIVATE=reached) as ours:
        for media, words in WAYS:
            taken = []
            for number in range(runs + 1):
                before = _tree_cpu_seconds(ours.pid)
                async with ours.person.listening() as messages:
                    await ours.person.say(USER, f"/download {links[media]}?c={number} {words}")
                    await next_file(messages, USER)
                taken.append(_tree_cpu_seconds(ours.pid) - before)
            found[media, words] = taken[1:]
    return found


def _tree_cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process, of the children it has and of those it had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    total = sum(int(field) for field in fields[11:15]) / TICKS_PER_SECOND
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            try:
                total += _tree_cpu_seconds(int(child))
            except FileNotFoundError:
                continue  # it ended meanwhile
    return total


def _replayed_seconds(calls: list[Call]) -> float:
    """Return the CPU time of all calls of one job, in a loop that does nothing else."""
    gc.disable()
    try:
        began = time.process_time()
        for _ in range(REPLAYS):
            for call, values, named in calls:
                call(*values, **named)
        return (time.process_time() - began) / REPLAYS
    finally:
        gc.enable()


def fill(metrics: Metrics) -> None:
    """Let everything count: each child there is, every outcome of Telegram's methods, an exemplar in every bucket."""
    job = 9_000_000_000_000_000_000
    for name, value in vars(metrics).items():
        if not isinstance(value, Labelled):
            continue
        for child in value.children():
            if isinstance(child, Histogram):
                for seconds in (0.3, 0.7, 3.3, 7.7, 13.7, 44.4, 77.1, 200.2, 444.4, 999.9, 2000.0):
                    job += 1
                    child.observe(seconds, {"job": str(job)} if name == "download_duration" else None)
            else:
                child.inc(123_456.0)
    for method in ("getUpdates", "sendMessage", "sendAudio", "sendVideo", "editMessageText", "other"):
        for outcome in ("client_error", "rate_limited", "server_error", "network", "timeout"):
            metrics.telegram_requests.labels(method=method, outcome=outcome).inc()


def _memory(row: Row) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        app = make_app({})
        built, _ = tracemalloc.get_traced_memory()
        fill(app.metrics)
        filled, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    done = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True)
    row.add("memory", f"{built / MEBIBYTE:.2f} MiB made, {filled / MEBIBYTE:.2f} MiB when everything has counted")
    row.add("  resident", f"{int(done.stdout) / MEBIBYTE:.2f} MiB more in a process of its own")
    MEMORY.judge(row, "all metrics", filled / MEBIBYTE)


async def _size(row: Row) -> None:
    app = make_app({})
    fill(app.metrics)
    database: dict[str, FamilySamples] = {name: {} for name in DATABASE_FAMILIES}
    for accept in ("", OPENMETRICS):
        text, _ = await app.metrics.render(accept, database)
        packed = gzip.compress(text, 5, mtime=0)
        kind = "OpenMetrics" if accept else "text"
        row.add(f"scrape, {kind}", f"{len(text):,} bytes, {len(packed):,} with gzip, when everything has counted")
        TEXT.judge(row, kind, len(text))
        row.add("our aim", f"with gzip: under {PACKED_AIM:,} bytes: {'met' if len(packed) < PACKED_AIM else 'missed'}")
