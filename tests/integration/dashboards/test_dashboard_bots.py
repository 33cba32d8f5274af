from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from tests.dashboards import filled, queries
from tests.monitors import open_prometheus
from tests.ports import free_port
from tests.programs import found
from tests.written import DATABASE, written

BOTS = 5
STEP_SECONDS, STEPS = 30, 40
VALUES = {
    "le": ("0.5", "1.0", "5.0", "+Inf"),
    "reason": ("gone", "internal"),
    "outcome": ("success", "failure", "ok", "refused"),
}
"""The values of the labels that queries match; every other label has one."""


def samples(end: float) -> Iterator[str]:
    """Return twenty minutes of five equal bots in OpenMetrics: counters grow evenly, all else stands still."""
    for name, (_, labels) in sorted(written().items()):
        counts = re.search(r"_(total|bucket|sum|count)$", name)
        names = ("job", "instance", *sorted(labels))
        bots = tuple(f"bot-{bot}" for bot in range(1, BOTS + 1))
        known = {**VALUES, "job": ("doradura-bot",), "instance": bots}
        for rank, row in enumerate(itertools.product(*(known.get(label, ("1",)) for label in names))):
            series = ",".join(f'{label}="{value}"' for label, value in zip(names, row, strict=True))
            # Of a histogram each bound has more than the one before; all bots have the same.
            speed = 1 + rank % len(VALUES["le"]) if "le" in labels else 1
            for step in range(STEPS + 1):
                value = step * speed if counts else 2
                yield f"{name}{{{series}}} {value} {end - (STEPS - step) * STEP_SECONDS}\n"
    yield "# EOF\n"


async def test_five_equal_bots_show_five_times_or_the_same(tmp_path: Path) -> None:
    """What is counted is five times as much of five equal bots as of one; shares, percentiles, the database the same.

    Every query of every dashboard is asked of a real Prometheus for one bot and for all five; lines of their own for
    each bot are five lines that are each the same.
    """
    end = float(int(time.time()))
    text = tmp_path / "samples.txt"
    text.write_text("".join(samples(end)), encoding="utf-8")
    backfill = [found("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(tmp_path / "prometheus")]
    await trio.run_process(backfill, capture_stdout=True, capture_stderr=True)
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": []}), encoding="utf-8")
    compared = 0
    async with open_prometheus(tmp_path / "prometheus.yml", tmp_path / "prometheus", port=free_port()) as prometheus:

        async def ask(expr: str, instance: str) -> list[tuple[tuple[tuple[str, str], ...], float]]:
            expr = filled(expr, instance=instance, window="5m", step="2m", shown="10m")
            answer = await prometheus.ask("query", query=expr, time=str(end))
            return sorted(
                (tuple(sorted((k, v) for k, v in one["metric"].items() if k != "instance")), float(one["value"][1]))
                for one in answer["result"]
            )

        for asked in queries():
            if "doradura_" in asked.expr:  # a target's own series are Prometheus's
                one, five = await ask(asked.expr, "bot-1"), await ask(asked.expr, ".*")
                assert one, asked.id
                each = BOTS if "by (instance)" in asked.expr else 1
                alike = re.search(r"histogram_quantile| / |\b(max|min)\b", asked.expr) is not None
                same = each > 1 or alike or any(name in asked.expr for name in DATABASE)
                factor = 1 if same else BOTS
                expected = [(labels, round(value * factor, 6)) for labels, value in one for _ in range(each)]
                assert [(labels, round(value, 6)) for labels, value in five] == expected, asked.id
                compared += 1
    assert compared > 90
