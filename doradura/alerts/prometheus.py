"""A client for the part of Prometheus's HTTP API that an alert's graph needs.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import httpx
import msgspec

from doradura.alerts.fetching import MonitoringError, fetch


class Series(NamedTuple):
    """One series: its labels and a value for each moment of the span, None where it has none."""

    labels: Mapping[str, str]
    values: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromSpan:
    """The moments of a query, in ms since 1970."""

    start_ms: int
    step_ms: int
    steps: int
    """The moments are start, start + step ... start + steps * step, so there are steps + 1 of them."""


class _Line(msgspec.Struct, frozen=True):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Matrix(msgspec.Struct, frozen=True):
    result: list[_Line]


class _Range(msgspec.Struct, frozen=True):
    data: _Matrix


class _Rule(msgspec.Struct, frozen=True):
    name: str
    query: str


class _Group(msgspec.Struct, frozen=True):
    rules: list[_Rule]


class _Groups(msgspec.Struct, frozen=True):
    groups: list[_Group]


class _Rules(msgspec.Struct, frozen=True):
    data: _Groups


class Prometheus:
    """Sends requests to one Prometheus. Every method raises MonitoringError if there is no usable answer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def over(
        self, query: str, span: PromSpan, labels: Mapping[str, str], *, most: int
    ) -> tuple[list[Series], int]:
        """Return at most `most` series of a query, and how many there are in total. Raises MonitoringError.

        If some of the series can belong to an alert with these labels, only those count; otherwise all do.
        """
        form = {
            "query": query,
            "start": f"{span.start_ms / 1000:.3f}",
            "end": f"{(span.start_ms + span.steps * span.step_ms) / 1000:.3f}",
            "step": f"{span.step_ms / 1000:.3f}",
            "timeout": "5s",
        }
        found = (await fetch(self._client, "POST", "/api/v1/query_range", _Range, form=form)).data.result
        found = [line for line in found if _may_be(line.metric, labels)] or found
        return [Series(line.metric, _placed(line.values, span)) for line in found[:most]], len(found)

    async def expression(self, alertname: str) -> str | None:
        """Return the expression of the alerting rule with that name; None if there is none. Raises MonitoringError."""
        rules = await fetch(self._client, "GET", "/api/v1/rules", _Rules, parameters={"type": "alert"})
        return next((rule.query for group in rules.data.groups for rule in group.rules if rule.name == alertname), None)


def _may_be(metric: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether an alert with these labels can come from that series. Rules add labels but remove none."""
    return all(labels.get(name) == value for name, value in metric.items() if name != "__name__")


def _placed(values: Sequence[tuple[float, str]], span: PromSpan) -> tuple[float | None, ...]:
    """Return one value for each moment of the span. Raises MonitoringError for a value that is not a number."""
    placed: list[float | None] = [None] * (span.steps + 1)
    for moment, text in values:
        try:
            value = float(text)
            at = round((moment * 1000 - span.start_ms) / span.step_ms)
        except (ValueError, OverflowError) as error:
            raise MonitoringError("garbage", "a value is not a number") from error
        if 0 <= at < len(placed) and math.isfinite(value):
            placed[at] = value
    return tuple(placed)
