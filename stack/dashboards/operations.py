"""Operations: where time goes and what fails, from the link to the file."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from stack.dashboards.frame import Section, page
from stack.dashboards.look import (
    BLUE,
    BYTES,
    BYTES_PER_SECOND,
    GREEN,
    ORANGE,
    PER_MINUTE,
    PINK,
    RED,
    SECONDS,
    SHARE,
    SKY,
    figure,
    heat,
    lines,
    states,
)
from stack.dashboards.program import program
from stack.dashboards.queries import USER_REASONS, Query, average, buckets, per_minute, quantile

DURATION = "doradura_download_duration_seconds"
WAIT = "doradura_queue_wait_time_seconds"
SIZE = "doradura_download_size_bytes"


def operations() -> str:
    """Return the dashboard's JSON."""
    return page(
        "operations",
        "Doradura: Operations",
        "Where the time goes and what fails: downloads, sites, the queue, Telegram, the program itself.",
        [
            Section("Downloads", _downloads()),
            Section("Files and sites", [*_files(), *_sites()]),
            Section("Queue", _queue()),
            Section("Telegram", _telegram()),
            Section("Program", program()),
        ],
    )


def _success_share(matching: str = "") -> str:
    """Return delivered / (delivered + failed), the failures narrowed by a matcher; no line without traffic."""
    delivered = "sum(rate(doradura_download_success_total{@}[$window]))"
    failed = f"sum(rate(doradura_download_failure_total{{@{matching}}}[$window]))"
    return f"{delivered} / (({delivered} + {failed}) > 0)"


def _downloads() -> list[Panel]:
    return [
        lines(
            "Success rate",
            "Delivered of all that ended, and the same without failures caused by the user or the site.",
            Query(_success_share(), "of all"),
            Query(_success_share(f', reason!~"{USER_REASONS}"'), "of those we could have delivered"),
            unit=SHARE,
            maximum=1,
            colours={"of all": SKY, "of those we could have delivered": BLUE},
            limits=[(0.9, ORANGE)],
            alerts=["LowSuccessRate", "HighErrorRate"],
        ),
        lines(
            "Jobs in a worker",
            "What is being downloaded now, by format.",
            Query("sum by (format) (doradura_downloads_in_progress{@})", "{{format}}"),
            stacked=True,
        ),
        lines(
            "Failures caused by us",
            "Each minute, by reason. These are errors: the alerts count them.",
            Query(
                "60 * sum by (reason) (rate("
                f'doradura_download_failure_total{{@, reason!~"{USER_REASONS}"}}[$__rate_interval]))',
                "{{reason}}",
            ),
            unit=PER_MINUTE,
            stacked=True,
            alerts=["HighErrorRate", "DownloadsFailing", "BotCheckRefusals"],
        ),
        lines(
            "Failures caused by the user or the site",
            "Each minute, by reason: dead links, private videos, files too large. They don't fire alerts.",
            Query(
                "60 * sum by (reason) (rate("
                f'doradura_download_failure_total{{@, reason=~"{USER_REASONS}"}}[$__rate_interval]))',
                "{{reason}}",
            ),
            unit=PER_MINUTE,
            stacked=True,
        ),
        lines(
            "Average duration",
            "From when a worker takes a job to its end, by format: seconds spent by jobs that ended.",
            average(DURATION, "{{format}}", "format"),
            unit=SECONDS,
        ),
        heat(
            "Distribution of durations",
            "How many jobs took how long, over time: two bands mean two kinds of work.",
            buckets(DURATION),
        ),
        lines(
            "Retries",
            "Attempts repeated each minute, by why the previous one failed.",
            per_minute("doradura_download_retries_total", "reason"),
            unit=PER_MINUTE,
            size=(8, 8),
        ),
        lines(
            "Cancelled",
            "Jobs cancelled by their user each minute, by format.",
            per_minute("doradura_download_cancelled_total", "format"),
            unit=PER_MINUTE,
            size=(8, 8),
        ),
        lines(
            "Extraction",
            "Time to find a link's title and formats.",
            quantile(0.5, "doradura_extraction_duration_seconds", "p50"),
            quantile(0.95, "doradura_extraction_duration_seconds", "p95"),
            average("doradura_extraction_duration_seconds", "average"),
            unit=SECONDS,
            size=(8, 8),
            colours={"p50": GREEN, "p95": BLUE, "average": ORANGE},
        ),
    ]


def _files() -> list[Panel]:
    return [
        lines(
            "Average size",
            "Of delivered files, by kind.",
            average(SIZE, "{{kind}}", "kind"),
            unit=BYTES,
            size=(8, 8),
        ),
        heat("Distribution of sizes", "How many files were how large.", buckets(SIZE), unit=BYTES, size=(8, 8)),
        lines(
            "Traffic",
            "Bytes fetched from sites and sent to Telegram.",
            Query("sum(rate(doradura_download_bytes_total{@}[$__rate_interval]))", "fetched"),
            Query("sum(rate(doradura_upload_bytes_total{@}[$__rate_interval]))", "sent"),
            unit=BYTES_PER_SECOND,
            colours={"fetched": BLUE, "sent": ORANGE},
            size=(8, 8),
        ),
        lines(
            "Sending a file",
            "Only the upload, by kind.",
            average("doradura_upload_duration_seconds", "{{kind}}, average", "kind"),
            quantile(0.95, "doradura_upload_duration_seconds", "{{kind}}, p95", "kind"),
            unit=SECONDS,
            size=(8, 8),
        ),
        lines(
            "Files sent before",
            "Lookups of a file that Telegram has already: a hit saves all work, a stale one is fetched again.",
            per_minute("doradura_file_cache_lookups_total", "outcome"),
            unit=PER_MINUTE,
            colours={"hit": BLUE, "miss": SKY, "stale": ORANGE},
            size=(8, 8),
        ),
        figure(
            "Deliveries unconfirmed",
            "Files sent whose answer never came, in the window: the one case in which a file may come twice.",
            Query("sum(increase(doradura_deliveries_unconfirmed_total{@}[$window]))"),
            steps=[(1, ORANGE)],
            size=(8, 8),
        ),
    ]


def _sites() -> list[Panel]:
    return [
        lines(
            "Delivered, by site",
            "Files each minute, by where they came from.",
            Query(
                'sum by (site) (60 * rate(doradura_site_downloads_total{@, outcome="success"}[$__rate_interval]))',
                "{{site}}",
            ),
            unit=PER_MINUTE,
            stacked=True,
            size=(8, 8),
        ),
        lines(
            "Failed, by site",
            "Jobs each minute, whoever caused it.",
            Query(
                'sum by (site) (60 * rate(doradura_site_downloads_total{@, outcome="failure"}[$__rate_interval]))',
                "{{site}}",
            ),
            unit=PER_MINUTE,
            stacked=True,
            size=(8, 8),
            alerts=["SiteBroken"],
        ),
        lines(
            "Links refused, by site",
            "Links each minute whose probe failed: no download followed.",
            Query(
                'sum by (site) (60 * rate(doradura_link_looks_total{@, outcome="refused"}[$__rate_interval]))',
                "{{site}}",
            ),
            unit=PER_MINUTE,
            stacked=True,
            size=(8, 8),
        ),
        states(
            "Sites paused",
            "A site that fails again and again is paused for a while; of several bots, paused on any.",
            Query("max by (site) (doradura_site_breaker_open{@})", "{{site}}"),
            words={"0": "working", "1": "paused"},
            base=BLUE,
            steps=[(1, RED)],
            size=(8, 8),
            alerts=["SiteBroken"],
        ),
        lines(
            "Connections",
            "Connections that workers asked the gate for, each minute, counted when their job ends: refused by our own"
            " rules (a private address, too many), or failed at the site, its name or the proxy.",
            per_minute("doradura_gate_connections_total", "outcome"),
            unit=PER_MINUTE,
            colours={"connected": BLUE, "refused": ORANGE, "failed": RED},
            size=(8, 8),
        ),
    ]


def _queue() -> list[Panel]:
    return [
        lines(
            "Waiting",
            "Jobs waiting for a worker.",
            Query("max(doradura_queue_depth{@})", "waiting"),
            colours={"waiting": BLUE},
            limits=[(100, RED)],
            size=(8, 8),
            alerts=["QueueBackup"],
        ),
        lines(
            "Oldest waiting job",
            "How long the oldest waiting job has been waiting.",
            Query("max(doradura_queue_oldest_job_age_seconds{@})", "age"),
            unit=SECONDS,
            colours={"age": BLUE},
            limits=[(900, RED)],
            size=(8, 8),
            alerts=["QueueBackup"],
        ),
        lines(
            "Refused",
            "Jobs not accepted each minute: the queue full, the user's limit reached, no space, the bot blocked.",
            per_minute("doradura_queue_rejected_total", "reason"),
            unit=PER_MINUTE,
            size=(8, 8),
        ),
        lines(
            "Time waited",
            "From accepted to started, by plan.",
            quantile(0.5, WAIT, "{{plan}}, p50", "plan"),
            quantile(0.95, WAIT, "{{plan}}, p95", "plan"),
            average(WAIT, "{{plan}}, average", "plan"),
            unit=SECONDS,
            size=(8, 8),
        ),
        heat("Distribution of time waited", "How many jobs waited how long.", buckets(WAIT), size=(8, 8)),
        lines(
            "Worker start",
            "From handing over a job until its process runs.",
            quantile(0.95, "doradura_worker_start_seconds", "p95"),
            average("doradura_worker_start_seconds", "average"),
            unit=SECONDS,
            colours={"p95": BLUE, "average": ORANGE},
            size=(8, 8),
        ),
    ]


def _telegram() -> list[Panel]:
    request = "doradura_telegram_request_duration_seconds"
    return [
        lines(
            "Calls",
            "Bot API calls each minute, by method.",
            per_minute("doradura_telegram_requests_total", "method"),
            unit=PER_MINUTE,
        ),
        lines(
            "Calls that failed",
            "Each minute, in total and by outcome; an outcome has a line once it has occurred.",
            Query(
                "60 * (sum(rate(doradura_telegram_requests_total{@}[$__rate_interval])) - "
                'sum(rate(doradura_telegram_requests_total{@, outcome="ok"}[$__rate_interval])))',
                "all",
            ),
            Query(
                '60 * sum by (outcome) (rate(doradura_telegram_requests_total{@, outcome!="ok"}[$__rate_interval]))',
                "{{outcome}}",
            ),
            unit=PER_MINUTE,
            alerts=["TelegramUnreachable"],
        ),
        lines(
            "Duration of calls",
            "Without the long poll, by kind.",
            average(request, "{{kind}}, average", "kind"),
            quantile(0.95, request, "{{kind}}, p95", "kind"),
            unit=SECONDS,
        ),
        heat("Distribution of calls", "How many calls took how long.", buckets(request)),
        lines(
            "Waits for Telegram's limits",
            "Calls each minute that had to wait: because of a 429 from Telegram, or our own pacing.",
            per_minute("doradura_telegram_rate_limited_total", "source"),
            unit=PER_MINUTE,
            colours={"server": RED, "local": BLUE},
            size=(8, 8),
            alerts=["RateLimitedByTelegram"],
        ),
        lines(
            "Last answer of the long poll",
            "How long ago each bot's last long poll was completed; an idle bot completes one about every 45 s.",
            Query("time() - max by (instance) (doradura_telegram_last_poll_timestamp_seconds{@})", "{{instance}}"),
            unit=SECONDS,
            limits=[(120, RED)],
            size=(8, 8),
            alerts=["TelegramUnreachable"],
        ),
        figure(
            "Poll conflicts",
            "Long polls refused in the window because another program uses the same token.",
            Query("sum(increase(doradura_telegram_poll_conflicts_total{@}[$window]))"),
            steps=[(1, PINK)],
            size=(8, 8),
            alerts=["PollConflict"],
        ),
    ]
