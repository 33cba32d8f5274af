"""What the recording rules compute, for one bot and for five, and that they say nothing without traffic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rules.cases_critical import FIVE
from tests.integration.rules.promtool import (
    RULES,
    Series,
    growing,
    input_series,
    names_in_rule,
    observed,
    rules_of,
    run_tests,
    series,
)

RECORDING = RULES / "recording.yml"
NAMES = frozenset(rule["record"] for rule in rules_of(RECORDING))
SILENT_WITHOUT_TRAFFIC = {
    "doradura:download_success_rate:5m",
    "doradura:error_rate:5m",
    "doradura:own_error_rate:5m",
    "doradura:download_duration:p50:5m",
    "doradura:download_duration:p95:5m",
    "doradura:download_duration:p99:5m",
}


def busy() -> list[Series]:
    """A hundred downloads a minute on each instance, of which 88 go well, 6 are dead links and 6 fail by our doing."""
    audio = {"format": "mp3", "quality": "320k"}
    return [
        *series("doradura_download_success_total", growing(88), **audio),
        *series("doradura_download_failure_total", growing(6), format="mp3", reason="gone"),
        *series("doradura_download_failure_total", growing(6), format="mp3", reason="site_error"),
        *series("doradura_errors_total", growing(6), category="download"),
        *series("doradura_updates_total", growing(120), type="message"),
        *series("doradura_telegram_requests_total", growing(300), method="sendMessage", outcome="ok"),
        *observed("doradura_download_duration_seconds", 100, growing(100), **audio),
    ]


def expect(expression: str, samples: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """An expression and what it must give, at ten minutes."""
    return {
        "expr": expression,
        "eval_time": "10m",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def run(directory: Path, wanted: Sequence[Series], instances: tuple[str, ...], interval: int, checks: Any) -> None:
    """Hold the recorded values against what is expected."""
    names = frozenset(name for rule in rules_of(RECORDING) for name in names_in_rule(rule))
    test = {
        "interval": f"{interval}s",
        "input_series": input_series(names, wanted, instances, interval, 600),
        "promql_expr_test": checks,
    }
    found = run_tests(directory, RECORDING, [test])
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]


@pytest.mark.parametrize("interval", [15, 30])
@pytest.mark.parametrize("instances", [("bot:8080",), FIVE], ids=["one", "five"])
def test_recorded_values(instances: tuple[str, ...], interval: int, tmp_path: Path) -> None:
    """Rates are summed over instances; ratios and percentiles are the same however many there are."""
    number = len(instances)
    rate = round(number * 100 / 60, 3)
    slow = round(number * 6 / 60, 3)
    values: dict[str, Sequence[tuple[str, float]]] = {
        "doradura:downloads:rate5m": [("{}", rate)],
        "doradura:downloads_by_format:rate5m": [('{format="mp3"}', round(number * 88 / 60, 3))],
        "doradura:download_failures:rate5m": [('{reason="gone"}', slow), ('{reason="site_error"}', slow)],
        "doradura:download_success_rate:5m": [("{}", 0.88)],
        "doradura:error_rate:5m": [("{}", 0.12)],
        "doradura:own_error_rate:5m": [("{}", 0.06)],
        "doradura:download_duration:p50:5m": [("{}", 90)],
        "doradura:download_duration:p95:5m": [("{}", 117)],
        "doradura:download_duration:p99:5m": [("{}", 119.4)],
        "doradura:errors:rate5m": [('{category="download"}', slow)],
        "doradura:updates:rate5m": [('{type="message"}', number * 2)],
        "doradura:telegram_requests:rate5m": [('{outcome="ok"}', number * 5)],
    }
    assert set(values) == NAMES
    checks = [expect(f"round({name} > 0, 0.001)", samples) for name, samples in values.items()]
    run(tmp_path, busy(), instances, interval, checks)


def test_nothing_is_recorded_without_traffic(tmp_path: Path) -> None:
    """An idle bot has no success rate, no error rate and no percentiles; its rates are 0."""
    checks = [expect(name, []) for name in sorted(SILENT_WITHOUT_TRAFFIC)]
    checks += [expect(f"sum({name})", [("{}", 0)]) for name in sorted(NAMES - SILENT_WITHOUT_TRAFFIC)]
    run(tmp_path, [], ("bot:8080",), 15, checks)


def test_ratios_have_no_labels(tmp_path: Path) -> None:
    """A ratio stands alone, so that it can be shown and compared as it is."""
    ratios = sorted(SILENT_WITHOUT_TRAFFIC)
    checks = [expect(f"count({name})", [("{}", 1)]) for name in ratios]
    checks += [expect(f'{name}{{instance=~".+"}} or {name}{{job=~".+"}}', []) for name in ratios]
    run(tmp_path, busy(), FIVE, 15, checks)
