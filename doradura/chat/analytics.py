"""/analytics: how the downloads of the last day, week or month ended, with a chart if one can be drawn.

All numbers are counted in the database at that moment (`storage.reports`), so they survive restarts. The chart is a
photo with the text as its caption. If none can be drawn, the text has a row of block characters instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from doradura.charts import Chart, ChartLine
from doradura.chat.conversation import Command, Conversation
from doradura.chat.figures import count_text, percent_text, ranking_text, span_text, sparkline
from doradura.chat.handling import Handling
from doradura.chat.pictures import Pictures
from doradura.chat.texts import Texts, size_text
from doradura.clock import Clock
from doradura.media.reasons import OUR_REASONS
from doradura.storage import Connection, Storage, reports
from doradura.storage.reports import Span

HOUR_MS = 3600 * 1000
RANKED = 5
"""Entries of a ranking. Even with the longest texts, the whole must fit into a photo's caption (1,024 characters)."""
REFUSED_RANKED = 3
"""The same for the sites whose probes failed, which are in brackets on one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A period that can be asked for."""

    word: str
    length_ms: int
    steps: int
    """The number of bars in the chart."""
    labelled: int
    """How many bars are between two labels of the time axis."""


WINDOWS = (
    Window(word="24h", length_ms=24 * HOUR_MS, steps=24, labelled=6),
    Window(word="7d", length_ms=7 * 24 * HOUR_MS, steps=7, labelled=1),
    Window(word="30d", length_ms=30 * 24 * HOUR_MS, steps=30, labelled=6),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """The numbers of a report, all of the same moment."""

    jobs: reports.Tally
    people: reports.People
    queue: reports.Queue


def analyse(db: Connection, window: Window, now: int) -> Analysis:
    """Count what happened in a period that ends at `now` (ms since 1970)."""
    span = Span.last(window.length_ms, now)
    return Analysis(
        jobs=reports.tally(db, span, window.steps),
        people=reports.people(db, span),
        queue=reports.queue(db, now),
    )


class Analytics(Conversation):
    """Answers /analytics."""

    def __init__(self, storage: Storage, clock: Clock, pictures: Pictures) -> None:
        self._storage = storage
        self._clock = clock
        self._pictures = pictures

    async def report(self, handling: Handling, rest: str) -> None:
        """Answer /analytics [24h|7d|30d]. Raises TelegramError and StorageError."""
        t = handling.texts
        word = rest.lower() or WINDOWS[0].word
        window = next((window for window in WINDOWS if window.word == word), None)
        if window is None:
            allowed = ", ".join(f"/analytics {known.word}" for known in WINDOWS)
            await handling.reply(t("analytics.unknown", word=rest[:40], allowed=allowed))
            return
        now = self._clock()
        # First, so that the numbers include the admin who asks, and a lost answer causes no second chart.
        await handling.mark_handled()
        found = await self._storage.read(lambda db: analyse(db, window, now))
        if any((*found.jobs.delivered, *found.jobs.failed)) and self._pictures.available:
            caption = report_text(t, window, found, drawn=True)
            if await self._pictures.send(handling, chart_of(t, window, found), caption, "analytics.png"):
                return
        await handling.reply(report_text(t, window, found, drawn=False))

    COMMANDS = (Command("analytics", report, admin=True),)


def chart_of(t: Texts, window: Window, found: Analysis) -> Chart:
    """Return the chart: one bar for each part of the period, the last of which ends now."""
    delivered, failed = found.jobs.delivered, found.jobs.failed
    step_seconds = window.length_ms / window.steps / 1000
    labelled = range(0, window.steps + 1, window.labelled)
    ticks = [(float(at), _before(t, (window.steps - at) * step_seconds)) for at in labelled]
    ticks[0] = (0.0, t.plain("analytics.chart.ago", time=ticks[0][1]))
    return Chart(
        title=t.plain("analytics.chart", window=t.plain(f"window.{window.word}")),
        kind="bars",
        positions=tuple(at + 0.5 for at in range(window.steps)),
        lines=(
            ChartLine(t.plain("analytics.chart.delivered"), tuple(map(float, delivered)), "good"),
            ChartLine(t.plain("analytics.chart.failed"), tuple(map(float, failed)), "bad"),
        ),
        ticks=tuple(ticks),
        whole=True,
    )


def _before(t: Texts, seconds: float) -> str:
    if seconds == 0:
        return t.plain("analytics.chart.now")
    if seconds % 86_400 or seconds <= 86_400:
        return t.plain("span.h", count=round(seconds / 3600))
    return t.plain("span.d", count=round(seconds / 86_400))


def report_text(t: Texts, window: Window, found: Analysis, *, drawn: bool) -> str:
    """Return the report's text (HTML); `drawn` if it is the caption of a chart."""
    title = t("analytics.title", window=t.plain(f"window.{window.word}"))
    ended = found.jobs.ended
    if not any((ended.delivered, ended.failed, ended.cancelled, ended.refused)):
        blocks = [t("analytics.none", window=t.plain(f"window.{window.word}"))]
    else:
        blocks = [ended_text(t, found)]
        if not drawn:
            every = [good + bad for good, bad in zip(found.jobs.delivered, found.jobs.failed, strict=True)]
            blocks.insert(0, t("analytics.spark", line=sparkline(every)))
        rankings = [
            *([t("analytics.formats", list=ranking_text(t, found.jobs.formats, RANKED))] if found.jobs.formats else []),
            *([t("analytics.sites", list=ranking_text(t, found.jobs.sites, RANKED))] if found.jobs.sites else []),
            *([t("analytics.reasons", list=ranking_text(t, found.jobs.reasons, RANKED))] if found.jobs.reasons else []),
        ]
        blocks += ["\n".join(rankings)] if rankings else []
    blocks.append("\n".join([_people_text(t, found.people), queue_text(t, found.queue)]))
    return "\n\n".join([title, *blocks])


def ended_text(t: Texts, found: Analysis) -> str:
    """Return the lines that say how many jobs ended how, and how long they took."""
    ended = found.jobs.ended
    ours = sum(count for reason, count in found.jobs.reasons.items() if reason in OUR_REASONS)
    lines = [
        t.counted(
            "analytics.delivered", ended.delivered, shown=count_text(t, ended.delivered), size=size_text(t, ended.bytes)
        )
        if ended.delivered
        else t("analytics.nothing_delivered")
    ]
    if ended.failed:
        lines.append(
            t(
                "analytics.failed" if ours else "analytics.failed_none_ours",
                count=count_text(t, ended.failed),
                ours=count_text(t, ours),
            )
        )
    if ended.refused:
        sites = ranking_text(t, found.jobs.refused_sites, REFUSED_RANKED)
        lines.append(t.counted("analytics.refused", ended.refused, shown=count_text(t, ended.refused), list=sites))
    if ended.cancelled:
        lines.append(t("analytics.cancelled", count=count_text(t, ended.cancelled)))
    if ended.success_rate is not None:
        lines.append(t("analytics.rate", percent=percent_text(t, ended.success_rate)))
    if found.jobs.durations is not None:
        half, most = span_text(t, found.jobs.durations.p50), span_text(t, found.jobs.durations.p95)
        lines.append(t("analytics.durations", half=half, most=most))
    if ended.again:
        lines.append(t.counted("analytics.again", ended.again, shown=count_text(t, ended.again)))
    return "\n".join(lines)


def _people_text(t: Texts, people: reports.People) -> str:
    return t.counted(
        "analytics.people", people.active, shown=count_text(t, people.active), new=count_text(t, people.new)
    )


def queue_text(t: Texts, queue: reports.Queue) -> str:
    """Return the line that says how many jobs wait and how many are in progress now."""
    if not queue.waiting and not queue.running:
        return t("figures.queue_idle")
    if not queue.waiting:
        return t("figures.queue_empty", running=count_text(t, queue.running))
    return t(
        "figures.queue",
        waiting=count_text(t, queue.waiting),
        oldest=span_text(t, queue.oldest_seconds),
        running=count_text(t, queue.running),
    )
