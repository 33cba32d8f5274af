"""The Business dashboard: who uses the bot and for what, and what it earns."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from stack.dashboards.frame import Section, page
from stack.dashboards.look import (
    BLUE,
    ORANGE,
    RED,
    SHARE,
    SKY,
    STARS,
    bars,
    figure,
    levels,
    lines,
)
from stack.dashboards.queries import Query, now, table


def business() -> str:
    """Return the dashboard's JSON."""
    return page(
        "business",
        "Doradura: Business",
        "Users, what they request, and Stars. Values from the database are the same on every bot: max, not sum.",
        [Section("People", _people()), Section("Requests", _wishes()), Section("Stars", _stars())],
    )


def _people() -> list[Panel]:
    return [
        figure(
            "Users",
            "Distinct users in the last 24 hours and 30 days, and everyone who ever started the bot.",
            Query("max(doradura_daily_active_users{@})", "today"),
            Query("max(doradura_monthly_active_users{@})", "in 30 days"),
            Query("max(doradura_registered_users{@})", "ever"),
            size=(8, 8),
        ),
        lines(
            "Active users",
            "The same over time; rolling, so there is no drop at midnight.",
            Query("max(doradura_daily_active_users{@})", "24 hours"),
            Query("max(doradura_monthly_active_users{@})", "30 days"),
            colours={"24 hours": BLUE, "30 days": SKY},
            size=(10, 8),
        ),
        figure(
            "Come back",
            "The share of a month's users who were active in the last 24 hours.",
            Query("max(doradura_daily_active_users{@}) / (max(doradura_monthly_active_users{@}) > 0) or vector(0)"),
            unit=SHARE,
        ),
        levels(
            "Languages",
            "Registered users by the language they chose or that Telegram names.",
            now("sort_desc(max by (language) (doradura_user_languages{@}))", "{{language}}"),
            size=(8, 8),
        ),
        bars(
            "Commands",
            "How often each command was used in the time range shown.",
            table("sort_desc(sum by (command) (increase(doradura_command_usage_total{@}[$__range])))"),
            by="command",
            size=(16, 8),
        ),
    ]


def _wishes() -> list[Panel]:
    return [
        bars(
            "Asked for, by format",
            "Downloads requested in the time range shown.",
            table("sort_desc(sum by (format) (increase(doradura_format_requests_total{@}[$__range])))"),
            by="format",
        ),
        bars(
            "Delivered, by site",
            "Files delivered in the time range shown, by site: the ten most used.",
            table('topk(10, sum by (site) (increase(doradura_site_downloads_total{@, outcome="success"}[$__range])))'),
            by="site",
        ),
        levels(
            "Asked for, by plan",
            "Downloads requested in the time range shown.",
            now("sum by (plan) (increase(doradura_format_requests_total{@}[$__range]))", "{{plan}}"),
        ),
        bars(
            "Delivered, by quality",
            "Files delivered in the time range shown, by requested quality.",
            table("sort_desc(sum by (quality) (increase(doradura_download_success_total{@}[$__range])))"),
            by="quality",
            size=(16, 8),
        ),
    ]


def _stars() -> list[Panel]:
    return [
        figure(
            "Revenue",
            "Stars received and refunded since the beginning.",
            Query("sum(max by (plan) (doradura_revenue_stars_total{@}))", "received"),
            Query("sum(max by (plan) (doradura_refunded_stars_total{@}))", "given back"),
            unit=STARS,
            size=(8, 8),
        ),
        lines(
            "Revenue a day",
            "Stars received in the preceding 24 hours, by plan, and those refunded.",
            Query("max by (plan) (increase(doradura_revenue_stars_total{@}[1d]))", "{{plan}}"),
            Query("sum(max by (plan) (increase(doradura_refunded_stars_total{@}[1d])))", "given back"),
            unit=STARS,
            colours={"given back": ORANGE},
            size=(16, 8),
        ),
        lines(
            "Subscriptions",
            "Active ones, by plan.",
            Query("max by (plan) (doradura_active_subscriptions{@})", "{{plan}}"),
            size=(8, 8),
        ),
        lines(
            "New and renewed",
            "Subscriptions begun in the preceding 24 hours; Telegram renews recurring ones.",
            Query(
                "sum by (recurring) (max by (plan, recurring) (increase(doradura_new_subscriptions_total{@}[1d])))",
                "recurring: {{recurring}}",
            ),
            size=(8, 8),
        ),
        lines(
            "Cancelled",
            "Subscriptions cancelled in the preceding 24 hours, by plan.",
            Query("max by (plan) (increase(doradura_subscription_cancellations_total{@}[1d]))", "{{plan}}"),
            size=(8, 8),
            alerts=["SubscriptionCancellations"],
        ),
        lines(
            "Checkouts",
            "Answers to Telegram's pre-checkout queries, in the window.",
            Query("sum by (outcome) (increase(doradura_checkouts_total{@}[$window]))", "{{outcome}}"),
            colours={"approved": BLUE, "refused": RED},
        ),
        levels(
            "Payment failures",
            "Since the beginning, by reason. Each one needs a person: it is somebody's money.",
            now("max by (reason) (doradura_payment_failures_total{@})", "{{reason}}"),
            steps=[(1, RED)],
            size=(12, 8),
            alerts=["PaymentFailures"],
        ),
    ]
