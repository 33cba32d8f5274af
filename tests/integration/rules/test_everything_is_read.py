"""What a person may have to look at has a rule: every category of errors, every check, every bad outcome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from doradura.health import CHECKS
from doradura.media.reasons import OUR_REASONS, USER_REASONS
from doradura.metrics.catalogue import CATEGORIES
from tests.integration.rules.exposed import all_series
from tests.integration.rules.promql import selectors
from tests.integration.rules.promtool import RULES, rules_of

ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in rules_of(RULES / "alerts.yml")}
FAILURES, DELIVERIES = "doradura_download_failure_total", "doradura_alert_deliveries_total"
REQUESTS, HEALTH = "doradura_telegram_requests_total", "doradura_health_status"

CATEGORY_RULES = {
    # A download's error is a failure for a reason of ours, which the rules read by its reason.
    "download": ("HighErrorRate", "DownloadsFailing", "LowSuccessRate"),
    "telegram": ("ErrorsGoOn",),
    "storage": ("StorageFailing",),
    "payment": ("PaymentFailures",),
    "alert": ("ErrorsGoOn",),
    "http": ("ErrorsGoOn",),
    "internal": ("ErrorsGoOn",),
}
CHECK_RULES = {
    "poll": ("TelegramUnreachable", "HealthFailing", "HealthDegraded"),
    "storage": ("StorageFailing", "HealthFailing", "HealthDegraded"),
    "worker": ("HealthFailing", "HealthDegraded"),
    "disk": ("DiskFillingUp", "HealthFailing", "HealthDegraded"),
    "alerts": ("AlertDeliveryStalled", "HealthFailing", "HealthDegraded"),
    "loop": ("LoopStalled", "HealthFailing", "HealthDegraded"),
}
GOOD_OR_TOLD_OTHERWISE = {
    ("doradura_site_downloads_total", "success"): "good",
    ("doradura_site_downloads_total", "failure"): "SiteFailing, of a later day; until then by its reason",
    ("doradura_site_downloads_total", "cancelled"): "the user's wish",
    ("doradura_link_looks_total", "offered"): "good",
    ("doradura_link_looks_total", "refused"): "an end of its site, as a failed job is",
    ("doradura_file_cache_lookups_total", "hit"): "good",
    ("doradura_file_cache_lookups_total", "miss"): "good",
    ("doradura_file_cache_lookups_total", "stale"): "mended by sending the file itself",
    (REQUESTS, "ok"): "good",
    (REQUESTS, "client_error"): "an answer to be dealt with; what stays is counted in doradura_errors_total",
    (REQUESTS, "rate_limited"): "RateLimitedByTelegram reads its own counter",
    (REQUESTS, "server_error"): "repeated; TelegramUnreachable when it lasts",
    (REQUESTS, "network"): "repeated; TelegramUnreachable when it lasts",
    (REQUESTS, "timeout"): "repeated; TelegramUnreachable when it lasts",
    ("doradura_checkouts_total", "approved"): "good",
    ("doradura_checkouts_total", "refused"): "an answer, nobody has paid",
    (DELIVERIES, "sent"): "good",
    (DELIVERIES, "edited"): "good",
    (DELIVERIES, "retried"): "arrived, maybe twice",
    ("doradura_canary_runs_total", "success"): "good",
    ("doradura_gate_connections_total", "connected"): "good",
    ("doradura_gate_connections_total", "refused"): "the judge's word, or a job's bound: its job ends for that reason",
    ("doradura_gate_connections_total", "failed"): "repeated; its job ends for that reason when it lasts",
}
"""Outcomes that no rule has to read by this name, and why."""

OUTCOME_RULES = {
    (DELIVERIES, "failed"): "AlertsGivenUp",
    ("doradura_canary_runs_total", "failure"): "CanaryFailing",
}


def asked(alert: str) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """What a rule asks for: metric, and label -> (operator, value)."""
    for selector in selectors(ALERTS[alert]["expr"]):
        yield selector.metric, {label: (operator, value) for label, operator, value in selector.matchers}


def reads(alert: str, metric: str, label: str, value: str) -> bool:
    """Whether a rule asks for a metric's series with this label value."""
    for name, matchers in asked(alert):
        operator, text = matchers.get(label, ("=~", value))
        words = text.split("|") if "~" in operator else [text]
        if name == metric and (value in words) != operator.startswith("!"):
            return True
    return False


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_has_a_rule(category: str) -> None:
    """Errors of each category, if they go on, are told by the rules named here."""
    for alert in CATEGORY_RULES[category]:
        if category == "download":
            assert all(reads(alert, FAILURES, "reason", reason) for reason in OUR_REASONS)
        else:
            assert reads(alert, "doradura_errors_total", "category", category)


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_rule(check: str) -> None:
    """Each check of /health that stays bad is told, by an alert of its own or by its name."""
    assert {"HealthFailing", "HealthDegraded"} <= set(CHECK_RULES[check])
    for alert in CHECK_RULES[check]:
        if alert.startswith("Health"):
            assert reads(alert, HEALTH, "check", check)
        assert alert in ALERTS


def test_every_outcome_is_read_or_good() -> None:
    """Each value of a label `outcome` that the program writes, or may write, is read by a rule or needs none."""
    known = all_series(("bot:8080",))
    written = {(name, row["outcome"]) for name, rows in known.items() for row in rows if "outcome" in row}
    assert written <= GOOD_OR_TOLD_OTHERWISE.keys() | OUTCOME_RULES.keys()
    assert not GOOD_OR_TOLD_OTHERWISE.keys() & OUTCOME_RULES.keys()
    for (metric, outcome), alert in OUTCOME_RULES.items():
        assert reads(alert, metric, "outcome", outcome)


def test_every_reason_is_ours_or_not() -> None:
    """Each reason of a failure is counted by the error alerts if and only if it is ours."""
    for alert in CATEGORY_RULES["download"]:
        patterns = [matchers["reason"] for name, matchers in asked(alert) if name == FAILURES and "reason" in matchers]
        assert patterns
        for operator, text in patterns:
            assert (operator, set(text.split("|"))) == ("=~", set(OUR_REASONS))
            assert not set(text.split("|")) & set(USER_REASONS)


def test_a_category_that_nobody_reads_is_found() -> None:
    """What looks into the rules sees that a value is not asked for, by list and by exclusion."""
    assert not reads("ErrorsGoOn", "doradura_errors_total", "category", "storage")
    assert not reads("StorageFailing", "doradura_errors_total", "category", "http")
