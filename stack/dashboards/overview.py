"""The Overview: the eight panels of the architecture first, then whether all is well right now."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from stack.dashboards.frame import Section, page
from stack.dashboards.look import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PER_MINUTE,
    PINK,
    RED,
    SECONDS,
    SHARE,
    SKY,
    STARS,
    YELLOW,
    bars,
    dial,
    figure,
    lines,
    states,
)
from stack.dashboards.queries import USER_REASONS, Query, now, per_minute, quantile, table

DURATION = "doradura_download_duration_seconds"
CATEGORY_COLOURS = {
    "download": RED,
    "telegram": SKY,
    "storage": ORANGE,
    "payment": PINK,
    "alert": YELLOW,
    "http": GREY,
    "internal": GREEN,
}
OURS = f', reason!~"{USER_REASONS}"'
THEIRS = f', reason=~"{USER_REASONS}"'
HEALTH_WORDS = {"0": "failing", "0.5": "degraded", "1": "ok"}


def overview() -> str:
    """Return the dashboard's JSON."""
    return page(
        "overview",
        "Doradura: Overview",
        "The bot at a glance: what it delivers, how fast, for whom, and what fails.",
        [
            Section("", [*_work(), *_people()]),
            Section("The last 24 hours", _day()),
            Section("Health", _state()),
        ],
    )


def _work() -> list[Panel]:
    return [
        lines(
            "Download rate",
            "Files delivered, jobs that failed and jobs cancelled by their user, each minute.",
            per_minute("doradura_download_success_total", legend="delivered"),
            per_minute("doradura_download_failure_total", legend="failed"),
            per_minute("doradura_download_cancelled_total", legend="cancelled"),
            unit=PER_MINUTE,
            colours={"delivered": BLUE, "failed": RED, "cancelled": GREY},
            alerts=["HighErrorRate"],
        ),
        dial(
            "Success rate",
            "Delivered of all that ended in the window, in per cent; dead links and private videos count as failures.",
            now(
                "100 * sum(rate(doradura_download_success_total{@}[$window])) / "
                "((sum(rate(doradura_download_success_total{@}[$window])) + "
                "sum(rate(doradura_download_failure_total{@}[$window]))) > 0)"
            ),
            base=RED,
            steps=[(80, ORANGE), (90, BLUE)],
            nothing="no downloads",
            alerts=["LowSuccessRate", "HighErrorRate"],
        ),
        figure(
            "Queue depth",
            "Jobs waiting for a worker.",
            Query("max(doradura_queue_depth{@})", "waiting"),
            steps=[(50, ORANGE), (100, RED)],
            alerts=["QueueBackup"],
        ),
        lines(
            "Duration percentiles",
            "50, 95 and 99 of 100 jobs took at most this long, from a worker taking them to their end. Dots are jobs.",
            quantile(0.5, DURATION, "p50"),
            quantile(0.95, DURATION, "p95"),
            quantile(0.99, DURATION, "p99", exemplars=True),
            unit=SECONDS,
            colours={"p50": GREEN, "p95": BLUE, "p99": PINK},
            limits=[(60, ORANGE)],
            alerts=["SlowDownloads"],
        ),
        bars(
            "Downloads by format",
            "Files delivered in the time range shown.",
            table("sort_desc(sum by (format) (increase(doradura_download_success_total{@}[$__range])))"),
            by="format",
        ),
    ]


def _people() -> list[Panel]:
    return [
        figure(
            "DAU/MAU",
            "Users active in the last 24 hours and in the last 30 days, and the former as a share of the latter.",
            Query("max(doradura_daily_active_users{@})", "DAU"),
            Query("max(doradura_monthly_active_users{@})", "MAU"),
            Query(
                "max(doradura_daily_active_users{@}) / (max(doradura_monthly_active_users{@}) > 0) or vector(0)",
                "DAU/MAU",
            ),
            units={"DAU/MAU": SHARE},
        ),
        figure(
            "Revenue",
            "Stars received minus those refunded: since the beginning, and in the time range shown.",
            Query(
                "sum(max by (plan) (doradura_revenue_stars_total{@})) - "
                "sum(max by (plan) (doradura_refunded_stars_total{@}))",
                "in all",
            ),
            now(
                "sum(max by (plan) (increase(doradura_revenue_stars_total{@}[$__range]))) - "
                "sum(max by (plan) (increase(doradura_refunded_stars_total{@}[$__range])))",
                "in the time shown",
            ),
            unit=STARS,
            alerts=["PaymentFailures"],
        ),
        lines(
            "Errors by category",
            "Everything a person may have to look at, each minute. A user's dead link is not an error.",
            per_minute("doradura_errors_total", "category"),
            unit=PER_MINUTE,
            colours=CATEGORY_COLOURS,
            stacked=True,
            alerts=["HighErrorRate", "StorageFailing"],
        ),
    ]


def _day() -> list[Panel]:
    """What a rate per minute hides on a small bot: every single download of a day."""
    ended = "increase(doradura_download_{}_total{{@{}}}[1d])"
    return [
        figure(
            "Delivered and failed",
            "Downloads of the last 24 hours: delivered, failed because of us or the site, and failed "
            "because of the link itself (dead, private, too large).",
            now(f"sum({ended.format('success', '')})", "delivered"),
            now(f"sum({ended.format('failure', OURS)})", "failed, ours"),
            now(f"sum({ended.format('failure', THEIRS)})", "failed, the link's"),
            now(f"sum({ended.format('cancelled', '')})", "cancelled"),
            decimals=0,
            size=(12, 8),
        ),
        bars(
            "Failures by reason",
            "Downloads that failed in the last 24 hours, whoever caused it.",
            table(f"sort_desc(sum by (reason) ({ended.format('failure', '')}) > 0.5)"),
            by="reason",
        ),
    ]


def _state() -> list[Panel]:
    return [
        states(
            "Health",
            "Each part's own check, the same as GET /health; of several bots the worst.",
            Query("min by (check) (doradura_health_status{@})", "{{check}}"),
            words=HEALTH_WORDS,
            base=RED,
            steps=[(0.5, ORANGE), (1, BLUE)],
            alerts=["StorageFailing"],
        ),
        figure(
            "Alerts firing",
            "Critical alerts and warnings, as Prometheus sees them now.",
            Query('count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)', "critical"),
            Query('count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)', "warnings"),
            steps=[(1, RED)],
            size=(4, 8),
        ),
        figure(
            "Bots up",
            "Bots that answer a scrape, out of all configured.",
            Query('sum(up{job="doradura-bot", instance=~"$instance"})', "up"),
            Query('count(up{job="doradura-bot", instance=~"$instance"})', "known"),
            size=(4, 8),
            base=RED,
            steps=[(1, BLUE)],
            alerts=["BotDown", "InstanceMissing"],
        ),
        figure(
            "Last answer of Telegram",
            "How long ago a long poll was last completed, by the bot that waits longest; idle bots do it every 45 s.",
            Query("time() - min(doradura_telegram_last_poll_timestamp_seconds{@})"),
            unit=SECONDS,
            steps=[(60, ORANGE), (120, RED)],
            size=(4, 8),
            alerts=["TelegramUnreachable"],
        ),
    ]
