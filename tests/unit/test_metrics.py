from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest
import trio
from prometheus_client import REGISTRY, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from doradura.label_values import LABEL_VALUES
from doradura.metrics import DATABASE_FAMILIES, BuildFacts, DatabaseValues, FamilySamples, Metrics, TelegramMetrics

FORMATS = {
    "mp3": ("128k", "192k", "320k"),
    "mp4": ("360p", "480p", "720p", "1080p", "1440p", "2160p", "best"),
    **dict.fromkeys(("m4a", "opus", "flac", "wav", "srt", "txt", "thumbnail"), ("default",)),
}
BUILD = BuildFacts(version="1.2.3", python="3.11.2", yt_dlp="2026.01.01", ffmpeg="7.0", mode="sandbox")
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
FIRST = {"language": "en", "plan": "premium", "recurring": "true", "reason": "not_booked"}
DATABASE: Mapping[str, FamilySamples] = {
    name: {tuple(FIRST[label] for label in labels): 1.0} for name, (_, labels) in DATABASE_FAMILIES.items()
}


def make_metrics() -> Metrics:
    """The metrics of a program with all formats and a dozen sites."""
    return Metrics(
        replace(
            LABEL_VALUES,
            sites=("youtube", "vimeo", "soundcloud", "tiktok", "instagram", "twitter", "reddit", "twitch", "bandcamp"),
            formats=FORMATS,
            commands=tuple(f"command{number}" for number in range(26)),
            update_types=("message", "callback_query", "my_chat_member"),
            telegram_methods=("getUpdates", "sendMessage", "sendAudio", "sendVideo", "editMessageText"),
        ),
        build=BUILD,
        clock=lambda: 1000.0,
    )


async def scrape(
    metrics: Metrics, database: Mapping[str, FamilySamples] = DATABASE
) -> dict[str, dict[frozenset[str], float]]:
    """Sample name -> label values -> value, of a text scrape."""
    text, _ = await metrics.render("", database)
    found: dict[str, dict[frozenset[str], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.values())] = sample.value
    return found


def values(*labels: str) -> frozenset[str]:
    """Label values, whatever their names."""
    return frozenset(labels)


async def test_children_exist_before_anything_happened() -> None:
    """Each closed combination of labels is there at 0, failures without a format included."""
    found = await scrape(make_metrics())
    pairs = {values(word, quality) for word, qualities in FORMATS.items() for quality in qualities}
    assert set(found["doradura_download_success_total"]) == pairs
    assert set(found["doradura_download_duration_seconds_count"]) == pairs
    assert len(found["doradura_download_failure_total"]) == (len(FORMATS) + 1) * 19  # the number of reasons
    assert values("none", "unsupported") in found["doradura_download_failure_total"]
    assert found["doradura_errors_total"] == {
        values(name): 0.0 for name in ("download", "telegram", "storage", "payment", "alert", "http", "internal")
    }
    assert values("other") in found["doradura_command_usage_total"]
    assert values("other", "cancelled") in found["doradura_site_downloads_total"]
    assert values("getUpdates", "ok") in found["doradura_telegram_requests_total"]
    assert len(found["doradura_telegram_requests_total"]) == 5
    assert found["doradura_format_requests_total"][values("mp3", "free")] == 0.0


async def test_buckets_are_those_of_the_catalogue() -> None:
    """The bounds of the two histograms whose buckets are a contract, written as Prometheus stores them."""
    text, _ = await make_metrics().render("", {})
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}

    def bounds(name: str) -> list[str]:
        samples = [sample for sample in families[name].samples if sample.name.endswith("_bucket")]
        return list(dict.fromkeys(sample.labels["le"] for sample in samples))

    assert bounds("doradura_download_duration_seconds") == [
        *("0.5", "1.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "600.0", "1200.0", "+Inf")
    ]
    assert bounds("doradura_queue_wait_time_seconds") == [
        *("0.1", "0.5", "1.0", "5.0", "30.0", "60.0", "300.0", "600.0", "1800.0", "3600.0", "+Inf")
    ]
    sizes = [float(bound) for bound in bounds("doradura_download_size_bytes")]
    assert (sizes[0], sizes[1] / sizes[0], sizes[-2]) == (65536, 4, 2**31)


async def test_counting_shows_in_a_scrape() -> None:
    """What is counted through an attribute is read under the metric's name and labels."""
    metrics = make_metrics()
    metrics.download_success.labels(format="mp3", quality="320k").inc()
    metrics.download_duration.labels(format="mp4", quality="720p").observe(7.0)
    metrics.download_bytes.inc(500)
    with metrics.downloads_in_progress.labels(format="opus").track_inprogress():
        found = await scrape(metrics)
    assert found["doradura_downloads_in_progress"][values("opus")] == 1.0
    assert found["doradura_download_success_total"][values("mp3", "320k")] == 1.0
    assert found["doradura_download_duration_seconds_bucket"][values("mp4", "720p", "10.0")] == 1.0
    assert found["doradura_download_duration_seconds_bucket"][values("mp4", "720p", "5.0")] == 0.0
    assert found["doradura_download_bytes_total"][values()] == 500.0
    assert found["doradura_build_info"][values("1.2.3", "3.11.2", "2026.01.01", "7.0", "sandbox")] == 1.0
    assert found["doradura_telegram_last_poll_timestamp_seconds"][values()] == 1000.0


async def test_value_out_of_its_set_counts_as_other(caplog: pytest.LogCaptureFixture) -> None:
    """The number of series stays bounded: silently where the set has an other, with one log line where it has none."""
    metrics = make_metrics()
    metrics.command_usage.labels(command="nosuch").inc()
    metrics.site_downloads.labels(site="example.org", outcome="success").inc()
    assert not caplog.records
    for _ in range(3):
        metrics.download_success.labels(format="mp3", quality="999k").inc()
        metrics.download_failure.labels(format="exe", reason="gone").inc()
    found = await scrape(metrics)
    assert found["doradura_command_usage_total"][values("other")] == 1.0
    assert found["doradura_site_downloads_total"][values("other", "success")] == 1.0
    assert found["doradura_download_success_total"][values("mp3", "other")] == 3.0
    assert found["doradura_download_failure_total"][values("other", "gone")] == 3.0
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_wrong_label_names_are_refused() -> None:
    """A slip in a label's name is an error at once: no closed set could tell what was meant."""
    with pytest.raises(KeyError):
        make_metrics().download_success.labels(format="mp3")
    with pytest.raises(KeyError, match="format, quality"):
        make_metrics().download_success.labels(format="mp3", quality="320k", user="5")


async def test_health_has_no_sample_before_the_first_check() -> None:
    """A check not made yet is not shown as failing."""
    metrics = make_metrics()
    assert "doradura_health_status" not in await scrape(metrics)
    metrics.set_health({"poll": 0.5, "disk": 1.0})
    assert (await scrape(metrics))["doradura_health_status"] == {values("poll"): 0.5, values("disk"): 1.0}


async def test_database_families_come_from_the_snapshot() -> None:
    """Database values are what the snapshot says; a family that could not be read is left out."""
    found = await scrape(make_metrics(), {"doradura_queue_depth": {(): 7.0}, "doradura_user_languages": {("en",): 2.0}})
    assert found["doradura_queue_depth"] == {values(): 7.0}
    assert found["doradura_user_languages"] == {values("en"): 2.0, values("other"): 0.0}
    assert "doradura_registered_users" not in found


async def test_database_labels_are_closed() -> None:
    """Each plan, reason and language is there at 0 whatever the database has, and a value of no set counts as other."""
    database: dict[str, FamilySamples] = {
        "doradura_revenue_stars_total": {("premium",): 250.0, ("gold",): 3.0, ("silver",): 4.0},
        "doradura_new_subscriptions_total": {("vip", "true"): 2.0},
        "doradura_payment_failures_total": {},
        "doradura_user_languages": {("",): 2.0, ("ru",): 3.0},
    }
    found = await scrape(make_metrics(), database)
    assert found["doradura_revenue_stars_total"] == {values("premium"): 250.0, values("vip"): 0.0, values("other"): 7.0}
    assert found["doradura_new_subscriptions_total"] == {
        values("premium", "true"): 0.0,
        values("premium", "false"): 0.0,
        values("vip", "true"): 2.0,
        values("vip", "false"): 0.0,
    }
    reasons = (
        "not_booked",
        "wrong_amount",
        "wrong_payer",
        "unknown_payload",
        "late_answer",
        "refund_failed",
        "reconcile",
    )
    assert found["doradura_payment_failures_total"] == {values(reason): 0.0 for reason in reasons}
    assert found["doradura_user_languages"] == {values("en"): 0.0, values("other"): 5.0}
    text, _ = await make_metrics().render("", database)
    assert b"# TYPE doradura_revenue_stars_total counter" in text


async def test_watchdog_has_no_sample_before_the_first() -> None:
    """Its age alarms, so a watchdog that never came has none; once set it has the value."""
    metrics = make_metrics()
    assert "doradura_watchdog_last_seen_timestamp_seconds" not in await scrape(metrics)
    metrics.watchdog_last_seen.set(1_800_000_000.5)
    found = await scrape(metrics)
    assert found["doradura_watchdog_last_seen_timestamp_seconds"] == {values(): 1_800_000_000.5}


async def test_alerts_and_checkouts_exist_before_anything_happened() -> None:
    """Every severity with every status, every outcome: at 0 from the start."""
    found = await scrape(make_metrics())
    severities = ("critical", "warning", "none", "other")
    assert found["doradura_alerts_received_total"] == {
        values(severity, status): 0.0 for severity in severities for status in ("firing", "resolved")
    }
    assert found["doradura_alert_deliveries_total"] == {
        values(outcome): 0.0 for outcome in ("sent", "edited", "retried", "failed")
    }
    assert found["doradura_checkouts_total"] == {
        values(plan, outcome): 0.0 for plan in ("premium", "vip") for outcome in ("approved", "refused")
    }
    assert found["doradura_canary_runs_total"] == {values("success"): 0.0, values("failure"): 0.0}
    assert found["doradura_alert_delivery_lag_seconds_count"] == {values(): 0.0}


async def test_two_programs_share_nothing() -> None:
    """Each Metrics has its own registry, and prometheus-client's global one gets nothing."""
    one, two = make_metrics(), make_metrics()
    one.upload_bytes.inc()
    assert (await scrape(two))["doradura_upload_bytes_total"][values()] == 0.0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("doradura")]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html,*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8",
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=dots",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots",
        ),
        ('application/openmetrics-text;version=1.0.0"\u00e9', "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=x.y", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
async def test_text_is_what_prometheus_client_writes(accept: str, content_type: str) -> None:
    """Family by family gives the same text and content type as the library in one go, whatever is asked for."""
    metrics = make_metrics()
    metrics.download_duration.labels(format="mp3", quality="320k").observe(3.0)
    text, found_type = await metrics.render(accept, {})
    assert found_type == content_type
    encode, _ = choose_encoder(accept if "openmetrics" in content_type or "1.0.0" in content_type else "")
    steady = [line for line in encode(metrics.registry).splitlines() if not _moves(line)]
    assert [line for line in text.splitlines() if not _moves(line)] == steady


def _moves(line: bytes) -> bool:
    """Whether a line is of the process, whose figures change between two scrapes, or of the left out _created."""
    return (
        b"process_" in line or b"process__" in line or b"python_" in line or b"python__" in line or b"created" in line
    )


async def test_no_created_samples() -> None:
    """_created is off, in both forms, without the switch that is global to the process."""
    for accept in ("", OPENMETRICS):
        text, _ = await make_metrics().render(accept, DATABASE)
        assert b"_created" not in text


async def test_exemplars_only_in_openmetrics() -> None:
    """The job id goes with the duration in OpenMetrics; in the text form it would break the whole scrape."""
    metrics = make_metrics()
    metrics.download_duration.labels(format="mp3", quality="320k").observe(3.14159265, {"job": "77"})
    text, _ = await metrics.render("", {})
    assert b"# {" not in text
    text, _ = await metrics.render(OPENMETRICS, {})
    (line,) = [line for line in text.decode().splitlines() if "# {" in line]
    assert line.startswith(
        'doradura_download_duration_seconds_bucket{format="mp3",le="5.0",quality="320k"} 1.0 # {job="77"} 3.142 '
    )


async def test_openmetrics_text_is_valid_and_ends_once() -> None:
    """The library's strict parser takes the whole, and `# EOF` is its last line and nowhere else."""
    text, _ = await make_metrics().render(OPENMETRICS, DATABASE)
    assert text.endswith(b"\n# EOF\n")
    assert text.count(b"# EOF") == 1
    parse: Callable[[str], Iterable[Metric]] = parse_openmetrics
    names = [family.name for family in parse(text.decode())]
    assert {name.removesuffix("_total") for name in DATABASE_FAMILIES} <= set(names)
    assert len(names) == len(set(names))


async def test_busy_scrape_stays_small() -> None:
    """With every series moved and an exemplar in each bucket: under 80 KB, under 8 KB gzipped."""
    metrics = make_metrics()
    number = 0
    for word, qualities in FORMATS.items():
        for quality in qualities:
            for seconds in (0.3, 0.7, 3.3, 7.7, 13.7, 44.4, 77.1, 200.2, 444.4, 999.9):
                number += 1
                duration = seconds + number / 1000
                metrics.download_duration.labels(format=word, quality=quality).observe(duration, {"job": str(number)})
            metrics.download_success.labels(format=word, quality=quality).inc(number)
    text, _ = await metrics.render(OPENMETRICS, DATABASE)
    assert len(text) < 80_000
    assert len(gzip.compress(text)) < 8_000


async def test_scrape_lets_others_run() -> None:
    """Between two families the event loop is free."""
    metrics = make_metrics()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        text, _ = await metrics.render("", DATABASE)
        nursery.cancel_scope.cancel()
    # One less: whether the other task has its first turn before ours begins is Trio's choice.
    assert turns >= text.count(b"# TYPE ") - 1 > 40


async def test_telegram_reports_become_numbers() -> None:
    """Requests by method and outcome, durations without the long poll, and errors a person may have to look at."""
    metrics = make_metrics()
    observer = TelegramMetrics(metrics, clock=lambda: 2000.0)
    observer.request_finished("sendMessage", "send", "ok", 0.2)
    observer.request_finished("sendMessage", "send", "client_error", 0.2)
    observer.request_finished("sendMessage", "send", "rate_limited", 0.2)
    observer.request_finished("getUpdates", "poll", "timeout", 60.0)
    observer.request_finished("unheardOf", "other", "server_error", 0.2)
    observer.rate_limited("server")
    observer.poll_completed()
    observer.poll_conflict()
    observer.update_malformed()
    found = await scrape(metrics)
    assert found["doradura_telegram_requests_total"][values("sendMessage", "client_error")] == 1.0
    assert found["doradura_telegram_requests_total"][values("other", "server_error")] == 1.0
    assert found["doradura_telegram_request_duration_seconds_count"] == {
        values("send"): 3.0,
        values("other"): 1.0,
        values("upload"): 0.0,
        values("edit"): 0.0,
    }
    assert found["doradura_telegram_rate_limited_total"] == {values("server"): 1.0, values("local"): 0.0}
    assert found["doradura_telegram_last_poll_timestamp_seconds"] == {values(): 2000.0}
    assert found["doradura_telegram_poll_conflicts_total"] == {values(): 1.0}
    assert found["doradura_errors_total"][values("telegram")] == 3.0


async def test_an_outage_is_one_error() -> None:
    """However many requests it swallows; the next one after a success is another, and so it is with conflicts."""
    metrics = make_metrics()
    observer = TelegramMetrics(metrics)
    for _ in range(2):
        for _ in range(5):
            observer.request_finished("getUpdates", "poll", "network", 0.2)
        observer.request_finished("getUpdates", "poll", "ok", 0.2)
    assert (await scrape(metrics))["doradura_errors_total"][values("telegram")] == 2.0
    for _ in range(3):
        observer.poll_conflict()
    observer.poll_completed()
    observer.poll_conflict()
    assert (await scrape(metrics))["doradura_errors_total"][values("telegram")] == 4.0


async def test_failing_query_leaves_its_family_out(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A query that raises and one that hangs cost their own family, are counted once each, and the rest is served."""
    failures: list[type[Exception]] = []

    async def broken() -> FamilySamples:
        raise OSError("disk I/O error")

    async def depth() -> FamilySamples:
        return {(): 4.0}

    async def hangs() -> FamilySamples:
        await trio.sleep_forever()
        raise AssertionError

    queries = {"a": broken, "doradura_queue_depth": depth, "b": hangs}
    database = DatabaseValues(queries, failed=lambda error: failures.append(type(error)), expected=(OSError,))
    began = trio.current_time()
    assert await database.snapshot() == {"doradura_queue_depth": {(): 4.0}}
    assert trio.current_time() - began == pytest.approx(2.0)
    assert failures == [OSError, trio.TooSlowError]
    (line,) = caplog.records
    assert line.exc_info is None, "a database that is away is no surprise"
    assert vars(line)["metrics"] == "a, b"
    assert vars(line)["error"] == "disk I/O error, no answer within 2 s"


async def test_a_surprise_in_a_query_has_its_traceback(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    """What nobody expected is a fault of ours: it is told with where it came from, and the others are served."""

    async def broken() -> FamilySamples:
        raise ZeroDivisionError

    async def depth() -> FamilySamples:
        return {(): 4.0}

    database = DatabaseValues({"a": broken, "b": depth}, failed=lambda _error: None, expected=(OSError,))
    assert await database.snapshot() == {"b": {(): 4.0}}
    (line,) = caplog.records
    assert line.exc_info is not None


async def test_database_is_asked_once_in_five_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """Scrapers at the same time and soon after share one fetch; later ones get a new one."""
    asked = 0

    async def depth() -> FamilySamples:
        nonlocal asked
        asked += 1
        await trio.sleep(0.5)
        return {(): float(asked)}

    database = DatabaseValues({"depth": depth}, failed=lambda _error: None)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(database.snapshot)
    assert asked == 1
    await trio.sleep(4.9)
    assert await database.snapshot() == {"depth": {(): 1.0}}
    await trio.sleep(0.2)
    assert await database.snapshot() == {"depth": {(): 2.0}}
