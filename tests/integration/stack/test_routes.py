"""Alertmanager's own tool on the committed configuration: who is told what, how soon, and how often."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from stack.files import HERE
from tests.integration.rules.promtool import rules_of
from tests.programs import found

CONFIG = HERE / "alertmanager" / "alertmanager.yml"
DIRECT = {"BotDown", "InstanceMissing", "TelegramUnreachable", "StorageFailing", "AlertDeliveryStalled"}
RULES = rules_of(HERE / "prometheus" / "rules" / "alerts.yml")
SEVERITY = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
CRITICAL = {alert for alert, severity in SEVERITY.items() if severity == "critical"}
WARNING = {alert for alert, severity in SEVERITY.items() if severity == "warning"}
OTHERS = CRITICAL - {"HighErrorRate", "QueueBackup", "PaymentFailures"} - DIRECT
THROTTLE = {
    "PaymentFailures": ("0s", "1m", "5m"),
    "HighErrorRate": ("0s", "1m", "30m"),
    "QueueBackup": ("0s", "1m", "15m"),
    "SubscriptionCancellations": ("30s", "1h", "24h"),
    "Watchdog": ("0s", "1m", "2m"),
    **dict.fromkeys(DIRECT | OTHERS, ("0s", "1m", "1h")),
    **dict.fromkeys(WARNING - {"SubscriptionCancellations"}, ("30s", "5m", "12h")),
}


def route_of(labels: dict[str, str]) -> list[dict[str, Any]]:
    """Find the routes that take an alert, with what they inherit, as Alertmanager does."""
    root = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["route"]
    inherited = {key: value for key, value in root.items() if key != "routes"}
    taken = []
    for route in root["routes"]:
        if all(_matches(matcher, labels) for matcher in route["matchers"]):
            taken.append({**inherited, **route})
            if not route.get("continue"):
                break
    return taken or [inherited]


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    name, _, value = matcher.partition("=")
    words = value.removeprefix("~").strip('"').split("|")
    return labels.get(name, "") in words


@pytest.mark.parametrize("alert", sorted(SEVERITY))
def test_who_is_told(alert: str) -> None:
    """The bot is told of every alert, and of those it can't tell itself Alertmanager tells too: no other receiver."""
    receivers = "telegram,bot" if alert in DIRECT else "bot"
    labels = (f"alertname={alert}", f"severity={SEVERITY[alert]}", "instance=127.0.0.1:9090", "monitor=doradura")
    command = (found("amtool"), "config", "routes", "test", f"--config.file={CONFIG}")
    answer = subprocess.run(
        [*command, f"--verify.receivers={receivers}", *labels], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout.strip()) == (0, receivers), answer.stderr


def test_an_unknown_alert_is_told() -> None:
    """An alert with no severity of ours still reaches the bot."""
    command = (
        found("amtool"),
        "config",
        "routes",
        "test",
        f"--config.file={CONFIG}",
        "alertname=Own",
        "severity=page",
    )
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "bot"


@pytest.mark.parametrize("alert", sorted(SEVERITY))
def test_how_often_is_told(alert: str) -> None:
    """Critical ones at once and each for itself, warnings grouped with 30 s; throttled as the catalogue says."""
    for route in route_of({"alertname": alert, "severity": SEVERITY[alert], "instance": "a:1"}):
        assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == THROTTLE[alert]
        assert route["group_by"] == (["..."] if alert in CRITICAL else ["alertname"])


def test_who_inhibits_is_by_instance() -> None:
    """One bot's trouble hides no other bot's: but for what has no instance, rules inhibit within one instance."""
    rules = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["inhibit_rules"]
    assert rules
    for rule in rules:
        assert ("instance" in rule["equal"]) != ('alertname="NotificationsFailing"' in rule["target_matchers"]), rule


def test_the_committed_files_are_sound() -> None:
    """Prometheus' and Alertmanager's own tools take the committed files as they are."""
    prometheus = HERE / "prometheus" / "prometheus.yml"
    for command in (
        (found("promtool"), "check", "config", "--syntax-only", str(prometheus)),
        (found("amtool"), "check-config", str(CONFIG)),
    ):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr


NEWER_THAN_PROMETHEUS_2_42 = {
    *(
        "fallback_scrape_protocol",
        "scrape_protocols",
        "http_headers",
        "query_offset",
        "always_scrape_classic_histograms",
    ),
    *("scrape_classic_histograms", "native_histogram_bucket_limit", "metric_name_validation_scheme"),
}
NEWER_THAN_ALERTMANAGER_0_25 = {
    "timeout",
    "url_file",
    "http_headers",
    "bot_token_file",
    "chat_id_file",
    "message_thread_id",
}


def test_no_key_is_too_new() -> None:
    """No key stands there that Prometheus 2.42 or Alertmanager 0.25 would refuse to start with."""
    prometheus = yaml.safe_load((HERE / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert not set(_keys(prometheus)) & NEWER_THAN_PROMETHEUS_2_42
    assert not set(_keys(yaml.safe_load(CONFIG.read_text(encoding="utf-8")))) & NEWER_THAN_ALERTMANAGER_0_25


def _keys(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for item in value for key in _keys(item)]
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return []
