"""The part of the Operations dashboard about the program itself: its event loop, process, disk and versions."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from stack.dashboards.look import (
    BLUE,
    BYTES,
    GREEN,
    ORANGE,
    PER_MINUTE,
    RED,
    SECONDS,
    SHARE,
    WHEN,
    figure,
    lines,
)
from stack.dashboards.queries import Query, average, now, per_minute, quantile

BOT = 'job="doradura-bot", instance=~"$instance"'


def program() -> list[Panel]:
    """Return the panels, in reading order."""
    return [*_work(), *_process(), *_build()]


def _work() -> list[Panel]:
    return [
        lines(
            "Updates",
            "What Telegram brought, each minute, by type.",
            per_minute("doradura_updates_total", "type"),
            unit=PER_MINUTE,
            size=(8, 8),
        ),
        lines(
            "Handling of an update",
            "From received to its effects stored.",
            quantile(0.5, "doradura_update_handling_seconds", "p50"),
            quantile(0.95, "doradura_update_handling_seconds", "p95"),
            average("doradura_update_handling_seconds", "average"),
            unit=SECONDS,
            colours={"p50": GREEN, "p95": BLUE, "average": ORANGE},
            size=(8, 8),
        ),
        lines(
            "Event loop lag",
            "How late a timer runs: everything in the program is late by this.",
            quantile(0.5, "doradura_loop_lag_seconds", "p50"),
            quantile(0.99, "doradura_loop_lag_seconds", "p99"),
            average("doradura_loop_lag_seconds", "average"),
            unit=SECONDS,
            colours={"p50": GREEN, "p99": BLUE, "average": ORANGE},
            limits=[(0.5, RED)],
            size=(8, 8),
            alerts=["LoopStalled"],
        ),
        lines(
            "Errors",
            "Everything a person may have to look at, each minute, by category.",
            per_minute("doradura_errors_total", "category"),
            unit=PER_MINUTE,
            size=(8, 8),
            alerts=["StorageFailing", "ErrorsGoOn"],
        ),
        lines(
            "Health",
            "Each part's check: 1 ok, 0.5 degraded, 0 failing; of several bots the worst.",
            Query("min by (check) (doradura_health_status{@})", "{{check}}"),
            maximum=1,
            size=(8, 8),
            alerts=["HealthFailing", "HealthDegraded"],
        ),
        lines(
            "Free disk",
            "Free space at each bot's data directory.",
            Query("min by (instance) (doradura_disk_free_bytes{@})", "{{instance}}"),
            unit=BYTES,
            limits=[(2**30, RED)],
            size=(8, 8),
            alerts=["DiskFillingUp"],
        ),
    ]


def _process() -> list[Panel]:
    return [
        lines(
            "Processor",
            "Of one core, the bot's own process; downloads run in processes of their own.",
            Query(f"sum by (instance) (rate(process_cpu_seconds_total{{{BOT}}}[$__rate_interval]))", "{{instance}}"),
            unit=SHARE,
            size=(8, 8),
        ),
        lines(
            "Memory",
            "Of the bot's own process, and what is left of the memory that it and its workers may use together.",
            Query(f"sum by (instance) (process_resident_memory_bytes{{{BOT}}})", "{{instance}}, resident"),
            Query(f"sum by (instance) (process_virtual_memory_bytes{{{BOT}}})", "{{instance}}, virtual"),
            Query(f"min by (instance) (process_memory_available_bytes{{{BOT}}})", "{{instance}}, left"),
            Query(f"min by (instance) (process_memory_limit_bytes{{{BOT}}})", "{{instance}}, limit"),
            unit=BYTES,
            size=(8, 8),
            alerts=["MemoryNearLimit"],
        ),
        lines(
            "Open files",
            "As a share of what the process may have open.",
            Query(f"max by (instance) (process_open_fds{{{BOT}}} / process_max_fds{{{BOT}}})", "{{instance}}"),
            unit=SHARE,
            size=(8, 8),
            alerts=["DescriptorsNearLimit"],
        ),
        lines(
            "Collections",
            "Of Python's garbage collector each minute, by generation.",
            Query(
                f"60 * sum by (generation) (rate(python_gc_collections_total{{{BOT}}}[$__rate_interval]))",
                "generation {{generation}}",
            ),
            unit=PER_MINUTE,
            size=(8, 8),
        ),
        lines(
            "Objects collected",
            "Each minute, and those that could not be collected, which stay for good.",
            Query(f"60 * sum(rate(python_gc_objects_collected_total{{{BOT}}}[$__rate_interval]))", "collected"),
            Query(f"60 * sum(rate(python_gc_objects_uncollectable_total{{{BOT}}}[$__rate_interval]))", "uncollectable"),
            unit=PER_MINUTE,
            colours={"collected": BLUE, "uncollectable": RED},
            size=(8, 8),
        ),
    ]


def _build() -> list[Panel]:
    return [
        figure(
            "Started",
            "The bot that started last.",
            now(f"1000 * max(process_start_time_seconds{{{BOT}}})"),
            unit=WHEN,
            size=(4, 8),
        ),
        figure(
            "Hard stops",
            "Starts of the last day after a kill, a power cut or a crash; of several bots the most.",
            now("max(increase(doradura_unclean_starts_total{@}[1d]))"),
            size=(4, 8),
        ),
        figure(
            "Wall around workers",
            "What is proven to hold the connections of workers: notify and port are the kernel's, hook is no wall.",
            now("sum by (kind) (doradura_worker_wall{@}) > 0", "{{kind}}"),
            names=True,
            size=(4, 4),
        ),
        figure(
            "What runs",
            "Versions of the program, yt-dlp, ffmpeg and Python, and whether it talks to Telegram or to the sandbox.",
            now(
                "count by (version, yt_dlp, ffmpeg, python, mode) (doradura_build_info{@})",
                "{{version}} · yt-dlp {{yt_dlp}} · ffmpeg {{ffmpeg}} · Python {{python}} · {{mode}}",
            ),
            names=True,
            size=(20, 4),
        ),
    ]
