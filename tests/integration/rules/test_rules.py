"""The rule files as they ship: accepted, of names that exist, alive in the real Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import yaml

from doradura.media.reasons import OUR_REASONS, USER_REASONS
from tests.integration.rules.exposed import ALERTMANAGER_OWN, PROMETHEUS_OWN, all_series
from tests.integration.rules.promql import grouping_labels, selectors
from tests.integration.rules.promtool import RULES, promtool, rules_of
from tests.ports import free_port
from tests.programs import found

FILES = (RULES / "recording.yml", RULES / "alerts.yml")
EVERY_RULE = [pytest.param(rule, id=rule.get("alert") or rule["record"]) for path in FILES for rule in rules_of(path)]
RECORDED = frozenset(rule["record"] for rule in rules_of(FILES[0]))


def unknown_names(expression: str) -> list[str]:
    """What an expression asks for and nobody writes: metrics, labels, label values."""
    known = all_series(("bot:8080",))
    wrong: list[str] = []
    labels: set[str] = set()
    for selector in selectors(expression):
        rows = known.get(selector.metric, ())
        if selector.metric in RECORDED:
            continue
        if not rows:
            wrong.append(selector.metric)
        labels.update(label for row in rows for label in row)
        for label, operator, _ in selector.matchers:
            written = {row.get(label) for row in rows} - {None}
            missing = selector.values(label) - written if operator in ("=", "=~") else frozenset()
            wrong += [f"{selector.metric}{{{label}}}"] if not written else []
            wrong += [f"{selector.metric}{{{label}={value}}}" for value in sorted(missing)]
    return wrong + [f"by ({label})" for label in sorted(grouping_labels(expression) - labels)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_promtool_accepts_the_file(path: Path) -> None:
    """Prometheus would load it, and finds no two rules that are one."""
    found = subprocess.run([promtool(), "check", "rules", "--lint-fatal", str(path)], capture_output=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_rule_asks_for_what_exists(rule: dict[str, Any]) -> None:
    """Each metric, label and label value is one that the program, Prometheus or Alertmanager writes."""
    assert unknown_names(rule["expr"]) == []


def test_names_that_nobody_writes_are_found() -> None:
    """The test above sees a wrong metric, a wrong label, a wrong value and a wrong grouping."""
    assert unknown_names('sum by (color) (rate(doradura_errors_total{category=~"http|nonsense"}[5m]))') == [
        "doradura_errors_total{category=nonsense}",
        "by (color)",
    ]
    assert unknown_names('doradura_nothing_total or up{kind="x"}') == [
        "doradura_nothing_total",
        "up{kind}",
        "up{kind=x}",
    ]


def test_error_rules_count_our_reasons_and_no_others() -> None:
    """Where the reason is matched by a pattern, the pattern is the catalogue's list of reasons of ours."""
    asked = {
        rule.get("alert") or rule["record"]: selector.values("reason")
        for path in FILES
        for rule in rules_of(path)
        for selector in selectors(rule["expr"])
        if len(selector.values("reason")) > 1
    }
    assert asked == dict.fromkeys(
        ("doradura:own_error_rate:5m", "HighErrorRate", "DownloadsFailing", "LowSuccessRate"), frozenset(OUR_REASONS)
    )
    known = {row["reason"] for row in all_series(("bot",))["doradura_download_failure_total"]}
    assert known == {*OUR_REASONS, *USER_REASONS}


def test_ranges_hold_four_scrapes_at_half_the_rate() -> None:
    """No range is shorter than two minutes, and every group is evaluated as often as is scraped."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not [found for found in ("[15s]", "[30s]", "[1m]", "[60s]", "[90s]") if found in text]
        assert {group["interval"] for group in yaml.safe_load(text)["groups"]} == {"15s"}


@asynccontextmanager
async def child(command: Sequence[str], directory: Path) -> AsyncIterator[None]:
    """A program of its own that lives as long as the block."""
    with (directory / "log").open("wb") as log:
        process = await trio.lowlevel.open_process(list(command), stdout=log, stderr=log)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(10) as patience:
                await process.wait()
            if patience.cancelled_caught:
                process.kill()
                await process.wait()


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Ask another process again and again until it is so."""
    with trio.fail_after(90):
        while not await true():  # noqa: ASYNC110 - it happens in another process
            await trio.sleep(0.1)


def configuration(directory: Path, prometheus: str, alertmanager: str) -> None:
    """Write what the two programs need to watch themselves with the rules that ship."""
    rules = []
    for path in FILES:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in document["groups"]:
            group["interval"] = "1s"
        rules.append(str(directory / path.name))
        (directory / path.name).write_text(yaml.safe_dump(document), encoding="utf-8")
    scraped = {"prometheus": prometheus, "alertmanager": alertmanager}
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": rules,
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in scraped.items()
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    receiver = {"receivers": [{"name": "nobody"}], "route": {"receiver": "nobody"}}
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(receiver), encoding="utf-8")


async def test_real_prometheus_evaluates_every_rule(tmp_path: Path) -> None:
    """Every rule is healthy in the real program, the watchdog arrives, and the programs' own metrics have our names."""
    prometheus, alertmanager = (f"127.0.0.1:{free_port()}" for _ in range(2))
    configuration(tmp_path, prometheus, alertmanager)
    for name in ("p", "a"):
        (tmp_path / name).mkdir()
    server = [
        found("prometheus"),
        *(f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/p/data"),
        f"--web.listen-address={prometheus}",
        # What fires before the Alertmanager is known, for the first five seconds, is dropped and sent again after this.
        "--rules.alert.resend-delay=1s",
    ]
    manager = [
        found("prometheus-alertmanager", "alertmanager"),
        *(f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/a/data"),
        *(f"--web.listen-address={alertmanager}", "--cluster.listen-address="),
    ]
    async with (
        child(manager, tmp_path / "a"),
        child(server, tmp_path / "p"),
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        await look(client, prometheus, alertmanager)


async def look(client: httpx.AsyncClient, prometheus: str, alertmanager: str) -> None:
    """Ask both programs."""

    async def ask(url: str) -> Any:
        try:
            return (await client.get(url)).json()
        except httpx.TransportError:
            return None

    async def arrived() -> bool:
        alerts = await ask(f"http://{alertmanager}/api/v2/alerts")
        return bool(alerts) and "Watchdog" in {alert["labels"]["alertname"] for alert in alerts}

    rules: list[dict[str, Any]] = []

    async def evaluated() -> bool:
        # Groups begin one after the other within their interval; until then their rules' health is unknown.
        groups = (await ask(f"http://{prometheus}/api/v1/rules"))["data"]["groups"]
        rules[:] = [rule for group in groups for rule in group["rules"]]
        return "unknown" not in {rule["health"] for rule in rules}

    await until(arrived)
    await until(evaluated)
    assert len(rules) == len(EVERY_RULE)
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    for address, own in ((prometheus, PROMETHEUS_OWN), (alertmanager, ALERTMANAGER_OWN)):
        text = (await client.get(f"http://{address}/metrics")).text
        for name, rows in own.items():
            written = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
            for label in rows[0]:
                assert [line for line in written if f'{label}="' in line], (name, label)
