"""Monitoring the monitor: the scrapes, Prometheus, Alertmanager, and the alerts' way into the chat."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from stack.dashboards.frame import Section, page
from stack.dashboards.look import (
    BLUE,
    BYTES,
    COUNT,
    ORANGE,
    PER_MINUTE,
    RED,
    SECONDS,
    SHARE,
    SKY,
    figure,
    lines,
    states,
)
from stack.dashboards.queries import Query, average, now, quantile

PROMETHEUS, ALERTMANAGER = 'job="prometheus"', 'job="alertmanager"'


def monitoring() -> str:
    """Return the dashboard's JSON."""
    return page(
        "monitoring",
        "Doradura: Monitoring",
        "Whether monitoring itself works: an alert that can't be raised, sent or delivered is worse than none.",
        [
            Section("Alerts in transit", _alerts()),
            Section("Scrapes", _scrapes()),
            Section("Prometheus", [*_prometheus(), *_rules()]),
            Section("Alertmanager", _alertmanager()),
            Section("Canary", _canary()),
        ],
    )


def _alerts() -> list[Panel]:
    return [
        figure(
            "Watchdog last seen",
            "How long ago the bot last received the alert that always fires; it needs every part of the way.",
            now("time() - max(doradura_watchdog_last_seen_timestamp_seconds{@})"),
            unit=SECONDS,
            nothing="never",
            steps=[(600, ORANGE), (900, RED)],
            size=(6, 8),
            alerts=["Watchdog"],
        ),
        figure(
            "Not yet delivered",
            "Notices waiting to be sent to an admin, and the age of the oldest.",
            Query("max(doradura_alert_outbox_depth{@})", "notices"),
            Query("max(doradura_alert_oldest_undelivered_seconds{@})", "oldest"),
            units={"oldest": SECONDS},
            size=(6, 8),
            alerts=["AlertDeliveryStalled", "AlertsGivenUp"],
        ),
        lines(
            "Alerts received by the bot",
            "In the window, after de-duplication, by severity and whether they fire or are resolved.",
            Query(
                "sum by (severity, status) (increase(doradura_alerts_received_total{@}[$window]))",
                "{{severity}}, {{status}}",
            ),
        ),
        lines(
            "Deliveries to admins",
            "In the window, by outcome.",
            Query("sum by (outcome) (increase(doradura_alert_deliveries_total{@}[$window]))", "{{outcome}}"),
            colours={"sent": BLUE, "edited": SKY, "retried": ORANGE, "failed": RED},
        ),
        lines(
            "From stored to delivered",
            "How long a notice took to reach the chat.",
            quantile(0.95, "doradura_alert_delivery_lag_seconds", "p95"),
            average("doradura_alert_delivery_lag_seconds", "average"),
            unit=SECONDS,
            colours={"p95": BLUE, "average": ORANGE},
        ),
    ]


def _scrapes() -> list[Panel]:
    return [
        states(
            "Targets",
            "Whether each target answered its scrape.",
            Query("min by (job, instance) (up)", "{{job}} {{instance}}"),
            words={"0": "down", "1": "up"},
            base=RED,
            steps=[(1, BLUE)],
            size=(8, 8),
            alerts=["BotDown", "BotRestarting", "AlertmanagerDown"],
        ),
        lines(
            "Duration of a scrape",
            "How long each target took to answer, by job the slowest.",
            Query("max by (job) (scrape_duration_seconds)", "{{job}}"),
            unit=SECONDS,
            size=(8, 8),
            alerts=["ScrapeSlow"],
        ),
        lines(
            "Time between scrapes",
            "As measured, not as configured: a p99 above the interval means that Prometheus falls behind.",
            Query(
                "max by (quantile) (prometheus_target_interval_length_seconds"
                f'{{{PROMETHEUS}, quantile=~"0.5|0.9|0.99"}})',
                "p{{quantile}}",
            ),
            unit=SECONDS,
            size=(8, 8),
            alerts=["ScrapeSlow"],
        ),
        lines(
            "Samples in a scrape",
            "The sum over each job's targets.",
            Query("sum by (job) (scrape_samples_scraped)", "{{job}}"),
            size=(8, 8),
        ),
        lines(
            "New series",
            "Series that the previous scrape did not have; if they never stop, a label is unbounded.",
            Query("sum by (job) (scrape_series_added)", "{{job}}"),
            size=(8, 8),
        ),
        lines(
            "Series of the bot",
            "Samples of the bot's own scrape, the largest instance's.",
            Query('max(scrape_samples_scraped{job="doradura-bot", instance=~"$instance"})', "series"),
            colours={"series": BLUE},
            size=(8, 8),
        ),
    ]


def _prometheus() -> list[Panel]:
    return [
        lines(
            "Memory",
            "Resident, of Prometheus and of Alertmanager.",
            Query('max by (job) (process_resident_memory_bytes{job=~"prometheus|alertmanager"})', "{{job}}"),
            unit=BYTES,
            colours={"prometheus": BLUE, "alertmanager": ORANGE},
            size=(8, 8),
        ),
        lines(
            "Active series",
            "In Prometheus's head block, which takes most of its memory.",
            Query(f"max(prometheus_tsdb_head_series{{{PROMETHEUS}}})", "series"),
            colours={"series": BLUE},
            size=(8, 8),
        ),
        lines(
            "Samples stored",
            "Each second.",
            Query(
                f"sum(rate(prometheus_tsdb_head_samples_appended_total{{{PROMETHEUS}}}[$__rate_interval]))", "samples"
            ),
            colours={"samples": BLUE},
            size=(8, 8),
        ),
        lines(
            "On disk",
            "Blocks, without the last two hours' write-ahead log; the retention bounds them.",
            Query(f"max(prometheus_tsdb_storage_blocks_bytes{{{PROMETHEUS}}})", "blocks"),
            unit=BYTES,
            colours={"blocks": BLUE},
            size=(8, 8),
        ),
        lines(
            "Queries",
            "How long Prometheus took for each part of a query: p99 of the last minutes, the slowest part.",
            Query(
                f'max by (slice) (prometheus_engine_query_duration_seconds{{{PROMETHEUS}, quantile="0.99"}})',
                "{{slice}}",
            ),
            unit=SECONDS,
            size=(8, 8),
        ),
        lines(
            "Processor",
            "Of one core, of Prometheus and of Alertmanager.",
            Query(
                'sum by (job) (rate(process_cpu_seconds_total{job=~"prometheus|alertmanager"}[$__rate_interval]))',
                "{{job}}",
            ),
            unit=SHARE,
            colours={"prometheus": BLUE, "alertmanager": ORANGE},
            size=(8, 8),
        ),
    ]


def _rules() -> list[Panel]:
    return [
        lines(
            "Rules",
            "How long each group of rules took the last time.",
            Query(
                f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{PROMETHEUS}}})", "{{rule_group}}"
            ),
            unit=SECONDS,
            size=(8, 8),
        ),
        figure(
            "Rules that failed",
            "Evaluations that failed or were missed, in the window.",
            Query(
                f"sum(increase(prometheus_rule_evaluation_failures_total{{{PROMETHEUS}}}[$window])) or vector(0)",
                "failed",
            ),
            Query(
                f"sum(increase(prometheus_rule_group_iterations_missed_total{{{PROMETHEUS}}}[$window])) or vector(0)",
                "missed",
            ),
            steps=[(1, RED)],
            size=(8, 8),
            alerts=["PrometheusRuleFailures"],
        ),
        lines(
            "To Alertmanager",
            "Alerts sent and dropped each minute, and those waiting.",
            Query(f"60 * sum(rate(prometheus_notifications_sent_total{{{PROMETHEUS}}}[$__rate_interval]))", "sent"),
            Query(
                f"60 * sum(rate(prometheus_notifications_dropped_total{{{PROMETHEUS}}}[$__rate_interval]))", "dropped"
            ),
            Query(f"max(prometheus_notifications_queue_length{{{PROMETHEUS}}})", "waiting"),
            unit=COUNT,
            colours={"sent": BLUE, "dropped": RED, "waiting": ORANGE},
            size=(8, 8),
            alerts=["NotificationsFailing"],
        ),
    ]


def _alertmanager() -> list[Panel]:
    return [
        lines(
            "Alerts held",
            "By state, as Alertmanager sees them.",
            Query(f"max by (state) (alertmanager_alerts{{{ALERTMANAGER}}})", "{{state}}"),
            colours={"active": RED, "suppressed": SKY},
            size=(8, 8),
        ),
        lines(
            "Notifications",
            "Each minute, by integration; only those of this stack.",
            Query(
                "60 * sum by (integration) (rate(alertmanager_notifications_total"
                f'{{{ALERTMANAGER}, integration=~"webhook|telegram"}}[$__rate_interval]))',
                "{{integration}}",
            ),
            unit=PER_MINUTE,
            colours={"webhook": BLUE, "telegram": ORANGE},
            size=(8, 8),
        ),
        lines(
            "Notifications that failed",
            "Each minute; they are retried.",
            Query(
                "60 * sum by (integration) (rate(alertmanager_notifications_failed_total"
                f'{{{ALERTMANAGER}, integration=~"webhook|telegram"}}[$__rate_interval]))',
                "{{integration}}",
            ),
            unit=PER_MINUTE,
            colours={"webhook": BLUE, "telegram": ORANGE},
            size=(8, 8),
            alerts=["NotificationsFailing"],
        ),
        lines(
            "Duration of a notification",
            "Average, by integration.",
            Query(
                "sum by (integration) (rate(alertmanager_notification_latency_seconds_sum"
                f'{{{ALERTMANAGER}, integration=~"webhook|telegram"}}[$window])) / '
                "(sum by (integration) (rate(alertmanager_notification_latency_seconds_count"
                f'{{{ALERTMANAGER}, integration=~"webhook|telegram"}}[$window])) > 0)',
                "{{integration}}",
            ),
            unit=SECONDS,
            colours={"webhook": BLUE, "telegram": ORANGE},
            size=(8, 8),
        ),
        figure(
            "Configuration",
            "Whether the last reload of Prometheus and of Alertmanager worked.",
            Query(f"min(prometheus_config_last_reload_successful{{{PROMETHEUS}}})", "Prometheus"),
            Query(f"min(alertmanager_config_last_reload_successful{{{ALERTMANAGER}}})", "Alertmanager"),
            words={"0": "failed", "1": "loaded"},
            base=RED,
            steps=[(1, BLUE)],
            size=(8, 8),
            alerts=["AlertmanagerDown"],
        ),
        figure(
            "Silences",
            "Active now: alerts that nobody is notified of.",
            Query(f'max(alertmanager_silences{{{ALERTMANAGER}, state="active"}})'),
            steps=[(1, ORANGE)],
            size=(8, 8),
        ),
    ]


def _canary() -> list[Panel]:
    return [
        figure(
            "Last canary download",
            "How long ago the bot's own test download succeeded.",
            now("time() - max(doradura_canary_last_success_timestamp_seconds{@} > 0)"),
            unit=SECONDS,
            nothing="none yet",
            alerts=["CanaryFailing"],
        ),
        lines(
            "Canary runs",
            "In the window, by outcome.",
            Query("sum by (outcome) (increase(doradura_canary_runs_total{@}[$window]))", "{{outcome}}"),
            size=(18, 8),
            alerts=["CanaryFailing"],
        ),
    ]
