"""The form of the dashboards' queries.

A query is written with `{@}` in place of the chosen instances: `sum(rate(doradura_updates_total{@}[$window]))`. To be
right for one bot and for five, it sums the program's counters and gauges, takes values read from the database (the same
everywhere) by max(), and computes percentiles from `sum by (le)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

PROVISIONED = "doradura-prometheus"
"""The uid of the data source that the stack provisions."""
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source chosen at the top of a dashboard, so that an imported dashboard works with any Prometheus."""
INSTANCE = 'instance=~"$instance"'
USER_REASONS = "gone|private|login|geo|live|too_large|too_slow|unsupported|refused_address|user_blocked"
"""Reasons of a failed download that the user or the site caused; the alerts count only the others. Compared with
`media.reasons` by tests/unit/media/test_reasons.py."""
WITH_EXEMPLARS = frozenset({"doradura_download_duration_seconds"})
"""Histograms whose buckets carry exemplars: the id of the last measured job."""


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, the names of its series, and their format."""

    expr: str
    legend: str = ""
    format: PromQueryFormat = PromQueryFormat.TIME_SERIES
    instant: bool = False
    exemplars: bool = False
    """Whether single jobs are marked too: a histogram's buckets name the last measured job."""

    def target(self, ref_id: str) -> Dataquery:
        """Return the query as Grafana sends it."""
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
    """Return a value at the end of the chosen time range, queried once."""
    return Query(expr, legend, instant=True)


def table(expr: str) -> Query:
    """Return values by a label at the end of the chosen time range, as rows: for a bar chart."""
    return Query(expr, "", PromQueryFormat.TABLE, instant=True)


def buckets(metric: str) -> Query:
    """Return how many measurements fell into each of a histogram's buckets, over time."""
    expr = f"sum by (le) (increase({metric}_bucket{{@}}[$__rate_interval]))"
    return Query(expr, "{{le}}", PromQueryFormat.HEATMAP, exemplars=metric in WITH_EXEMPLARS)


def quantile(share: float, metric: str, legend: str, by: str = "", *, exemplars: bool = False) -> Query:
    """Return a percentile of a histogram in the chosen window, over all chosen instances."""
    labels = f"{by}, le" if by else "le"
    expr = f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{@}}[$window])))"
    return Query(expr, legend, exemplars=exemplars)


def average(metric: str, legend: str, by: str = "") -> Query:
    """Return the mean of a histogram in the chosen window: the sum divided by the count.

    Nothing if nothing was measured.
    """
    group = f"sum by ({by})" if by else "sum"
    return Query(
        f"{group} (rate({metric}_sum{{@}}[$window])) / ({group} (rate({metric}_count{{@}}[$window])) > 0)", legend
    )


def per_minute(metric: str, by: str = "", legend: str = "") -> Query:
    """Return how often per minute something happened, by a label or in total."""
    group = f"sum by ({by})" if by else "sum"
    return Query(f"60 * {group} (rate({metric}{{@}}[$__rate_interval]))", legend or f"{{{{{by}}}}}")
