"""The catalogue: name, labels, closed label values, buckets and meaning of every metric.

The names are a contract with the alert rules, the dashboards and the chat's reports. An attribute has its metric's name
without `doradura_`, `_total` and the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from doradura.metrics.exposition import PAYMENT_FAILURES, FamilySamples, expose
from doradura.metrics.labels import OTHER, Labelled
from doradura.metrics.late import LateGauge
from doradura.metrics.memory import MemoryCollector

OUTCOMES = ("success", "failure", "cancelled")
CATEGORIES = ("download", "telegram", "storage", "payment", "alert", "http", "internal")
NO_FORMAT = "none"
"""The format of a link that was refused before a format was chosen."""

DOWNLOAD_SECONDS = (0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1200)
QUEUE_SECONDS = (0.1, 0.5, 1, 5, 30, 60, 300, 600, 1800, 3600)
UPLOAD_SECONDS = (0.25, 1, 2.5, 5, 15, 60, 300, 1200)
EXTRACTION_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120)
SHORT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
ALERT_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 5)
SIZE_BYTES = (*(65536 * 4**power for power in range(8)), 2**31)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFacts:
    """What is running: the labels of doradura_build_info."""

    version: str
    python: str
    yt_dlp: str
    ffmpeg: str
    mode: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelValues:
    """The values of each label whose set another module owns."""

    sites: tuple[str, ...]
    formats: Mapping[str, tuple[str, ...]]
    """Format -> its qualities."""
    commands: tuple[str, ...]
    update_types: tuple[str, ...]
    telegram_methods: tuple[str, ...]
    checks: tuple[str, ...]
    """The health checks."""
    reasons: tuple[str, ...]
    """Why a download may fail."""
    own_reasons: tuple[str, ...]
    """The reasons that count as errors of ours."""
    kinds: tuple[str, ...]
    """How files are sent."""
    plans: tuple[str, ...]
    """The plans under which downloads are requested."""
    paid_plans: tuple[str, ...]
    languages: tuple[str, ...]
    rejections: tuple[str, ...]
    """Why a job is not accepted."""
    gate_outcomes: tuple[str, ...]
    """What became of a worker's request for a connection."""
    request_outcomes: tuple[str, ...]
    outages: tuple[str, ...]
    """The outcomes that are the fault of Telegram or of the network."""
    request_kinds: tuple[str, ...]
    """The kinds of requests to Telegram whose duration is measured."""
    limit_sources: tuple[str, ...]
    severities: tuple[str, ...]
    statuses: tuple[str, ...]
    walls: tuple[str, ...]
    """What may hold workers' connections."""


class Metrics:
    """All metrics of one program, on a registry of its own.

    "other" is added to the sites, commands, update types, methods, languages and severities of `values`. Children with
    a closed label set exist from the start, so that rate() sees the first event.
    """

    def __init__(self, values: LabelValues, *, build: BuildFacts, clock: Callable[[], float] = time) -> None:
        self.registry = CollectorRegistry()
        self.values = values
        self.sites = _with_other(values.sites)
        """The values of the label `site`, "other" included."""
        self.database_values: Mapping[str, tuple[str, ...]] = {
            "language": _with_other(values.languages),
            "plan": values.paid_plans,
            "recurring": ("true", "false"),
            "reason": PAYMENT_FAILURES,
        }
        """Label of the families that are read from the database -> its values."""
        formats = values.formats
        self._declare_downloads(tuple(formats), [(word, quality) for word in formats for quality in formats[word]])
        self._declare_queue(tuple(formats))
        self._declare_telegram(
            _with_other(values.commands),
            _with_other(values.update_types),
            _with_other(values.telegram_methods),
            clock(),
        )
        self._declare_money_and_alerts()
        self._declare_program(build)

    def _declare_downloads(self, formats: tuple[str, ...], pairs: list[tuple[str, str]]) -> None:
        qualities = {"format": formats, "quality": [quality for _, quality in pairs]}
        sites = {"site": self.sites}
        kinds = {"kind": self.values.kinds}
        self.download_duration = Labelled(
            self._histogram(
                "download_duration_seconds", "Time from a worker taking a job to its end.", qualities, DOWNLOAD_SECONDS
            ),
            qualities,
            rows=pairs,
        )
        self.download_success = Labelled(
            self._counter("download_success_total", "Files delivered.", qualities), qualities, rows=pairs
        )
        failures = {"format": (*formats, NO_FORMAT), "reason": self.values.reasons}
        self.download_failure = self._counters("download_failure_total", "Jobs that ended in failure.", failures)
        self.download_cancelled = self._counters(
            "download_cancelled_total", "Jobs cancelled by the user or an admin.", {"format": formats}
        )
        self.download_retries = self._counters(
            "download_retries_total",
            "Attempts repeated, by why the one before failed.",
            {"reason": self.values.own_reasons},
        )
        self.download_size = self._histograms("download_size_bytes", "Size of delivered files.", kinds, SIZE_BYTES)
        self.downloads_in_progress = self._gauges("downloads_in_progress", "Jobs in a worker.", {"format": formats})
        self.download_bytes = self._counter("download_bytes_total", "Bytes fetched from sites.")
        self.upload_duration = self._histograms(
            "upload_duration_seconds", "Time a file took to be sent.", kinds, UPLOAD_SECONDS
        )
        self.upload_bytes = self._counter("upload_bytes_total", "Bytes sent to Telegram.")
        self.extraction_duration = self._histogram(
            "extraction_duration_seconds", "Time to find a link's title and formats.", (), EXTRACTION_SECONDS
        )
        self.site_downloads = self._counters(
            "site_downloads_total", "Jobs ended, by site.", {**sites, "outcome": OUTCOMES}
        )
        self.link_looks = self._counters(
            "link_looks_total", "Links looked at for their card, by site.", {**sites, "outcome": ("offered", "refused")}
        )
        self.site_breaker_open = self._gauges("site_breaker_open", "1 while a site is paused.", sites)
        self.file_cache_lookups = self._counters(
            "file_cache_lookups_total", "Looks for a file sent before.", {"outcome": ("hit", "miss", "stale")}
        )
        self.deliveries_unconfirmed = self._counter(
            "deliveries_unconfirmed_total", "Files sent whose answer never came."
        )

    def _declare_queue(self, formats: tuple[str, ...]) -> None:
        self.format_requests = self._counters(
            "format_requests_total", "Downloads asked for.", {"format": formats, "plan": self.values.plans}
        )
        self.queue_wait_time = self._histograms(
            "queue_wait_time_seconds", "Time from accepted to started.", {"plan": self.values.plans}, QUEUE_SECONDS
        )
        self.queue_rejected = self._counters(
            "queue_rejected_total", "Jobs not accepted.", {"reason": self.values.rejections}
        )
        self.worker_start = self._histogram(
            "worker_start_seconds", "Time from a job handed over to its child running.", (), SHORT_SECONDS
        )
        self.worker_wall = self._gauges(
            "worker_wall", "1 for the wall that is proven to stand.", {"kind": self.values.walls}
        )
        self.gate_connections = self._counters(
            "gate_connections_total",
            "Connections asked for, counted as a job ends.",
            {"outcome": self.values.gate_outcomes},
        )

    def _declare_telegram(
        self, commands: tuple[str, ...], update_types: tuple[str, ...], methods: tuple[str, ...], now: float
    ) -> None:
        self.updates = self._counters("updates_total", "Telegram updates handled.", {"type": update_types})
        self.update_handling = self._histogram(
            "update_handling_seconds", "Time from an update received to its effects stored.", (), SHORT_SECONDS
        )
        self.command_usage = self._counters("command_usage_total", "Commands used.", {"command": commands})
        requests = {"method": methods, "outcome": self.values.request_outcomes}
        self.telegram_requests = Labelled(
            self._counter("telegram_requests_total", "Bot API calls.", requests),
            requests,
            # Every outcome of every method would be a third of the scrape, nearly all of it zeros.
            prepare=lambda row: row[1] == "ok" and row[0] != OTHER,
        )
        self.telegram_request_duration = self._histograms(
            "telegram_request_duration_seconds",
            "Time of Bot API calls, the long poll left out.",
            {"kind": self.values.request_kinds},
            REQUEST_SECONDS,
        )
        self.telegram_rate_limited = self._counters(
            "telegram_rate_limited_total",
            "Calls that had to wait, by who said so.",
            {"source": self.values.limit_sources},
        )
        self.telegram_poll_conflicts = self._counter(
            "telegram_poll_conflicts_total", "Long polls refused because another program polls."
        )
        self.telegram_last_poll = self._gauge(
            "telegram_last_poll_timestamp_seconds", "When the last long poll completed; the start time until then."
        )
        # Not 0: a rule on the age of the last poll would fire at every start.
        self.telegram_last_poll.set(now)

    def _declare_money_and_alerts(self) -> None:
        self.checkouts = self._counters(
            "checkouts_total",
            "Answers to Telegram's question before a payment.",
            {"plan": self.values.paid_plans, "outcome": ("approved", "refused")},
        )
        self.alerts_received = self._counters(
            "alerts_received_total",
            "Alerts from Alertmanager, repeats left out.",
            {"severity": _with_other(self.values.severities), "status": self.values.statuses},
        )
        self.alert_deliveries = self._counters(
            "alert_deliveries_total",
            "What became of telling an admin.",
            {"outcome": ("sent", "edited", "retried", "failed")},
        )
        self.alert_delivery_lag = self._histogram(
            "alert_delivery_lag_seconds", "Time from an alert stored to an admin told.", (), ALERT_SECONDS
        )
        # Alerts look at its age: without a watchdog there is none yet, and 0 would be an age of decades.
        self.watchdog_last_seen = LateGauge(
            "doradura_watchdog_last_seen_timestamp_seconds",
            "When the last watchdog alert came; nothing before the first.",
            self.registry,
        )
        self.canary_last_success = self._gauge(
            "canary_last_success_timestamp_seconds", "When the canary download last succeeded; 0 until it did."
        )
        self.canary_runs = self._counters(
            "canary_runs_total", "Canary downloads ended.", {"outcome": ("success", "failure")}
        )

    def _declare_program(self, build: BuildFacts) -> None:
        self.errors = self._counters("errors_total", "Errors a person may have to look at.", {"category": CATEGORIES})
        checks = {"check": self.values.checks}
        self._health_status = Labelled(
            self._gauge("health_status", "1 ok, 0.5 degraded, 0 failing: the same as /health.", checks),
            checks,
            # No sample until a check has been made: a zero would mean that it fails.
            prepare=lambda _row: False,
        )
        self.loop_lag = self._histogram("loop_lag_seconds", "How late the event loop runs a timer.", (), LAG_SECONDS)
        self.disk_free = self._gauge("disk_free_bytes", "Free space where the data directory lies.")
        facts = asdict(build)
        self._gauge("build_info", "What runs; always 1.", facts).labels(**facts).set(1)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        MemoryCollector(self.registry)

    def set_health(self, values: Mapping[str, float]) -> None:
        """Set the results of the health checks: check -> 1, 0.5 or 0."""
        for check, value in values.items():
            self._health_status.labels(check=check).set(value)

    async def render(self, accept: str, database: Mapping[str, FamilySamples]) -> tuple[bytes, str]:
        """Return the text of a scrape and its content type, for an Accept header and the database's values.

        A family of DATABASE_FAMILIES that is missing from `database` is left out of the text.
        """
        return await expose(self.registry, accept, database, self.database_values)

    def _counter(self, name: str, documentation: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"doradura_{name}", documentation, tuple(labels), registry=self.registry)

    def _gauge(self, name: str, documentation: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"doradura_{name}", documentation, tuple(labels), registry=self.registry)

    def _histogram(self, name: str, documentation: str, labels: Iterable[str], buckets: tuple[float, ...]) -> Histogram:
        full = f"doradura_{name}"
        return Histogram(full, documentation, tuple(labels), registry=self.registry, buckets=buckets)

    def _counters(self, name: str, documentation: str, closed: Mapping[str, Iterable[str]]) -> Labelled[Counter]:
        return Labelled(self._counter(name, documentation, closed), closed)

    def _gauges(self, name: str, documentation: str, closed: Mapping[str, Iterable[str]]) -> Labelled[Gauge]:
        return Labelled(self._gauge(name, documentation, closed), closed)

    def _histograms(
        self, name: str, documentation: str, closed: Mapping[str, Iterable[str]], buckets: tuple[float, ...]
    ) -> Labelled[Histogram]:
        return Labelled(self._histogram(name, documentation, closed, buckets), closed)


def _with_other(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, OTHER)))
