"""The whole catalogue as a contract: rules, dashboards and reports rely on each name, type and label."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from doradura.metrics import DATABASE_FAMILIES
from tests.unit.test_metrics import make_metrics

CATALOGUE = {
    "download_duration_seconds": ("histogram", "format quality"),
    "download_success_total": ("counter", "format quality"),
    "download_failure_total": ("counter", "format reason"),
    "download_cancelled_total": ("counter", "format"),
    "download_retries_total": ("counter", "reason"),
    "download_size_bytes": ("histogram", "kind"),
    "downloads_in_progress": ("gauge", "format"),
    "download_bytes_total": ("counter", ""),
    "upload_duration_seconds": ("histogram", "kind"),
    "upload_bytes_total": ("counter", ""),
    "extraction_duration_seconds": ("histogram", ""),
    "site_downloads_total": ("counter", "outcome site"),
    "link_looks_total": ("counter", "outcome site"),
    "site_breaker_open": ("gauge", "site"),
    "file_cache_lookups_total": ("counter", "outcome"),
    "deliveries_unconfirmed_total": ("counter", ""),
    "format_requests_total": ("counter", "format plan"),
    "queue_depth": ("gauge", ""),
    "queue_oldest_job_age_seconds": ("gauge", ""),
    "queue_wait_time_seconds": ("histogram", "plan"),
    "queue_rejected_total": ("counter", "reason"),
    "worker_start_seconds": ("histogram", ""),
    "gate_connections_total": ("counter", "outcome"),
    "updates_total": ("counter", "type"),
    "update_handling_seconds": ("histogram", ""),
    "command_usage_total": ("counter", "command"),
    "telegram_requests_total": ("counter", "method outcome"),
    "telegram_request_duration_seconds": ("histogram", "kind"),
    "telegram_rate_limited_total": ("counter", "source"),
    "telegram_poll_conflicts_total": ("counter", ""),
    "telegram_last_poll_timestamp_seconds": ("gauge", ""),
    "errors_total": ("counter", "category"),
    "daily_active_users": ("gauge", ""),
    "monthly_active_users": ("gauge", ""),
    "registered_users": ("gauge", ""),
    "user_languages": ("gauge", "language"),
    "active_subscriptions": ("gauge", "plan"),
    "revenue_stars_total": ("counter", "plan"),
    "refunded_stars_total": ("counter", "plan"),
    "new_subscriptions_total": ("counter", "plan recurring"),
    "subscription_cancellations_total": ("counter", "plan"),
    "checkouts_total": ("counter", "outcome plan"),
    "payment_failures_total": ("counter", "reason"),
    "alerts_received_total": ("counter", "severity status"),
    "alert_deliveries_total": ("counter", "outcome"),
    "alert_delivery_lag_seconds": ("histogram", ""),
    "alert_oldest_undelivered_seconds": ("gauge", ""),
    "alert_outbox_depth": ("gauge", ""),
    "watchdog_last_seen_timestamp_seconds": ("gauge", ""),
    "health_status": ("gauge", "check"),
    "canary_last_success_timestamp_seconds": ("gauge", ""),
    "canary_runs_total": ("counter", "outcome"),
    "loop_lag_seconds": ("histogram", ""),
    "disk_free_bytes": ("gauge", ""),
    "unclean_starts_total": ("counter", ""),
    "build_info": ("gauge", "ffmpeg mode python version yt_dlp"),
}
"""Name without `doradura_` -> type and labels, sorted."""


async def test_the_catalogue_is_what_a_scrape_has() -> None:
    """Every metric is there under its name, with its type and labels and a help text, and no other one of ours is."""
    metrics = make_metrics()
    metrics.set_health({"poll": 1.0})
    metrics.watchdog_last_seen.set(1.0)
    text, _ = await metrics.render(
        "", {name: {} if labels else {(): 1.0} for name, (_, labels) in DATABASE_FAMILIES.items()}
    )
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        if family.name.startswith("doradura_"):
            name = family.name.removeprefix("doradura_") + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            assert family.samples, name
            assert family.documentation, name
            found[name] = (family.type, " ".join(sorted(labels)))
    assert found == CATALOGUE
