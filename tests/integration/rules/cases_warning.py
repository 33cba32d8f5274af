"""The warnings: when they speak, what they say, and when they keep quiet."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.rules.cases_critical import BOT, FIVE, NO_WAITING, OWN_REASONS, downloads, polled_until, started
from tests.integration.rules.exposed import ALERTMANAGER_OWN, PROMETHEUS_OWN
from tests.integration.rules.promtool import (
    Case,
    Series,
    Told,
    Value,
    absent,
    becoming,
    constant,
    growing,
    observed,
    series,
)

DAY = 86400.0


def few(*, since: float = 0, until: float = 1e9, **labels: str) -> list[Series]:
    """A download every eight hours that fails."""
    return series(
        "doradura_download_failure_total",
        lambda now: max(min(now, until) - since, 0) // 28800,
        format="mp3",
        reason="internal",
        **labels,
    )


def succeeded(*moments: float, **labels: str) -> list[Series]:
    """Downloads that went well at these moments."""
    return series(
        "doradura_download_success_total",
        lambda now: sum(1.0 for at in moments if at <= now),
        format="mp3",
        quality="320k",
        **labels,
    )


def durations(seconds: float, counter: Value) -> Callable[[], list[Series]]:
    """Downloads that take so long."""
    return lambda: observed("doradura_download_duration_seconds", seconds, counter, format="mp3", quality="320k")


def lag(seconds: float, counter: Value) -> Callable[[], list[Series]]:
    """Timers that run so late."""
    return lambda: observed("doradura_loop_lag_seconds", seconds, counter)


def canary(*failures: float, successes: tuple[float, ...] = ()) -> list[Series]:
    """Test downloads that ended at these moments."""
    return [
        *series("doradura_canary_runs_total", lambda now: sum(now >= at for at in failures), outcome="failure"),
        *series("doradura_canary_runs_total", lambda now: sum(now >= at for at in successes), outcome="success"),
    ]


def refusals(number: float, since: float = 600) -> list[Series]:
    """Downloads that were refused with a check for robots."""
    return series("doradura_download_failure_total", becoming(number, at=since), format="mp3", reason="bot_check")


def limited(counter: Value, source: str = "server") -> list[Series]:
    """Calls that had to wait."""
    return series("doradura_telegram_rate_limited_total", counter, source=source)


def conflicts(counter: Value) -> list[Series]:
    """Polls refused with 409."""
    return series("doradura_telegram_poll_conflicts_total", counter)


def free(start: float, per_minute: float = 0) -> list[Series]:
    """A disk that is written to evenly."""
    return series("doradura_disk_free_bytes", lambda now: start - per_minute * now / 60)


def cancelled(counter: Value) -> list[Series]:
    """Subscriptions that were cancelled."""
    return series("doradura_subscription_cancellations_total", counter, plan="premium")


DOWNLOADS = [
    Case(
        "SlowDownloads",
        "all take over a minute",
        durations(100, growing(2)),
        1200,
        [Told("One in twenty downloads takes longer than 1m 57s", BOT)],
    ),
    Case(
        "SlowDownloads",
        "one of five is slow",
        lambda: [
            *durations(20, growing(20))(),
            *observed(
                "doradura_download_duration_seconds",
                100,
                growing(2),
                format="mp3",
                quality="320k",
                instance="bot4:8080",
            ),
        ],
        1200,
        [Told("bot4:8080: One in twenty downloads takes longer than 1m 57s", {"instance": "bot4:8080"})],
        instances=FIVE,
    ),
    Case(
        "SlowDownloads",
        "long films that come at two megabytes a second",
        lambda: [
            *durations(100, growing(2))(),
            *series("doradura_download_duration_seconds_sum", growing(200), format="mp3", quality="320k"),
            *series("doradura_download_bytes_total", growing(200 * 2e6)),
        ],
        1200,
        change=("expr", ">= 100000", ">= 3000000"),
    ),
    Case(
        "SlowDownloads",
        "small files at 50 kB a second",
        lambda: [
            *durations(100, growing(2))(),
            *series("doradura_download_duration_seconds_sum", growing(200), format="mp3", quality="320k"),
            *series("doradura_download_bytes_total", growing(200 * 5e4)),
        ],
        1200,
        [Told("One in twenty downloads takes longer than 1m 57s", BOT)],
    ),
    Case("SlowDownloads", "all take under a minute", durations(50, growing(2)), 1200, change=("expr", "> 60", "> 58")),
    Case("SlowDownloads", "four in five minutes", durations(100, growing(0.8)), 1800, change=("expr", ">= 5", ">= 3")),
    Case(
        "SlowDownloads",
        "slow, not yet for ten minutes",
        durations(100, growing(60, since=600)),
        1170,
        change=NO_WAITING,
    ),
    Case(
        "LowSuccessRate",
        "85 % go well",
        downloads(85, 15),
        2400,
        [Told("85% of downloads succeeded in the last 30 minutes (not counting dead links as failures)", BOT)],
    ),
    Case(
        "LowSuccessRate",
        "four that do well do not hide the fifth",
        [*downloads(20, 0), *downloads(0.6, 0.4, instance="bot5:8080")],
        2400,
        [
            Told(
                "bot5:8080: 60% of downloads succeeded in the last 30 minutes (not counting dead links as failures)",
                {"instance": "bot5:8080"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "LowSuccessRate",
        "a small bot: fifteen an hour, of which three go well",
        downloads(3 / 60, 12 / 60),
        7200,
        [Told("20% of downloads succeeded in the last 6 hours (not counting dead links as failures)", BOT)],
    ),
    Case(
        "LowSuccessRate",
        "a small bot: fifteen an hour, of which eleven go well",
        downloads(11 / 60, 4 / 60),
        7200,
        change=("expr", "< 50", "< 80"),
    ),
    Case(
        "LowSuccessRate",
        "none goes well, and the rounding of the sum does not make it less",
        series("doradura_download_failure_total", growing(0.41), format="mp3", reason="site_error"),
        2400,
        [Told("0% of downloads succeeded in the last 30 minutes (not counting dead links as failures)", BOT)],
    ),
    Case("LowSuccessRate", "90.1 % go well", downloads(901, 99), 2400, change=("expr", "< 90", "< 91")),
    Case(
        "LowSuccessRate",
        "half fail, of links that are dead",
        downloads(50, 50, "gone"),
        2400,
        change=("expr", *OWN_REASONS),
    ),
    Case(
        "LowSuccessRate", "nine in half an hour, all failed", downloads(0, 0.3), 3600, change=("expr", ">= 10", ">= 8")
    ),
    Case(
        "LowSuccessRate",
        "three people a day for two days, each failing",
        few(),
        2 * DAY,
        [Told("0% of downloads succeeded in the last 3 days (not counting dead links as failures)", BOT)],
        step_seconds=1200,
    ),
    Case(
        "LowSuccessRate",
        "one in four goes well, beside a bot that does well",
        [
            *few(instance="bot2:8080"),
            *succeeded(40000, 200000, instance="bot2:8080"),
            *downloads(9, 0, instance="bot:8080"),
        ],
        2.6 * DAY,
        [
            Told(
                "bot2:8080: 22% of downloads succeeded in the last 3 days (not counting dead links as failures)",
                {"instance": "bot2:8080"},
            )
        ],
        instances=("bot:8080", "bot2:8080"),
        step_seconds=1200,
    ),
    Case(
        "LowSuccessRate",
        "of three people a day two are served",
        [*few(), *succeeded(*range(14400, 4 * 86400, 14400))],
        2 * DAY,
        change=("expr", "< 50", "< 80"),
        step_seconds=1200,
    ),
    Case(
        "LowSuccessRate",
        "one bad day of few downloads, which is DownloadsFailing's if they come together",
        few(since=2 * DAY),
        3.1 * DAY,
        change=("expr", "[2d] offset 1d", "[2d]"),
        step_seconds=1200,
    ),
    Case(
        "LowSuccessRate",
        "a bad day and a quiet one behind it",
        few(until=DAY),
        2.2 * DAY,
        change=("expr", "[1d]", "[2d]"),
        step_seconds=1200,
    ),
    Case("LowSuccessRate", "half fail, not yet for five minutes", downloads(50, 50, since=600), 870, change=NO_WAITING),
]

SITES = [
    Case(
        "SiteBroken",
        "a breaker is open on one of five",
        series("doradura_site_breaker_open", becoming(1, at=600), site="youtube", instance="bot5:8080"),
        1230,
        [
            Told(
                "bot5:8080: Downloads from youtube have been paused for 10 minutes, because they kept failing",
                {"instance": "bot5:8080", "site": "youtube"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "SiteBroken",
        "a breaker is open, not yet for ten minutes",
        series("doradura_site_breaker_open", becoming(1, at=600), site="youtube"),
        1170,
        change=NO_WAITING,
    ),
    Case(
        "CanaryFailing",
        "three runs, a quarter of an hour apart",
        canary(900, 1800, 2700),
        2700,
        [Told("The last 3 test downloads failed, none succeeded", BOT)],
    ),
    Case(
        "CanaryFailing",
        "three runs, an hour apart",
        canary(3600, 7200, 10800),
        10800,
        [Told("The last 3 test downloads failed, none succeeded", BOT)],
    ),
    Case("CanaryFailing", "two runs", canary(900, 1800), 2700, change=("expr", ">= 3", ">= 2")),
    Case(
        "CanaryFailing",
        "one of four goes well",
        canary(900, 1800, 2700, successes=(2000,)),
        2700,
        change=("expr", "> 0", "> 9"),
    ),
    Case("CanaryFailing", "no canary ever ran", [], 3600, change=("expr", ">= 3", ">= 0")),
    Case(
        "BotCheckRefusals",
        "three refusals",
        refusals(3),
        660,
        [Told("3 downloads were refused in the last 30 minutes by a robot check", BOT)],
    ),
    Case(
        "BotCheckRefusals",
        "three refusals before the first scrape of a young process",
        [*refusals(3, since=0), *started(constant(0))],
        660,
        [Told("3 downloads were refused in the last 30 minutes by a robot check", BOT)],
    ),
    Case("BotCheckRefusals", "two refusals", refusals(2), 660, change=("expr", ">= 3", ">= 2")),
]

TELEGRAM = [
    Case(
        "RateLimitedByTelegram",
        "six refusals in five minutes, again and again",
        limited(growing(1.2)),
        1200,
        [Told('Telegram answered "too many requests" 6 times in the last 5 minutes', BOT)],
    ),
    Case(
        "RateLimitedByTelegram",
        "under five in five minutes",
        limited(growing(0.96)),
        1200,
        change=("expr", ">= 5", ">= 4"),
    ),
    Case(
        "RateLimitedByTelegram",
        "the bot's own pacing",
        limited(growing(60), "local"),
        1200,
        change=("expr", 'source="server"', 'source="local"'),
    ),
    Case("RateLimitedByTelegram", "one burst", limited(growing(600, since=600, until=660)), 870, change=NO_WAITING),
    Case(
        "PollConflict",
        "ten in five minutes",
        conflicts(growing(2, since=600)),
        900,
        [Told("Telegram refused 10 polls in the last 5 minutes: another program uses the token", BOT)],
    ),
    Case("PollConflict", "two at a restart", conflicts(becoming(2, at=600)), 750, change=("expr", ">= 3", ">= 2")),
    Case("PollConflict", "several, not yet for a minute", conflicts(growing(60, since=600)), 645, change=NO_WAITING),
]

MACHINE = [
    Case("DiskFillingUp", "under 1 GiB", free(1e9), 660, [Told("bot:8080 has 953.7MiB left, under 1 GiB", BOT)]),
    Case(
        "DiskFillingUp",
        "9 GB an hour, 21 GB left",
        free(30e9, 15e7),
        3600,
        [Told("bot:8080 has 19.56GiB left, and at this rate will have none in 4 hours", BOT)],
    ),
    Case("DiskFillingUp", "3.6 GB an hour, 26 GB left", free(30e9, 6e7), 3600, change=("expr", "14400", "144000")),
    Case("DiskFillingUp", "over 1 GiB", free(1.1e9), 900, change=("expr", "1024 * 1024 * 1024", "1200000000")),
    Case(
        "DiskFillingUp",
        "under 1 GiB, not yet for ten minutes",
        series("doradura_disk_free_bytes", becoming(1e9, at=600, before=1.1e9)),
        1170,
        change=NO_WAITING,
    ),
    Case(
        "DiskFillingUp",
        "a curve of forty minutes foretells nothing",
        free(30e9, 15e7),
        3420,
        change=("expr", ">= 5", ">= 4"),
    ),
    Case(
        "DiskFillingUp",
        "one large file in hand for a quarter of an hour",
        series("doradura_disk_free_bytes", lambda now: 12e9 - 4e8 * min(max(now - 6000, 0), 900) / 60),
        8400,
        change=("expr", ">= 5", ">= 3"),
    ),
    Case(
        "LoopStalled", "timers run late", lag(0.7, growing(600)), 900, [Told("bot:8080 answers up to 995ms late", BOT)]
    ),
    Case("LoopStalled", "timers run a little late", lag(0.3, growing(600)), 900, change=("expr", "> 0.5", "> 0.4")),
    Case(
        "LoopStalled",
        "timers run late, not yet for five minutes",
        lag(0.7, growing(600, since=600)),
        870,
        change=NO_WAITING,
    ),
]

BUSINESS = [
    Case(
        "SubscriptionCancellations",
        "two of one of five bots",
        series("doradura_subscription_cancellations_total", becoming(2, at=600), plan="premium", instance="bot1:8080"),
        660,
        [Told("bot1:8080: 2 subscription(s) cancelled in the last day", {"instance": "bot1:8080"})],
        instances=FIVE,
    ),
    Case(
        "SubscriptionCancellations",
        "none since this day began",
        cancelled(constant(7)),
        900,
        change=("expr", "> 0", ">= 0"),
    ),
]

RULE_GROUP = dict(PROMETHEUS_OWN["prometheus_rule_evaluation_failures_total"][0])
ALERTMANAGER = dict(PROMETHEUS_OWN["prometheus_notifications_errors_total"][0])
WEBHOOK = dict(ALERTMANAGER_OWN["alertmanager_notifications_failed_total"][0])
FAILURES = "prometheus_rule_evaluation_failures_total"
AM_TARGET = {"job": "alertmanager", "instance": "localhost:9093"}


def failed_notices(counter: Value, integration: str = "webhook") -> list[Series]:
    """Notices that Alertmanager could not bring to the bot, or to Telegram."""
    return series("alertmanager_notifications_failed_total", counter, integration=integration)


MONITORING = [
    Case(
        "PrometheusRuleFailures",
        "three evaluations fail",
        series(FAILURES, becoming(3, at=600), **RULE_GROUP),
        660,
        [Told("3 rule evaluation(s) failed in the last 5 minutes: rules/alerts.yml;doradura-critical", RULE_GROUP)],
    ),
    Case(
        "PrometheusRuleFailures",
        "one failed long ago",
        series(FAILURES, becoming(1, at=300), **RULE_GROUP),
        690,
        change=("expr", "[5m]", "[10m]"),
    ),
    Case(
        "AlertmanagerDown",
        "no answer",
        series("up", becoming(0, at=600, before=1), job="alertmanager"),
        750,
        [Told("localhost:9093 has not answered Prometheus for 2 minutes", AM_TARGET)],
    ),
    Case(
        "AlertmanagerDown",
        "none among the targets",
        series("up", absent(), job="alertmanager"),
        150,
        [Told("Prometheus has no Alertmanager to monitor", {"job": "alertmanager"})],
    ),
    Case(
        "AlertmanagerDown",
        "no answer for a minute and a half",
        series("up", becoming(0, at=600, before=1), job="alertmanager"),
        690,
        change=NO_WAITING,
    ),
    Case(
        "NotificationsFailing",
        "the bot can't be told",
        failed_notices(growing(2)),
        900,
        [Told("10 notification(s) failed in the last 5 minutes from Alertmanager by webhook", WEBHOOK)],
    ),
    Case(
        "NotificationsFailing",
        "Alertmanager can't be told",
        series("prometheus_notifications_errors_total", growing(2)),
        900,
        [
            Told(
                "10 notification(s) failed in the last 5 minutes from Prometheus to "
                "http://localhost:9093/api/v2/alerts",
                ALERTMANAGER,
            )
        ],
    ),
    Case(
        "NotificationsFailing",
        "the only bot is down for hours, as BotDown has told",
        [*failed_notices(growing(2)), *series("up", becoming(0, at=300, before=1), job="doradura-bot")],
        9000,
        change=("expr", "[10m])) == 0", "[10m])) == 7"),
    ),
    Case(
        "NotificationsFailing",
        "one bot of two was down for ten minutes",
        [
            *failed_notices(growing(2, until=900)),
            *series("up", lambda now: float(not 300 <= now < 900), job="doradura-bot", instance="bot2:8080"),
        ],
        1140,
        change=("expr", "== 1", "== 7"),
        instances=("bot:8080", "bot2:8080"),
    ),
    Case(
        "NotificationsFailing",
        "a bot that is dead since yesterday hides no other's",
        [*failed_notices(growing(2)), *series("up", constant(0), job="doradura-bot", instance="bot2:8080")],
        4500,
        [Told("10 notification(s) failed in the last 5 minutes from Alertmanager by webhook", WEBHOOK)],
        instances=("bot:8080", "bot2:8080"),
    ),
    Case(
        "NotificationsFailing",
        "Telegram is away for the only bot for hours, as TelegramUnreachable has told",
        [*failed_notices(growing(2), integration="telegram"), *polled_until(300)],
        9000,
        change=("expr", "min(max_over_time", "-min(max_over_time"),
    ),
    Case(
        "NotificationsFailing",
        "Telegram is away for one bot of two",
        [*failed_notices(growing(2), integration="telegram"), *polled_until(300, instance="bot2:8080")],
        1140,
        change=("expr", "unless on () max(\n    max_over_time((", "unless on () -max(\n    max_over_time(("),
        instances=("bot:8080", "bot2:8080"),
    ),
    Case(
        "NotificationsFailing",
        "a bot that can't reach Telegram since yesterday hides nothing",
        [*failed_notices(growing(2), integration="telegram"), *polled_until(300, instance="bot2:8080")],
        4500,
        [
            Told(
                "10 notification(s) failed in the last 5 minutes from Alertmanager by telegram",
                {"integration": "telegram"},
            )
        ],
        instances=("bot:8080", "bot2:8080"),
    ),
    Case(
        "NotificationsFailing",
        "the only bot is back after hours",
        [*failed_notices(growing(2, until=9100)), *series("up", lambda now: float(now >= 9000), job="doradura-bot")],
        9360,
        change=("expr", "min_over_time(up", "max_over_time(up"),
    ),
    Case(
        "NotificationsFailing",
        "Telegram is back after hours",
        [
            *failed_notices(growing(2, until=9100), integration="telegram"),
            *series(
                "doradura_telegram_last_poll_timestamp_seconds",
                lambda now: now - now % 45 if not 300 <= now < 9000 else 300,
            ),
        ],
        9360,
        change=("expr", "[10m:15s]", "[30s:15s]"),
    ),
    Case("NotificationsFailing", "one fails", failed_notices(becoming(1, at=600)), 870, change=NO_WAITING),
    Case(
        "ScrapeSlow",
        "a second and a half",
        series("scrape_duration_seconds", constant(1.5), job="doradura-bot"),
        600,
        [Told("Reading the metrics of bot:8080 takes 1.5s", {**BOT, "job": "doradura-bot"})],
    ),
    Case(
        "ScrapeSlow",
        "under a second",
        series("scrape_duration_seconds", constant(0.9), job="doradura-bot"),
        600,
        change=("expr", "> 1", "> 0.8"),
    ),
    Case(
        "ScrapeSlow",
        "slow, not yet for five minutes",
        series("scrape_duration_seconds", constant(9), job="doradura-bot"),
        285,
        change=NO_WAITING,
    ),
    Case("Watchdog", "always", [], 0, [Told("This alert always fires. When it stops, alerts no longer arrive")]),
]

CASES = [*DOWNLOADS, *SITES, *TELEGRAM, *MACHINE, *BUSINESS, *MONITORING]
