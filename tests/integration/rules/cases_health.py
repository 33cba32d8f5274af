"""The alerts on the bot's own health: downloads of a small bot, checks, errors, restarts, memory, open files."""

from __future__ import annotations

from tests.integration.rules.cases_critical import BOT, FIVE, NO_WAITING, OWN_REASONS, downloads, polled_until, started
from tests.integration.rules.promtool import GONE, Case, Series, Told, Value, becoming, constant, growing, series

HOUR = 3600.0
JOB = {**BOT, "job": "doradura-bot"}


def check(name: str, value: Value, **labels: str) -> list[Series]:
    """What a check of /health finds."""
    return series("doradura_health_status", value, check=name, **labels)


def errors(category: str, counter: Value, **labels: str) -> list[Series]:
    """Errors of a category."""
    return series("doradura_errors_total", counter, category=category, **labels)


def failed(total: float, *, every: float, reason: str = "network") -> list[Series]:
    """Downloads that fail, one in so many seconds, until there are so many."""
    return series("doradura_download_failure_total", lambda now: min(now // every, total), format="mp3", reason=reason)


def given_up(counter: Value) -> list[Series]:
    """Messages to admins that were given up."""
    return series("doradura_alert_deliveries_total", counter, outcome="failed")


def starts(*moments: float) -> list[Series]:
    """A process that was there for long, and others that began at these moments."""
    return started(lambda now: max([-86400.0, *(at for at in moments if at <= now)]))


def unclean(counter: Value) -> list[Series]:
    """Starts after an end that was not in order, as the database has them."""
    return series("doradura_unclean_starts_total", counter)


FEW_DOWNLOADS = [
    Case(
        "DownloadsFailing",
        "one download every 20 minutes, each failing",
        failed(99, every=1200),
        HOUR + 60,
        [Told("3 downloads failed in the last 6 hours (not counting dead links), and none succeeded", BOT)],
    ),
    Case(
        "DownloadsFailing",
        "fifteen an hour, each failing, beside a bot that does well",
        [*downloads(9, 0), *downloads(0, 0.25, instance="bot2:8080")],
        2 * HOUR,
        [
            Told(
                "bot2:8080: 30 downloads failed in the last 6 hours (not counting dead links), and none succeeded",
                {"instance": "bot2:8080"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "DownloadsFailing",
        "three failures before the first scrape of a young process",
        [
            *series("doradura_download_failure_total", constant(3), format="mp3", reason="internal"),
            *started(constant(0)),
        ],
        660,
        [Told("3 downloads failed in the last 6 hours (not counting dead links), and none succeeded", BOT)],
    ),
    Case("DownloadsFailing", "two", failed(2, every=1200), 2 * HOUR, change=("expr", ">= 3", ">= 2")),
    Case(
        "DownloadsFailing",
        "dead links",
        failed(99, every=1200, reason="gone"),
        2 * HOUR,
        change=("expr", *OWN_REASONS),
    ),
    Case(
        "DownloadsFailing",
        "one of ten goes well",
        [
            *failed(9, every=1200),
            *series("doradura_download_success_total", becoming(1, at=600), format="mp3", quality="320k"),
        ],
        3 * HOUR,
        change=(
            "expr",
            "unless on (instance) sum by (instance) (increase(doradura_download_success_total[6h])) > 0",
            "",
        ),
    ),
]

CHECKS = [
    Case(
        "HealthFailing",
        "the worker's check of one of five",
        check("worker", becoming(0, at=600, before=1), instance="bot4:8080"),
        930,
        [
            Told(
                'bot4:8080: the check "worker" of /health has been failing for 5 minutes',
                {"instance": "bot4:8080", "check": "worker"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "HealthFailing",
        "the disk can't be asked for its space, which no other alert sees",
        check("disk", becoming(0, at=600, before=1)),
        930,
        [Told('bot:8080: the check "disk" of /health has been failing for 5 minutes', {**BOT, "check": "disk"})],
    ),
    Case(
        "HealthFailing",
        "a check that fails, not yet for five minutes",
        check("loop", becoming(0, at=600, before=1)),
        870,
        change=NO_WAITING,
    ),
    Case("HealthFailing", "a degraded check", check("poll", constant(0.5)), 900, change=("expr", "== 0\n", "< 1\n")),
    Case(
        "HealthFailing",
        "storage, which has an alert of its own",
        check("storage", constant(0)),
        900,
        change=("expr", 'max by (instance, check) (doradura_health_status{check="storage"}) == 0', "vector(1)"),
    ),
    Case(
        "HealthFailing",
        "a full disk, which has an alert of its own",
        [*check("disk", constant(0)), *series("doradura_disk_free_bytes", constant(5e7))],
        900,
        change=("expr", "< 1024 * 1024 * 1024", "< 0"),
    ),
    Case(
        "HealthFailing",
        "alerts that wait, which have an alert of their own",
        [*check("alerts", constant(0)), *series("doradura_alert_oldest_undelivered_seconds", constant(900))],
        900,
        change=("expr", "> 300", "> 3000"),
    ),
    Case(
        "HealthDegraded",
        "alerts that reach not everybody",
        check("alerts", becoming(0.5, at=600, before=1)),
        600 + HOUR + 30,
        [Told('bot:8080: the check "alerts" of /health has been degraded for 1 hour', {**BOT, "check": "alerts"})],
    ),
    Case(
        "HealthDegraded",
        "degraded, not yet for an hour",
        check("alerts", becoming(0.5, at=600, before=1)),
        600 + HOUR - 30,
        change=NO_WAITING,
    ),
    Case("HealthDegraded", "all is well", check("worker", constant(1)), 2 * HOUR, change=("expr", "< 1\n", "<= 1\n")),
    Case(
        "HealthDegraded",
        "Telegram is away, which has an alert of its own",
        [*check("poll", constant(0.5)), *polled_until(0)],
        2 * HOUR,
        change=("expr", "> 120", "> 99999"),
    ),
    Case(
        "HealthDegraded",
        "an admin blocks the bot on the day of a message that was given up",
        [*check("alerts", becoming(0.5, at=600, before=1)), *given_up(becoming(1, at=300))],
        600 + HOUR + 30,
        [Told('bot:8080: the check "alerts" of /health has been degraded for 1 hour', {**BOT, "check": "alerts"})],
    ),
]

FAULTS = [
    Case(
        "ErrorsGoOn",
        "an error every five minutes",
        errors("internal", lambda now: now // 300, instance="bot1:8080"),
        2100,
        [
            Told(
                'bot1:8080: errors of the kind "internal" have gone on for half an hour, 2 in the last 10 minutes',
                {"instance": "bot1:8080", "category": "internal"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "ErrorsGoOn",
        "a crash loop: each process counts one error before its first scrape",
        [*errors("telegram", constant(1)), *started(lambda now: now - now % 120)],
        2100,
        [
            Told(
                'bot:8080: errors of the kind "telegram" have gone on for half an hour, 1 in the last 10 minutes',
                {**BOT, "category": "telegram"},
            )
        ],
    ),
    Case(
        "ErrorsGoOn",
        "in the last twenty minutes, and none before",
        errors("http", lambda now: 1000 * (now >= 900) + (now >= 1500)),
        1900,
        change=("expr", "offset 20m", "offset 10m"),
    ),
    Case(
        "ErrorsGoOn",
        "in the first ten minutes and the last, and none between",
        errors("alert", lambda now: (now >= 300) + (now >= 1800)),
        1900,
        change=("expr", "offset 10m", "offset 20m"),
    ),
    Case(
        "ErrorsGoOn",
        "a download's errors, which have alerts of their own",
        errors("download", growing(1)),
        2100,
        change=("expr", "internal|http", "download|http"),
    ),
    Case(
        "AlertsGivenUp",
        "one is enough",
        given_up(becoming(1, at=600)),
        660,
        [Told("1 message(s) to an admin could not be delivered in the last hour; /alerts lists every alert", BOT)],
    ),
    Case(
        "AlertsGivenUp",
        "one before the first scrape of a young process",
        [*given_up(constant(1)), *started(constant(0))],
        660,
        [Told("1 message(s) to an admin could not be delivered in the last hour; /alerts lists every alert", BOT)],
    ),
    Case("AlertsGivenUp", "one of long ago", given_up(becoming(1, at=300)), 4200, change=("expr", "[1h]", "[2h]")),
    Case(
        "AlertsGivenUp",
        "messages that were repeated",
        series("doradura_alert_deliveries_total", becoming(3, at=600), outcome="retried"),
        660,
        change=("expr", 'outcome="failed"', 'outcome="retried"'),
    ),
]

RESTARTING = "bot:8080 has started {} times within a short time: it crashes, or something restarts it"
RESTARTS = [
    Case(
        "BotRestarting",
        "down for 45 s of every three minutes",
        [
            *started(lambda now: GONE if now % 180 < 45 else now - now % 180),
            *series("up", lambda now: float(now % 180 >= 45), job="doradura-bot"),
        ],
        600,
        [Told(RESTARTING.format(4), JOB)],
    ),
    Case(
        "BotRestarting",
        "eight kills in a minute, of which few scrapes see anything",
        [
            *started(lambda now: GONE if 600 <= now < 660 else 650 if now >= 660 else -86400),
            *unclean(lambda now: GONE if 600 <= now < 660 else 11 if now >= 660 else 3),
        ],
        690,
        [Told(RESTARTING.format(8), JOB)],
    ),
    Case(
        "BotRestarting",
        "two kills in an hour",
        unclean(lambda now: 5 + (now >= 4200) + (now >= 6000)),
        6060,
        [Told(RESTARTING.format(2), JOB)],
    ),
    Case(
        "BotRestarting",
        "two kills after two hours in which the machine was off",
        [
            *unclean(lambda now: GONE if 600 <= now < 7800 else 7 if now >= 7800 else 5),
            *started(lambda now: GONE if 600 <= now < 7800 else 7790 if now >= 7800 else -86400),
        ],
        7830,
        [Told(RESTARTING.format(2), JOB)],
    ),
    Case(
        "BotRestarting",
        "the first of three starts is the first that was ever seen",
        started(lambda now: 60 if now < 300 else 300 if now < 600 else 600),
        660,
        [Told(RESTARTING.format(3), JOB)],
    ),
    Case(
        "BotRestarting",
        "Prometheus was away for five hours, in which the power failed twice",
        [
            *unclean(lambda now: GONE if 600 <= now < 18600 else 7 if now >= 18600 else 5),
            *started(lambda now: GONE if 600 <= now < 18600 else 12000 if now >= 18600 else -86400),
        ],
        18630,
        change=("expr", "< 3600", "< 36000"),
    ),
    Case("BotRestarting", "two starts", starts(600, 900), 960, change=("expr", ">= 3", ">= 2")),
    Case(
        "BotRestarting",
        "three starts in forty minutes",
        starts(600, 1800, 3000),
        3060,
        change=("expr", "[30m]", "[1h]"),
    ),
    Case(
        "BotRestarting",
        "a power cut",
        [*starts(600), *unclean(becoming(1, at=600))],
        660,
        change=("expr", ">= 2", ">= 1"),
    ),
    Case(
        "BotRestarting",
        "a Prometheus that is new sees a bot with a past",
        [*starts(0), *unclean(constant(12))],
        660,
        change=(
            "expr",
            "doradura_unclean_starts_total - min_over_time(doradura_unclean_starts_total[1h])",
            "doradura_unclean_starts_total",
        ),
    ),
]

LIMITS = [
    Case(
        "MemoryNearLimit",
        "the container's memory is nearly used up",
        [
            *series("process_memory_limit_bytes", constant(1e9)),
            *series("process_memory_available_bytes", constant(5e7)),
        ],
        900,
        [
            Told(
                "bot:8080: 95% of the available memory is used; at 100% the system kills a download, or the bot",
                BOT,
            )
        ],
    ),
    Case(
        "MemoryNearLimit",
        "nine tenths are used",
        series("process_memory_available_bytes", constant(8e8)),
        900,
        change=("expr", "> 90", "> 89"),
    ),
    Case(
        "MemoryNearLimit",
        "one large conversion",
        series("process_memory_available_bytes", becoming(1e8, at=600, before=6e9)),
        1170,
        change=NO_WAITING,
    ),
    Case(
        "DescriptorsNearLimit",
        "900 of 1024",
        series("process_open_fds", constant(900), instance="bot2:8080"),
        600,
        [Told("bot2:8080: 88% of the allowed open files and connections are used", {"instance": "bot2:8080"})],
        instances=FIVE,
    ),
    Case(
        "DescriptorsNearLimit",
        "800 of 1024",
        series("process_open_fds", constant(800)),
        600,
        change=("expr", "> 80", "> 78"),
    ),
    Case(
        "DescriptorsNearLimit",
        "many, not yet for five minutes",
        series("process_open_fds", becoming(1000, at=600, before=40)),
        870,
        change=NO_WAITING,
    ),
]

CASES = [*FEW_DOWNLOADS, *CHECKS, *FAULTS, *RESTARTS, *LIMITS]
