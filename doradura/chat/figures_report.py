"""/metrics: the bot's metrics as a message, by subject.

Numbers about a period are counted in the database at that moment. Numbers that only the program's own counters have
(errors, Telegram's answers) are shown as "since the start".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from doradura.chat.analytics import HOUR_MS, RANKED, queue_text
from doradura.chat.conversation import Command, Conversation
from doradura.chat.figures import count_text, percent_text, ranking_text, span_text
from doradura.chat.handling import Handling
from doradura.chat.texts import Texts, size_text
from doradura.clock import Clock
from doradura.health import HealthReport
from doradura.metrics import Metrics
from doradura.metrics.reading import counted
from doradura.storage import Connection, Storage, reports, users
from doradura.storage.reports import DAY_MS, Span


class FiguresReport(Conversation):
    """Answers /metrics."""

    def __init__(
        self, storage: Storage, clock: Clock, metrics: Metrics, health: Callable[[], Awaitable[HealthReport]]
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._sections: Mapping[str, Callable[[Handling], Awaitable[str]]] = {
            "performance": self._performance,
            "business": self._business,
            "engagement": self._engagement,
            "system": self._system,
        }
        """By subject: the function that returns its text. In the order of the message."""

    async def report(self, handling: Handling, rest: str) -> None:
        """Answer /metrics [performance|business|engagement|system]; without a subject, all of them.

        Raises TelegramError and StorageError.
        """
        word = rest.lower()
        if word and word not in self._sections:
            allowed = ", ".join(f"/metrics {known}" for known in self._sections)
            await handling.reply(handling.texts("metrics.unknown", word=rest[:40], allowed=allowed))
            return
        await handling.mark_handled()  # first, so that the numbers include the admin who asks
        wanted = [self._sections[word]] if word else list(self._sections.values())
        await handling.reply("\n\n".join([await section(handling) for section in wanted]))

    async def _performance(self, handling: Handling) -> str:
        now = self._clock()
        return await self._storage.read(lambda db: performance_text(handling.texts, db, now))

    async def _business(self, handling: Handling) -> str:
        now = self._clock()
        return await self._storage.read(lambda db: business_text(handling.texts, db, now))

    async def _engagement(self, handling: Handling) -> str:
        now = self._clock()
        return await self._storage.read(lambda db: engagement_text(handling.texts, db, now))

    async def _system(self, handling: Handling) -> str:
        return system_text(handling.texts, self._metrics, await self._health())

    COMMANDS = (Command("metrics", report, admin=True),)


def performance_text(t: Texts, db: Connection, now: int) -> str:
    """Return the text (HTML) on the downloads of the last 24 hours. `now` is in ms since 1970."""
    day = Span.last(DAY_MS, now)
    found = reports.tally(db, day)
    ended, durations = found.ended, found.durations
    lines = [t("metrics.performance")]
    if ended.success_rate is None:
        lines.append(t("metrics.no_downloads"))
    else:
        hour = reports.tally(db, Span.last(HOUR_MS, now)).ended
        lines += [
            t(
                "metrics.rate",
                count=count_text(t, ended.delivered + ended.failed + ended.refused),
                percent=percent_text(t, ended.success_rate),
            ),
            t("metrics.hour", count=count_text(t, hour.delivered + hour.failed + hour.refused)),
        ]
    if durations is not None:
        spans = {name: span_text(t, getattr(durations, name)) for name in ("mean", "p50", "p95", "p99", "longest")}
        lines.append(
            t(
                "metrics.durations",
                mean=spans["mean"],
                p50=spans["p50"],
                p95=spans["p95"],
                p99=spans["p99"],
                longest=spans["longest"],
            )
        )
    if ended.delivered:
        average = size_text(t, ended.bytes / ended.delivered)
        lines.append(t("metrics.sizes", total=size_text(t, ended.bytes), average=average))
    lines.append(queue_text(t, reports.queue(db, now)))
    return "\n".join(lines)


def business_text(t: Texts, db: Connection, now: int) -> str:
    """Return the text (HTML) on deliveries by plan, payments and subscriptions of the last 30 days."""
    month = Span.last(30 * DAY_MS, now)
    plans, money = reports.tally(db, month).plans, reports.money(db, month)
    lines = [
        t("metrics.business"),
        t("metrics.plans", list=ranking_text(t, plans, RANKED)) if plans else t("metrics.no_plans"),
    ]
    if money.received_ever:
        lines += [
            t("metrics.stars", received=count_text(t, money.received), refunded=count_text(t, money.refunded)),
            t(
                "metrics.stars_ever",
                received=count_text(t, money.received_ever),
                refunded=count_text(t, money.refunded_ever),
            ),
            t("metrics.subscriptions_new", count=count_text(t, money.begun)),
        ]
    else:
        lines.append(t("metrics.no_payments"))
    if money.active:
        lines.append(t("metrics.subscriptions", list=ranking_text(t, money.active, RANKED)))
    if money.failures:
        lines.append(t("metrics.payment_failures", list=ranking_text(t, money.failures, RANKED)))
    return "\n".join(lines)


def engagement_text(t: Texts, db: Connection, now: int) -> str:
    """Return the text (HTML) on the bot's users."""
    day, week, month = (reports.people(db, Span.last(days * DAY_MS, now)) for days in (1, 7, 30))
    blocked = reports.blocked(db)
    unknown = t.plain("metrics.language_unknown")
    languages = {code[:8] or unknown: count for code, count in sorted(users.languages(db).items(), key=_most_first)}
    lines = [
        t("metrics.engagement"),
        t(
            "metrics.active",
            day=count_text(t, day.active),
            week=count_text(t, week.active),
            month=count_text(t, month.active),
        ),
        t("metrics.new", day=count_text(t, day.new), week=count_text(t, week.new), month=count_text(t, month.new)),
        t("metrics.got", count=count_text(t, reports.downloaders(db, Span.last(DAY_MS, now)))),
        t("metrics.actions", count=count_text(t, reports.actions(db, now // DAY_MS))),
        t("metrics.registered", count=count_text(t, users.registered(db)), blocked=count_text(t, blocked)),
    ]
    if languages:
        lines.append(t("metrics.languages", list=ranking_text(t, languages, RANKED)))
    return "\n".join(lines)


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def system_text(t: Texts, metrics: Metrics, report: HealthReport) -> str:
    """Return the text (HTML) on the program itself since its start."""
    registry = metrics.registry
    errors = counted(registry, "doradura_errors_total", "category")
    calls = counted(registry, "doradura_telegram_requests_total", "outcome")
    memory = counted(registry, "process_resident_memory_bytes").get("", 0.0)
    disk = counted(registry, "doradura_disk_free_bytes").get("", 0.0)
    bad = {outcome: count for outcome, count in calls.items() if outcome != "ok"}
    lines = [
        t("metrics.system"),
        t("metrics.up", time=span_text(t, report.uptime_seconds), version=report.version),
        t("metrics.errors", list=ranking_text(t, errors, RANKED)) if errors else t("metrics.no_errors"),
        t("metrics.calls", count=count_text(t, sum(calls.values()))),
        *([t("metrics.bad_calls", list=ranking_text(t, bad, RANKED))] if bad else []),
        *([t("metrics.memory", size=size_text(t, memory))] if memory else []),
        *([t("metrics.disk", size=size_text(t, disk))] if disk else []),
        t(f"metrics.health.{report.status}"),
    ]
    return "\n".join(lines)
