from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.dashboards import NAMES, Asked, dashboard, filled, queries, selected
from tests.written import DATABASE, written

EVERY_TARGET = frozenset({"job", "instance"})
STACK: Mapping[str, frozenset[str]] = {
    "up": frozenset(),
    "scrape_duration_seconds": frozenset(),
    "scrape_samples_scraped": frozenset(),
    "scrape_series_added": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    "process_resident_memory_bytes": frozenset(),
    "process_cpu_seconds_total": frozenset(),
    "process_start_time_seconds": frozenset(),
    "prometheus_target_interval_length_seconds": frozenset({"quantile", "interval"}),
    "prometheus_tsdb_head_series": frozenset(),
    "prometheus_tsdb_head_samples_appended_total": frozenset({"type"}),
    "prometheus_tsdb_storage_blocks_bytes": frozenset(),
    "prometheus_engine_query_duration_seconds": frozenset({"slice", "quantile"}),
    "prometheus_rule_group_last_duration_seconds": frozenset({"rule_group"}),
    "prometheus_rule_evaluation_failures_total": frozenset({"rule_group"}),
    "prometheus_rule_group_iterations_missed_total": frozenset({"rule_group"}),
    "prometheus_notifications_sent_total": frozenset({"alertmanager"}),
    "prometheus_notifications_dropped_total": frozenset(),
    "prometheus_notifications_queue_length": frozenset(),
    "prometheus_config_last_reload_successful": frozenset(),
    "alertmanager_alerts": frozenset({"state"}),
    "alertmanager_silences": frozenset({"state"}),
    "alertmanager_notifications_total": frozenset({"integration"}),
    "alertmanager_notifications_failed_total": frozenset({"integration"}),
    "alertmanager_notification_latency_seconds_sum": frozenset({"integration"}),
    "alertmanager_notification_latency_seconds_count": frozenset({"integration"}),
    "alertmanager_config_last_reload_successful": frozenset(),
}
"""What Prometheus and Alertmanager tell of themselves, with its labels; that it is there is seen in the e2e test."""


OURS = written()
KNOWN = {name: labels | EVERY_TARGET for name, (_, labels) in OURS.items()}
KNOWN |= {name: labels | EVERY_TARGET for name, labels in STACK.items()}
QUERIES = list(queries())


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.id[:100])
def test_names_exist(asked: Asked) -> None:
    """Each metric is one that the bot or the stack writes, with the labels that are matched and grouped by."""
    found = list(selected(asked.expr, frozenset(KNOWN)))
    assert found
    for one in found:
        assert one.metric in KNOWN
        assert one.matched <= KNOWN[one.metric], f"{one.metric} has no {one.matched - KNOWN[one.metric]}"
        assert one.grouped <= KNOWN[one.metric], f"{one.metric} has no {one.grouped - KNOWN[one.metric]}"


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.id[:100])
def test_legends_name_labels_that_are_left(asked: Asked) -> None:
    """A legend's labels are among those the answer still has: what every selector of the query is grouped by."""
    wanted = set(re.findall(r"{{(\w+)}}", asked.legend))
    for one in selected(asked.expr, frozenset(KNOWN)):
        assert wanted <= one.grouped, f"{wanted - one.grouped} is gone"


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.id[:100])
def test_right_for_one_bot_and_for_five(asked: Asked) -> None:
    """What is read from the database is taken by max and never added up over bots; all else is never a bare series."""
    for found in re.finditer(r"\bdoradura_\w+", asked.expr):
        before = asked.expr[: found.start()]
        if found[0] in DATABASE:
            assert re.search(r"\bmax( by \([\w, ]+\))? ?\((increase\()?$", before), before
        assert asked.expr[found.end() :].startswith('{instance=~"$instance"'), "it is not of the chosen instances"
        if found[0].endswith("_bucket"):
            assert re.search(r"\bsum by \((\w+, )?le\) \((rate|increase)\($", before), "a percentile wants all buckets"
        assert re.search(r"\b(sum|max|min|count)( by \([\w, ]+\))? ?\(", before), "it is one series a bot"


def test_one_bots_silence_is_not_hidden_by_another() -> None:
    """A time since something shows each bot, or the one that has waited longest."""
    polls = [asked.expr for asked in QUERIES if "doradura_telegram_last_poll_timestamp_seconds" in asked.expr]
    assert polls
    for expr in polls:
        assert "by (instance)" in expr or "- min(" in expr


def test_ranges_are_what_was_chosen() -> None:
    """What a query looks back at is Grafana's interval, the chosen window, the time shown, or a whole day."""
    found = {span for asked in QUERIES for span in re.findall(r"\[([^]]+)\]", asked.expr)}
    assert found == {"$__rate_interval", "$window", "$__range", "1d"}


def test_every_metric_is_shown() -> None:
    """Every family that the bot writes is on some dashboard."""
    shown = {one.metric for asked in QUERIES for one in selected(asked.expr, frozenset(KNOWN))}
    families = {family for _, (family, _) in OURS.items()}
    seen = {OURS[metric][0] for metric in shown if metric in OURS}
    assert families - seen == set()


def test_marks_and_variables_name_what_exists() -> None:
    """The alerts' marks and the list of instances ask for labels that are there."""
    for name in NAMES:
        found = dashboard(name)
        for mark in found["annotations"]["list"]:
            (one,) = selected(mark["expr"], frozenset(KNOWN))
            assert one.matched <= KNOWN[one.metric]
        assert "instance" in KNOWN["doradura_build_info"]


def test_a_wrong_name_is_found() -> None:
    """What reads the names sees a metric, a matched label and a grouped one, and no label of another parenthesis."""
    expr = 'sum by (a, b) (rate(doradura_x_total{c="1", d!~"by (e) ("}[5m])) / sum(doradura_y)'
    assert [(one.metric, set(one.matched), set(one.grouped)) for one in selected(expr, frozenset())] == [
        ("doradura_x_total", {"c", "d"}, {"a", "b"}),
        ("doradura_y", set(), set()),
    ]
    assert filled("x[$__rate_interval] y[$window] z[$__range]") == "x[1m] y[5m] z[6h]"
