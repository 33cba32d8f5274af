"""The shape of the dashboards' queries.

A query is written with `{@}` where the chosen instances go: `sum(rate(doradura_updates_total{@}[$window]))`. What makes
it right for one bot and for five: counters and gauges of the program are summed, values read from the database are the
same everywhere and taken by max(), percentiles are made of `sum by (le)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

PROVISIONED = "doradura-prometheus"
"""The uid of the datasource that the stack provisions."""
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The datasource chosen at the top of a dashboard, so that one imported elsewhere works with the Prometheus there."""
INSTANCE = 'instance=~"$instance"'
USER_REASONS = "gone|private|login|geo|live|too_large|too_slow|unsupported|refused_address|user_blocked"
"""Reasons of a failed download that are the user's or the site's; the alerts count the others alone. Compared with
`media.reasons` by tests/unit/media/test_reasons.py."""
WITH_EXEMPLARS = frozenset({"doradura_download_duration_seconds"})
"""Histograms whose buckets carry exemplars: the id of the job that was measured last."""


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, how its series are called, and how they come."""

    expr: str
    legend: str = ""
    format: PromQueryFormat = PromQueryFormat.TIME_SERIES
    instant: bool = False
    exemplars: bool = False
    """Whether single jobs are marked as well: a histogram's buckets name the job that was measured last."""

    def target(self, ref_id: str) -> Dataquery:
        """Return what Grafana sends."""
        return Dataquery(
            expr=self.expr.replace("{@", "{" + INSTANCE),
            instant=self.instant,
            range_val=not self.instant,
            exemplar=self.exemplars,
            format_val=self.format,
            legend_format=self.legend or "__auto",
            ref_id=ref_id,
            datasource=SOURCE,
        )


def now(expr: str, legend: str = "") -> Query:
    """A figure as it is at the end of the chosen time, asked for once."""
    return Query(expr, legend, instant=True)


def table(expr: str) -> Query:
    """Figures by a label as they are at the end of the chosen time, as rows: what a bar chart wants."""
    return Query(expr, "", PromQueryFormat.TABLE, instant=True)


def buckets(metric: str) -> Query:
    """How many measurements came into each of a histogram's buckets, step by step."""
    expr = f"sum by (le) (increase({metric}_bucket{{@}}[$__rate_interval]))"
    return Query(expr, "{{le}}", PromQueryFormat.HEATMAP, exemplars=metric in WITH_EXEMPLARS)


def quantile(share: float, metric: str, legend: str, by: str = "", *, exemplars: bool = False) -> Query:
    """A percentile of a histogram in the chosen window, over all chosen instances."""
    labels = f"{by}, le" if by else "le"
    expr = f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{@}}[$window])))"
    return Query(expr, legend, exemplars=exemplars)


def average(metric: str, legend: str, by: str = "") -> Query:
    """The mean of a histogram in the chosen window: the sum measured by how often; nothing where nothing was."""
    group = f"sum by ({by})" if by else "sum"
    return Query(
        f"{group} (rate({metric}_sum{{@}}[$window])) / ({group} (rate({metric}_count{{@}}[$window])) > 0)", legend
    )


def per_minute(metric: str, by: str = "", legend: str = "") -> Query:
    """How often a minute something happened, by a label or in all."""
    group = f"sum by ({by})" if by else "sum"
    return Query(f"60 * {group} (rate({metric}{{@}}[$__rate_interval]))", legend or f"{{{{{by}}}}}")
