"""The command line: `just bench [NAME...] [--runs N]`. docs/performance.md says what each row means.

Exits 0 when every row was measured, whatever it found; a missed aim is printed, and a row that broke ends in 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import trio

from tests.bench import (
    gate_cost,
    link_to_file,
    metrics_cost,
    one_look,
    pacing_cost,
    scrape,
    under_load,
    updates,
    upload_memory,
    wall_cost,
)
from tests.bench.figures import Row

PACKAGES = ("doradura", "trio", "httpx", "hypercorn", "quart-trio", "prometheus-client", "yt-dlp")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row: how it is measured, and how often when nobody says."""

    measure: Callable[[int, Path], Awaitable[Row]]
    runs: int
    compares: str


ROWS = MappingProxyType(
    {
        "link-to-file": Measurement(link_to_file.measure, 7, "a link to the file in the chat / the yt-dlp command"),
        "one-look": Measurement(
            one_look.measure, 5, "a button to the first byte with the probe's finding / a fresh look"
        ),
        "updates-per-cpu-second": Measurement(updates.measure, 3, "our bot / a naive bot"),
        "pacing-cost": Measurement(pacing_cost.measure, 5, "a message sent with budgets / without, CPU"),
        "scrape": Measurement(scrape.measure, 5, "our /metrics / prometheus-client's own server"),
        "metrics-cost": Measurement(metrics_cost.measure, 3, "counting / a download, memory, size of a scrape"),
        "answers-under-load": Measurement(under_load.measure, 3, "answers while 20 jobs run / at rest"),
        "gate-cost": Measurement(gate_cost.measure, 5, "a source through the gate / direct"),
        "wall-cost": Measurement(wall_cost.measure, 5, "the start of a job behind the wall / without"),
        "upload-memory": Measurement(upload_memory.measure, 3, "growth of the process / size of the file"),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named, or everything; give the exit code."""
    parser = argparse.ArgumentParser(prog="just bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"a row: {', '.join(ROWS)} (all when none is named)")
    parser.add_argument("--runs", type=int, metavar="N", help="turns a side (each row has its own number)")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if asked.runs is not None and asked.runs < 1:
        parser.error("--runs is at least 1")
    _say(_machine())
    broken = False
    for name in asked.names or ROWS:
        broken = not _measure(name, ROWS[name], asked.runs) or broken
    return int(broken)


def _measure(name: str, row: Measurement, runs: int | None) -> bool:
    """Measure one row and print it. The barrier of a row: one that breaks says so, and the others go on."""
    turns = runs or row.runs
    _say(f"\n{name}   {row.compares}, {turns} turns: median ratio (min-max)")
    with tempfile.TemporaryDirectory(prefix="doradura-bench-") as directory:
        began = time.monotonic()
        try:
            found = trio.run(row.measure, turns, Path(directory))
        except Exception as error:  # noqa: BLE001 - the barrier named above
            _say(f"  broke: {error!r}")
            return False
    for line in found.lines:
        _say(f"  {line}")
    verdict = {True: "pass, ", False: "FAIL, ", None: ""}[found.passed]
    _say(f"  {verdict}measured in {time.monotonic() - began:.0f} s")
    return True


def _machine() -> str:
    """Say on what and when, without which no figure means anything."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    today = dt.datetime.now(dt.UTC).date()
    load = os.getloadavg()[0]
    return f"{today}, {os.cpu_count()} cores (load {load:.1f} before), Python {platform.python_version()}, {versions}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
