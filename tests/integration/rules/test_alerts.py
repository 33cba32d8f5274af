"""Each alert fires when it should and says what is so; each keeps quiet just under its edge."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.rules import cases_critical, cases_health, cases_warning
from tests.integration.rules.exposed import all_series
from tests.integration.rules.promtool import (
    RULES,
    RUNBOOKS,
    Case,
    input_series,
    names_in_rule,
    rules_of,
    run_tests,
)

ALERTS = RULES / "alerts.yml"
CASES = [*cases_critical.CASES, *cases_health.CASES, *cases_warning.CASES]
FIRING = [case for case in CASES if case.told]
QUIET = [case for case in CASES if not case.told]

CATALOGUE = {
    "HighErrorRate": ("critical", "High error rate"),
    "DownloadsFailing": ("critical", "Every download fails"),
    "QueueBackup": ("critical", "Queue is backing up"),
    "PaymentFailures": ("critical", "Payment failure"),
    "BotDown": ("critical", "Bot is down"),
    "BotRestarting": ("critical", "Bot keeps restarting"),
    "InstanceMissing": ("critical", "Bot is not monitored"),
    "TelegramUnreachable": ("critical", "Telegram is unreachable"),
    "StorageFailing": ("critical", "Storage is failing"),
    "AlertDeliveryStalled": ("critical", "Alerts are not delivered"),
    "HealthFailing": ("critical", "A health check is failing"),
    "HealthDegraded": ("warning", "A health check is degraded"),
    "ErrorsGoOn": ("warning", "Errors keep occurring"),
    "AlertsGivenUp": ("warning", "An alert could not be delivered"),
    "SlowDownloads": ("warning", "Downloads are slow"),
    "LowSuccessRate": ("warning", "Low success rate"),
    "SiteBroken": ("warning", "A site is broken"),
    "CanaryFailing": ("warning", "The test download is failing"),
    "BotCheckRefusals": ("warning", "Sites refuse the bot as a robot"),
    "RateLimitedByTelegram": ("warning", "Telegram is rate-limiting the bot"),
    "PollConflict": ("warning", "Two programs poll with this token"),
    "DiskFillingUp": ("warning", "The disk is filling up"),
    "MemoryNearLimit": ("warning", "Memory is nearly used up"),
    "DescriptorsNearLimit": ("warning", "Open files are near the limit"),
    "LoopStalled": ("warning", "The bot is stalling"),
    "SubscriptionCancellations": ("warning", "Subscriptions cancelled"),
    "PrometheusRuleFailures": ("warning", "Alert rules are failing"),
    "AlertmanagerDown": ("warning", "Alertmanager is down"),
    "NotificationsFailing": ("warning", "Notifications are failing"),
    "ScrapeSlow": ("warning", "Scrapes are slow"),
    "Watchdog": ("none", "Monitoring works"),
}
"""Alert -> severity and summary: the catalogue of alerts, as it was agreed."""

REMIND_SECONDS = {"HighErrorRate": "1800", "QueueBackup": "900"}


def rule_of(name: str) -> dict[str, Any]:
    """The alert's rule as it ships."""
    return next(rule for rule in rules_of(ALERTS) if rule["alert"] == name)


def only(rule: Mapping[str, Any], directory: Path) -> Path:
    """Write a rules file of one rule: promtool evaluates every rule of a file at every step, all others for nothing."""
    path = directory / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}), encoding="utf-8")
    return path


def expected(case: Case) -> list[dict[str, Any]]:
    """What Alertmanager must get."""
    severity, summary = CATALOGUE[case.alert]
    remind = {"remind_seconds": REMIND_SECONDS[case.alert]} if case.alert in REMIND_SECONDS else {}
    annotations = {"summary": summary, "runbook_url": f"{RUNBOOKS}#{case.alert.lower()}", **remind}
    return [
        {
            "exp_labels": {"severity": severity, **told.labels},
            "exp_annotations": {**annotations, "description": told.description},
        }
        for told in case.told
    ]


def promtool_test(case: Case, rule: Mapping[str, Any], interval: int) -> dict[str, Any]:
    """The case in promtool's words."""
    return {
        "name": case.why,
        "interval": f"{interval}s",
        "input_series": input_series(names_in_rule(rule), case.made_series(), case.instances, interval, case.at),
        "alert_rule_test": [
            {"eval_time": f"{case.at:g}s", "alertname": case.alert, "exp_alerts": expected(case)},
        ],
    }


def named(cases: Sequence[Case]) -> list[Any]:
    """Cases as parameters, named by alert and reason."""
    return [pytest.param(case, id=f"{case.alert}: {case.why}") for case in cases]


@pytest.mark.parametrize("interval", [15, 30])
@pytest.mark.parametrize("alert", CATALOGUE)
def test_alert(alert: str, interval: int, tmp_path: Path) -> None:
    """What fires has these labels and texts, what is under an edge is quiet; at a scrape interval of 30 s too."""
    # A case of days has an interval of its own: once is enough.
    cases = [case for case in CASES if case.alert == alert and (interval == 15 or case.step_seconds == 15)]
    for step in sorted({case.step_seconds for case in cases}):
        tests = [
            promtool_test(case, rule_of(alert), max(interval, step)) for case in cases if case.step_seconds == step
        ]
        found = run_tests(tmp_path, only(rule_of(alert), tmp_path), tests, step_seconds=step)
        assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]


@pytest.mark.parametrize("case", named(QUIET))
def test_quiet_case_stands_at_an_edge(case: Case, tmp_path: Path) -> None:
    """With the named condition taken out of the rule, the quiet case fires: the test can fail, and for that reason."""
    assert case.change is not None, "a quiet case names the condition that keeps it quiet"
    key, old, new = case.change
    rule = copy.deepcopy(rule_of(case.alert))
    assert old in rule[key]
    rule[key] = rule[key].replace(old, new) if old else new
    step = case.step_seconds
    found = run_tests(tmp_path, only(rule, tmp_path), [promtool_test(case, rule, step)], step_seconds=step)
    assert found.returncode == 1
    assert f'Labels:{{alertname="{case.alert}"' in found.stdout + found.stderr, found.stdout + found.stderr


@pytest.mark.parametrize("instances", [("bot:8080",), cases_critical.FIVE], ids=["one", "five"])
def test_idle_bot_alarms_nobody(instances: tuple[str, ...], tmp_path: Path) -> None:
    """With everything the programs expose at rest for an hour, the watchdog alone fires."""
    watchdog = next(case for case in FIRING if case.alert == "Watchdog")
    names = frozenset(name for rule in rules_of(ALERTS) for name in names_in_rule(rule))
    test = {
        "interval": "15s",
        "input_series": input_series(names, [], instances, 15, 3600),
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": name,
                "exp_alerts": expected(watchdog) if name == "Watchdog" else [],
            }
            for minute in (1, 10, 60)
            for name in CATALOGUE
        ],
    }
    found = run_tests(tmp_path, ALERTS, [test])
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]


def test_every_alert_is_tried_both_ways() -> None:
    """Each alert of the file has a case in which it fires and, but for the one that always does, a quiet one."""
    names = {rule["alert"] for rule in rules_of(ALERTS)}
    assert {case.alert for case in FIRING} == names
    assert {case.alert for case in QUIET} == names - {"Watchdog"}


def test_alerts_are_those_of_the_catalogue() -> None:
    """The file has the agreed alerts with the agreed severities, each with everything that people are shown."""
    rules = rules_of(ALERTS)
    assert [rule["alert"] for rule in rules] == list(CATALOGUE)
    for rule in rules:
        name, notes = rule["alert"], rule["annotations"]
        assert rule["labels"] == {"severity": CATALOGUE[name][0]}
        assert "for" in rule
        assert "#" in rule["expr"], f"{name} does not say why"
        assert set(notes) - {"remind_seconds"} == {"summary", "description", "runbook_url"}
        assert notes.get("remind_seconds") == REMIND_SECONDS.get(name)
        assert name == "Watchdog" or notes["description"].count("{{"), f"{name} does not say what was measured"


def test_a_series_that_does_not_exist_is_no_input() -> None:
    """A case on a label the program does not write fails before Prometheus is asked."""
    case = cases_critical.downloads(1, 1, reason="no such reason")
    with pytest.raises(AssertionError, match="the program exposes no doradura_download_failure_total"):
        input_series(frozenset(), case, ("bot:8080",), 15, 60)
    assert "doradura_download_failure_total" in all_series(("bot:8080",))
