"""The critical alerts: when they speak, what they say, and when they keep quiet."""

from __future__ import annotations

from tests.integration.rules.promtool import (
    GONE,
    Case,
    Series,
    Told,
    Value,
    absent,
    becoming,
    constant,
    growing,
    series,
    taken_away,
)

FIVE = tuple(f"bot{number}:8080" for number in range(1, 6))
OWN_REASONS = ('internal"', 'internal|gone"')
"""The change that makes a user's dead link a reason of ours."""
NO_WAITING = ("for", "", "0s")
BOT = {"instance": "bot:8080"}


def downloads(good: float, bad: float, reason: str = "site_error", since: float = 0, **labels: str) -> list[Series]:
    """Downloads a minute that go well and that fail."""
    return [
        *series("doradura_download_success_total", growing(good, since=since), format="mp3", quality="320k", **labels),
        *series("doradura_download_failure_total", growing(bad, since=since), format="mp3", reason=reason, **labels),
    ]


def waiting(jobs: float, age_seconds: float = 0) -> list[Series]:
    """A queue that stays as it is."""
    return [
        *series("doradura_queue_depth", constant(jobs)),
        *series("doradura_queue_oldest_job_age_seconds", constant(age_seconds)),
    ]


def away(since: float, until: float, before: float, after: float) -> Value:
    """A value of a bot that is not scraped for a while, and is another one when it is back."""
    return lambda now: GONE if since <= now < until else after if now >= until else before


def polled_until(end: float, **labels: str) -> list[Series]:
    """A bot whose polls complete until then."""
    return series("doradura_telegram_last_poll_timestamp_seconds", lambda now: min(now - now % 45, end), **labels)


def storage_errors(number: float, *, at: float, category: str = "storage") -> list[Series]:
    """Errors that are counted at once."""
    return series("doradura_errors_total", becoming(number, at=at), category=category)


def started(at: Value) -> list[Series]:
    """When the process began that is there now."""
    return series("process_start_time_seconds", at)


def payment_failures(number: float, *, at: float) -> list[Series]:
    """Payments that were paid and not booked."""
    return series("doradura_payment_failures_total", becoming(number, at=at), reason="not_booked")


HIGH_ERROR_RATE = [
    Case(
        "HighErrorRate",
        "12 % fail by our doing",
        downloads(88, 12),
        600,
        [Told("12% of downloads failed in the last 5 minutes", BOT)],
    ),
    Case(
        "HighErrorRate",
        "four that do well do not dilute the fifth's failures",
        [*downloads(100, 0), *downloads(1, 1, instance="bot3:8080")],
        900,
        [Told("bot3:8080: 50% of downloads failed in the last 5 minutes", {"instance": "bot3:8080"})],
        instances=FIVE,
    ),
    Case(
        "HighErrorRate",
        "none of five has five downloads, all together have",
        downloads(0.3, 0.2),
        900,
        instances=FIVE,
        change=("expr", ">= 5", ">= 2"),
    ),
    Case("HighErrorRate", "9.9 % fail", downloads(901, 99), 900, change=("expr", "> 10", "> 9")),
    Case(
        "HighErrorRate",
        "half fail, of links that are dead",
        downloads(50, 50, "gone"),
        900,
        change=("expr", *OWN_REASONS),
    ),
    Case(
        "HighErrorRate",
        "four downloads in five minutes, all failed",
        downloads(0, 0.8),
        1200,
        change=("expr", ">= 5", ">= 3"),
    ),
    Case("HighErrorRate", "half fail, not yet for five minutes", downloads(50, 50, since=600), 870, change=NO_WAITING),
]

QUEUE_BACKUP = [
    Case(
        "QueueBackup",
        "150 wait for five minutes",
        waiting(150, 120),
        315,
        [Told("150 downloads are waiting, the oldest for 2m 0s", BOT)],
    ),
    Case(
        "QueueBackup",
        "few wait, one of them for over 15 minutes",
        [*series("doradura_queue_depth", constant(3)), *series("doradura_queue_oldest_job_age_seconds", growing(60))],
        930,
        [Told("3 downloads are waiting, the oldest for 15m 30s", BOT)],
    ),
    Case(
        "QueueBackup",
        "the queue of one of five",
        [
            *waiting(7, 30),
            *series("doradura_queue_depth", constant(150), instance="bot2:8080"),
            *series("doradura_queue_oldest_job_age_seconds", constant(60), instance="bot2:8080"),
        ],
        900,
        [Told("bot2:8080: 150 downloads are waiting, the oldest for 1m 0s", {"instance": "bot2:8080"})],
        instances=FIVE,
    ),
    Case(
        "QueueBackup",
        "five queues of 30 are no queue of 150",
        waiting(30),
        900,
        instances=FIVE,
        change=("expr", "max by (instance) (", "sum("),
    ),
    Case("QueueBackup", "100 wait", waiting(100), 900, change=("expr", "> 100", "> 99")),
    Case(
        "QueueBackup",
        "one has waited for 15 minutes and no longer",
        waiting(1, 900),
        1200,
        change=("expr", "> 900", "> 899"),
    ),
    Case(
        "QueueBackup",
        "a bot starts with a full queue",
        series("doradura_queue_depth", lambda now: 150 if now >= 600 else GONE),
        870,
        change=("expr", "and max by (instance) (doradura_queue_depth offset 5m) > 100", ""),
    ),
    Case(
        "QueueBackup",
        "a full queue got shorter a short while ago",
        series("doradura_queue_depth", lambda now: 50 if 690 <= now < 750 else 150),
        930,
        change=("expr", "[5m]", "[1m]"),
    ),
]

PAYMENT_FAILURES = [
    Case(
        "PaymentFailures",
        "one is enough, at once",
        payment_failures(1, at=600),
        600,
        [Told("1 payment(s) failed in the last 5 minutes: not_booked", {**BOT, "reason": "not_booked"})],
    ),
    Case(
        "PaymentFailures",
        "two of one of five bots",
        series("doradura_payment_failures_total", becoming(2, at=600), reason="not_booked", instance="bot1:8080"),
        660,
        [
            Told(
                "bot1:8080: 2 payment(s) failed in the last 5 minutes: not_booked",
                {"instance": "bot1:8080", "reason": "not_booked"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "PaymentFailures",
        "one that was counted while nobody scraped, as the bot was down",
        series("doradura_payment_failures_total", away(300, 1500, 4, 5), reason="not_booked"),
        1530,
        [Told("1 payment(s) failed in the last 5 minutes: not_booked", {**BOT, "reason": "not_booked"})],
    ),
    Case(
        "PaymentFailures",
        "money that moved though nothing is sold",
        storage_errors(1, at=600, category="payment"),
        660,
        [Told("1 payment(s) failed in the last 5 minutes: money moved although nothing is sold, see the log", BOT)],
    ),
    Case("PaymentFailures", "an old one", payment_failures(1, at=300), 660, change=("expr", "[5m]", "[10m]")),
]

BOT_DOWN = [
    Case(
        "BotDown",
        "one of five does not answer",
        series("up", becoming(0, at=600, before=1), instance="bot3:8080"),
        750,
        [Told("bot3:8080 has not answered Prometheus for 2 minutes", {"instance": "bot3:8080", "job": "doradura-bot"})],
        instances=FIVE,
    ),
    Case(
        "BotDown",
        "no answer for a minute and a half",
        series("up", becoming(0, at=600, before=1), job="doradura-bot"),
        690,
        change=NO_WAITING,
    ),
    Case(
        "BotDown",
        "another program is down",
        series("up", constant(0), job="alertmanager"),
        900,
        change=("expr", 'job="doradura-bot"', 'job=~".+"'),
    ),
]

INSTANCE_MISSING = [
    Case(
        "InstanceMissing",
        "there is no bot among the targets",
        series("up", absent(), job="doradura-bot"),
        150,
        [Told("Prometheus has no bot to monitor", {"job": "doradura-bot"})],
    ),
    Case(
        "InstanceMissing",
        "one of five is taken off the list",
        series("up", taken_away(600), instance="bot2:8080"),
        750,
        [
            Told(
                "bot2:8080 is no longer among Prometheus's targets. This alert ends after a quarter of an hour, "
                "whether it is put back or not",
                {"instance": "bot2:8080", "job": "doradura-bot"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "InstanceMissing",
        "a bot that is down is a target still",
        series("up", constant(0), job="doradura-bot"),
        900,
        change=("expr", 'absent(up{job="doradura-bot"})', 'up{job="doradura-bot"} == 0'),
    ),
    Case(
        "InstanceMissing",
        "missing for a minute and a half",
        series("up", taken_away(600), job="doradura-bot"),
        690,
        change=NO_WAITING,
    ),
    Case(
        "InstanceMissing",
        "taken off the list a quarter of an hour ago: nobody is told a second time",
        series("up", taken_away(600), instance="bot2:8080"),
        1530,
        instances=FIVE,
        change=("expr", "[15m]", "[1h]"),
    ),
]

TELEGRAM_UNREACHABLE = [
    Case(
        "TelegramUnreachable",
        "no poll completes for two minutes and a quarter",
        polled_until(585),
        720,
        [Told("The bot runs, but has not had an answer from Telegram for 2m 15s", BOT)],
    ),
    Case(
        "TelegramUnreachable",
        "no poll completes for two minutes",
        polled_until(585),
        705,
        change=("expr", "> 120", "> 119"),
    ),
    Case(
        "TelegramUnreachable",
        "one of five has lost Telegram, the others poll on",
        polled_until(585, instance="bot1:8080"),
        720,
        [
            Told(
                "bot1:8080: The bot runs, but has not had an answer from Telegram for 2m 15s",
                {"instance": "bot1:8080"},
            )
        ],
        instances=FIVE,
    ),
    Case(
        "TelegramUnreachable",
        "the bot itself is down",
        [*polled_until(600), *series("up", becoming(0, at=600, before=1), job="doradura-bot")],
        900,
        change=("expr", 'and on (instance) max by (instance) (min_over_time(up{job="doradura-bot"}[2m])) == 1', ""),
    ),
    Case(
        "TelegramUnreachable",
        "Prometheus itself stood still for two minutes, as a poll was late",
        [
            *series(
                "doradura_telegram_last_poll_timestamp_seconds",
                lambda now: GONE if now > 615 else min(now - now % 45, 540),
            ),
            *series("up", lambda now: GONE if now > 615 else 1, job="doradura-bot"),
        ],
        720,
        change=("expr", "timestamp(doradura_telegram_last_poll_timestamp_seconds)", "time()"),
    ),
    Case(
        "TelegramUnreachable",
        "the whole machine slept for four minutes and has just woken",
        [
            *series(
                "doradura_telegram_last_poll_timestamp_seconds",
                lambda now: GONE if 600 < now < 840 else min(now - now % 45, 585),
            ),
            *series("up", lambda now: GONE if 600 < now < 840 else 1, job="doradura-bot"),
        ],
        870,
        change=("expr", "> 50", "> 0"),
    ),
]

STORAGE_FAILING = [
    Case(
        "StorageFailing",
        "errors are counted, of a process that was up before",
        storage_errors(3, at=600),
        660,
        [Told("bot:8080: 3 database operation(s) failed in the last 5 minutes", {"instance": "bot:8080"})],
    ),
    Case(
        "StorageFailing",
        "the health check of one of five fails",
        series("doradura_health_status", becoming(0, at=600, before=1), check="storage", instance="bot4:8080"),
        660,
        [Told("bot4:8080: the database can't be written", {"instance": "bot4:8080"})],
        instances=FIVE,
    ),
    Case(
        "StorageFailing",
        "a crash loop: each process counts one error before its first scrape",
        [*storage_errors(1, at=0), *started(lambda now: now - now % 60)],
        660,
        [Told("bot:8080: 1 database operation(s) failed in the last 5 minutes", BOT)],
    ),
    Case(
        "StorageFailing",
        "a process that counted one error at its start, long ago",
        [*storage_errors(1, at=0), *started(constant(0))],
        660,
        change=("expr", "< 300", "< 900"),
    ),
    Case(
        "StorageFailing",
        "a check that fails once",
        series("doradura_health_status", becoming(0, at=600, before=1), check="storage"),
        615,
        change=NO_WAITING,
    ),
    Case(
        "StorageFailing",
        "a degraded check",
        series("doradura_health_status", constant(0.5), check="storage"),
        900,
        change=("expr", "== 0", "== 0.5"),
    ),
    Case(
        "StorageFailing",
        "errors of another kind",
        storage_errors(3, at=600, category="http"),
        660,
        change=("expr", 'category="storage"', 'category="http"'),
    ),
    Case("StorageFailing", "errors of long ago", storage_errors(3, at=300), 690, change=("expr", "[5m]", "[10m]")),
]

ALERT_DELIVERY_STALLED = [
    Case(
        "AlertDeliveryStalled",
        "a notice waits for six minutes",
        series("doradura_alert_oldest_undelivered_seconds", growing(60, since=300)),
        660,
        [Told("The oldest notice for an admin has been waiting for 6m 0s", BOT)],
    ),
    Case(
        "AlertDeliveryStalled",
        "Telegram is away, which is told as such",
        [*series("doradura_alert_oldest_undelivered_seconds", growing(60, since=300)), *polled_until(300)],
        900,
        change=("expr", "> 120", "> 1200"),
    ),
    Case(
        "AlertDeliveryStalled",
        "a notice waits for five minutes and no longer",
        series("doradura_alert_oldest_undelivered_seconds", constant(300)),
        900,
        change=("expr", "> 300", "> 299"),
    ),
]

CASES = [
    *HIGH_ERROR_RATE,
    *QUEUE_BACKUP,
    *PAYMENT_FAILURES,
    *BOT_DOWN,
    *INSTANCE_MISSING,
    *TELEGRAM_UNREACHABLE,
    *STORAGE_FAILING,
    *ALERT_DELIVERY_STALLED,
]
