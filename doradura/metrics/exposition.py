"""Metrics as text: which format a scraper wants, and how it is produced without blocking the event loop."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Exemplar, Sample

from doradura.metrics.labels import OTHER

END = b"# EOF\n"
"""Ends an OpenMetrics text; it must occur once."""

_CONTENT_TYPE = re.compile(r"[a-z/-]+(; [a-z]+=[A-Za-z0-9.-]+)+")

FamilySamples = Mapping[tuple[str, ...], float]
"""Label values -> value; the empty tuple for a family without labels."""

PAYMENT_FAILURES = (
    *("not_booked", "wrong_amount", "wrong_payer", "unknown_payload", "late_answer", "refund_failed", "reconcile"),
)

DATABASE_FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "doradura_queue_depth": ("Jobs waiting for a worker.", ()),
    "doradura_queue_oldest_job_age_seconds": ("Age of the job that has waited longest, 0 when none waits.", ()),
    "doradura_daily_active_users": ("Distinct users in the last 24 hours.", ()),
    "doradura_monthly_active_users": ("Distinct users in the last 30 days.", ()),
    "doradura_registered_users": ("Users who ever wrote to the bot and were not forgotten.", ()),
    "doradura_user_languages": (
        "Users by the language the bot answers them in.",
        ("language",),
    ),
    "doradura_active_subscriptions": ("Subscriptions that hold now.", ("plan",)),
    "doradura_revenue_stars_total": ("Stars received, those refunded later included.", ("plan",)),
    "doradura_refunded_stars_total": ("Stars given back.", ("plan",)),
    "doradura_new_subscriptions_total": (
        "Subscriptions begun, by whether they renew themselves.",
        ("plan", "recurring"),
    ),
    "doradura_subscription_cancellations_total": ("Times a subscription was cancelled.", ("plan",)),
    "doradura_payment_failures_total": (
        "Payments that did not go as they must.",
        ("reason",),
    ),
    "doradura_alert_outbox_depth": ("Notices not yet told to an admin.", ()),
    "doradura_alert_oldest_undelivered_seconds": ("Age of the oldest notice not delivered, 0 when all are.", ()),
    "doradura_unclean_starts_total": ("Starts after a kill or crash.", ()),
}
"""Family read from the database at a scrape -> its help text and its labels. Those named `_total` are counters, the
others gauges."""


class _Family:
    """One family as prometheus-client's encoders expect it: something to collect from."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


async def expose(
    registry: CollectorRegistry,
    accept: str,
    database: Mapping[str, FamilySamples],
    closed: Mapping[str, tuple[str, ...]],
) -> tuple[bytes, str]:
    """Write all families in the format that `accept` asks for, with a checkpoint after each.

    Return text and content type. `closed` has the values of each label of the database's families. A scrape of the
    whole registry at once would block the event loop for some milliseconds, and a thread would not help (the
    interpreter's lock). `_created` samples are left out: they would be a third of the text.
    """
    encode, content_type = _encoder(accept)
    parts: list[bytes] = []
    for metric in itertools.chain(registry.collect(), _database_families(database, closed)):
        metric.samples = [_short(sample) for sample in metric.samples if not sample.name.endswith("_created")]
        parts.append(encode(_Family(metric)).removesuffix(END))
        await trio.lowlevel.checkpoint()
    if content_type.startswith("application/openmetrics-text"):
        parts.append(END)
    return b"".join(parts), content_type


def _encoder(accept: str) -> tuple[Callable[[Any], bytes], str]:
    try:
        chosen, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # It compares the requested version with numbers, but the client may have written anything.
        chosen, content_type = choose_encoder("")
    if not _CONTENT_TYPE.fullmatch(content_type):
        # The requested version is also repeated in the answer's header.
        chosen, content_type = choose_encoder("")
    encode: Callable[..., bytes] = chosen
    if "escaping=dots" not in content_type:
        # All other schemes leave our names unchanged; this one does so without looking at each character, which is half
        # the time of a scrape.
        encode = partial(encode, escaping="allow-utf-8")
    return encode, content_type


def _short(sample: Sample) -> Sample:
    # An exemplar's value and time have 16 digits each, which compress badly and are of no use.
    exemplar = sample.exemplar
    if exemplar is None:
        return sample
    moment = None if exemplar.timestamp is None else round(float(exemplar.timestamp), 3)
    return sample._replace(exemplar=Exemplar(exemplar.labels, round(exemplar.value, 3), moment))


def _database_families(
    database: Mapping[str, FamilySamples], closed: Mapping[str, tuple[str, ...]]
) -> Iterable[Metric]:
    for name, (documentation, labels) in DATABASE_FAMILIES.items():
        # A family whose query failed is left out: no sample is better than a wrong one.
        if name in database:
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, documentation, labels=labels)
            for row, value in _closed([closed[label] for label in labels], database[name]).items():
                family.add_metric(row, value)
            yield family


def _closed(sets: Sequence[tuple[str, ...]], found: FamilySamples) -> FamilySamples:
    """Return every combination of the closed sets, 0 if the database has none; an unknown value counts as other."""
    rows = dict.fromkeys(itertools.product(*sets), 0.0)
    for row, value in found.items():
        known = tuple(each if each in values else OTHER for each, values in zip(row, sets, strict=True))
        rows[known] = rows.get(known, 0.0) + value
    return rows
