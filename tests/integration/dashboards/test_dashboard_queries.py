from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import NAMES, dashboard, filled, panels, queries
from tests.programs import found

MINUTES = 60
FORMATS = ("mp3", "mp4")


def promtool(tmp_path: Path, what: str, content: dict[str, Any]) -> tuple[int, str]:
    """Let Prometheus' own tool judge a file; give its exit code and what it said."""
    path = tmp_path / f"{what}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    tool = found("promtool")
    said = subprocess.run([tool, what, "rules", str(path)], capture_output=True, text=True, check=False, cwd=tmp_path)
    return said.returncode, said.stdout + said.stderr


@pytest.mark.parametrize("window", ["5m", "1d"])
@pytest.mark.parametrize("instance", [".*", "bot-1:9090|bot-2:9090"])
def test_every_query_is_promql(tmp_path: Path, window: str, instance: str) -> None:
    """Prometheus' tool takes every query and every mark, whatever Grafana puts in for the variables."""
    marks = [mark["expr"] for name in NAMES for mark in dashboard(name)["annotations"]["list"]]
    asked = [one.expr for one in queries()] + marks
    rules = [
        {"record": f"dashboards:query{number}", "expr": filled(expr, window=window, instance=instance, step="4m")}
        for number, expr in enumerate(asked)
    ]
    code, said = promtool(tmp_path, "check", {"groups": [{"name": "dashboards", "rules": rules}]})
    assert code == 0, said[-2000:]
    assert f"{len(asked)} rules found" in said


def test_what_is_no_promql_is_found(tmp_path: Path) -> None:
    """The tool refuses a query with a parenthesis too few, so that the test above can fail."""
    rules = [{"record": "dashboards:query", "expr": "sum(up"}]
    code, _ = promtool(tmp_path, "check", {"groups": [{"name": "dashboards", "rules": rules}]})
    assert code == 1


def series(bots: int) -> list[dict[str, str]]:
    """Make an hour of `bots` equal bots on one database: what each counts for itself, and what all read from it."""
    made: dict[str, str] = {}
    for number in range(1, bots + 1):
        bot = f'job="doradura-bot", instance="bot-{number}:9090"'
        for fmt, step in zip(FORMATS, (2, 1), strict=True):
            made[f'doradura_download_success_total{{{bot}, format="{fmt}", quality="x"}}'] = f"0+{step}x240"
        made[f'doradura_download_failure_total{{{bot}, format="mp3", reason="gone"}}'] = "0+1x240"
        made[f'doradura_download_failure_total{{{bot}, format="mp3", reason="site_error"}}'] = "0x240"
        made[f'doradura_download_cancelled_total{{{bot}, format="mp3"}}'] = "0x240"
        for bound, step in (("1.0", 1), ("5.0", 2), ("+Inf", 2)):
            name = f'doradura_download_duration_seconds_bucket{{{bot}, format="mp3", quality="x", le="{bound}"}}'
            made[name] = f"0+{step}x240"
        for category in ("download", "telegram"):
            made[f'doradura_errors_total{{{bot}, category="{category}"}}'] = "0+1x240"
        for name, value in (("queue_depth", 42), ("daily_active_users", 7), ("monthly_active_users", 28)):
            made[f"doradura_{name}{{{bot}}}"] = f"{value}x240"
        made[f'doradura_revenue_stars_total{{{bot}, plan="premium"}}'] = "1000x119 1250x120"
        made[f'doradura_revenue_stars_total{{{bot}, plan="vip"}}'] = "500x240"
        made[f'doradura_refunded_stars_total{{{bot}, plan="premium"}}'] = "100x240"
        made[f'doradura_refunded_stars_total{{{bot}, plan="vip"}}'] = "0x240"
        made[f'doradura_health_status{{{bot}, check="disk"}}'] = "0.5x240" if number == bots else "1x240"
        made[f"up{{{bot}}}"] = "1x240"
        made[f"doradura_telegram_last_poll_timestamp_seconds{{{bot}}}"] = f"{3500 + number}x240"
    return [{"series": name, "values": values} for name, values in made.items()]


def expected(bots: int) -> Mapping[str, list[dict[str, float]]]:
    """Return what the Overview must show an hour later: panel -> for each query its answers, by labels."""
    return {
        "Download rate": [{"{}": 12.0 * bots}, {"{}": 4.0 * bots}, {"{}": 0.0}],
        "Success rate": [{"{}": 75.0}],
        "Queue depth": [{"{}": 42.0}],
        "Duration percentiles": [{"{}": 1.0}, {"{}": 4.6}, {"{}": 4.92}],
        # The time shown begins with the first sample: 240 steps of 15 s.
        "Downloads by format": [{'{format="mp3"}': 480.0 * bots, '{format="mp4"}': 240.0 * bots}],
        "DAU/MAU": [{"{}": 7.0}, {"{}": 28.0}, {"{}": 0.25}],
        "Revenue": [{"{}": 1650.0}, {"{}": 250.0}],
        "Errors by category": [{'{category="download"}': 4.0 * bots, '{category="telegram"}': 4.0 * bots}],
        "Delivered and failed": [{"{}": 720.0 * bots}, {"{}": 0.0}, {"{}": 240.0 * bots}, {"{}": 0.0}],
        "Failures by reason": [{'{reason="gone"}': 240.0 * bots}],
        "Health": [{'{check="disk"}': 0.5}],
        "Alerts firing": [{"{}": 0.0}, {"{}": 0.0}],
        "Bots up": [{"{}": float(bots)}, {"{}": float(bots)}],
        "Last answer of Telegram": [{"{}": 100.0 - bots}],
    }


def checks(shown: Mapping[str, list[dict[str, float]]], instance: str) -> list[dict[str, Any]]:
    """Return promtool's form of what is expected of the Overview's queries."""
    tests = []
    for panel in panels("overview"):
        for target, answers in zip(panel["targets"], shown[panel["title"]], strict=True):
            # promtool compares exactly; the sums of rates differ in the last bits.
            expr = filled(target["expr"], instance=instance, window="5m", step="1m", shown="1h")
            samples = [{"labels": labels, "value": value} for labels, value in answers.items()]
            tests.append({"expr": f"round({expr}, 0.001)", "eval_time": f"{MINUTES}m", "exp_samples": samples})
    return tests


@pytest.mark.parametrize(
    ("bots", "instance", "counted"),
    [(1, ".*", 1), (5, ".*", 5), (5, "bot-4:9090|bot-5:9090", 2)],
    ids=["one", "five", "two of five"],
)
def test_the_overview_is_right_with_one_bot_and_with_five(
    tmp_path: Path, bots: int, instance: str, counted: int
) -> None:
    """Counters are added up over the chosen bots, what the database says is said once, percentiles stay."""
    # The bot that has waited longest of those chosen: a later one made its poll a second later.
    first = bots - counted + 1
    shown = {**expected(counted), "Last answer of Telegram": [{"{}": 100.0 - first}]}
    test = {"interval": "15s", "input_series": series(bots), "promql_expr_test": checks(shown, instance)}
    code, said = promtool(tmp_path, "test", {"evaluation_interval": "15s", "tests": [test]})
    assert code == 0, said[-3000:]
