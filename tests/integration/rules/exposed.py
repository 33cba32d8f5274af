"""The series that exist: those of the real program's /metrics, and Prometheus's and Alertmanager's own that rules use.

A test that feeds a rule with a series the program does not write would prove that the rule works elsewhere.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.program import running

Labels = Mapping[str, str]

LATE: Mapping[str, Sequence[Labels]] = {"doradura_watchdog_last_seen_timestamp_seconds": [{}]}
"""What the program exposes only once something has happened."""

TARGETS: Mapping[str, str] = {"prometheus": "localhost:9091", "alertmanager": "localhost:9093"}
"""Job -> address of what is scraped beside the bot."""

PROMETHEUS_OWN: Mapping[str, Sequence[Labels]] = {
    "prometheus_rule_evaluation_failures_total": [
        {"rule_group": "rules/alerts.yml;doradura-critical"},
        {"rule_group": "rules/alerts.yml;doradura-warning"},
    ],
    "prometheus_notifications_errors_total": [{"alertmanager": "http://localhost:9093/api/v2/alerts"}],
}
ALERTMANAGER_OWN: Mapping[str, Sequence[Labels]] = {
    "alertmanager_notifications_failed_total": [{"integration": "webhook"}, {"integration": "telegram"}],
}
"""Their names and labels are held against the real programs by a test."""


EVERY_TARGET = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
"""What Prometheus writes for each target it scrapes."""


@functools.cache
def program_series() -> Mapping[str, Sequence[Labels]]:
    """Sample name -> the label sets of the real program in the sandbox, scraped once for all tests."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        text = trio.run(_scrape, Path(directory))
    found: dict[str, Sequence[Labels]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = [*found.get(sample.name, ()), sample.labels]
    return {**LATE, **found}


async def _scrape(directory: Path) -> str:
    async with running(directory / "data", DORADURA_ADMIN_IDS="1000") as program:
        answer = await program.client.get(f"{program.http_url}/metrics")
        assert answer.status_code == 200
        return answer.text


@functools.cache
def all_series(instances: tuple[str, ...]) -> Mapping[str, tuple[Labels, ...]]:
    """Name -> label sets as Prometheus stores them: of the bots at `instances`, and of the programs beside them."""
    bots: list[Labels] = [{"job": "doradura-bot", "instance": instance} for instance in instances]
    beside: dict[str, Labels] = {job: {"job": job, "instance": address} for job, address in TARGETS.items()}
    stored: dict[str, tuple[Labels, ...]] = {
        name: tuple({**labels, **bot} for bot in bots for labels in rows) for name, rows in program_series().items()
    }
    for job, own in (("prometheus", PROMETHEUS_OWN), ("alertmanager", ALERTMANAGER_OWN)):
        for name, rows in own.items():
            stored[name] = tuple({**labels, **beside[job]} for labels in rows)
    everything = (*bots, *beside.values())
    alerts = tuple({"alertname": "Watchdog", "alertstate": state} for state in ("pending", "firing"))
    return {**stored, **dict.fromkeys(EVERY_TARGET, everything), "ALERTS": alerts}
