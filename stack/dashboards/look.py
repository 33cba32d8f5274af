"""How every panel looks: colours, units, legends, sizes, links.

It knows no metric; the dashboards' own modules say what is queried and drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    gauge,
    heatmap,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphGradientMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Panel, Threshold
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from stack.dashboards.queries import SOURCE, Query

RUNBOOKS = "https://github.com/doradura/doradura/blob/main/docs/runbooks.md"

# Okabe and Ito's colours, which can be told apart with every kind of colour blindness; the blue is lighter, for a dark
# background.
BLUE, SKY, GREEN, ORANGE = "#3B8FD1", "#56B4E9", "#009E73", "#E69F00"
RED, PINK, YELLOW, GREY = "#D55E00", "#CC79A7", "#F0E442", "#999999"

PER_MINUTE = "suffix:/min"
STARS = "suffix:Stars"
SECONDS, BYTES, SHARE, COUNT, BYTES_PER_SECOND, WHEN = "s", "bytes", "percentunit", "short", "Bps", "dateTimeFromNow"

COUNTED = {COUNT, PER_MINUTE, STARS}
NARROW = 10
"""Up to this many of the grid's 24 columns, a legend is placed below."""

Steps = Sequence[tuple[float, str]]


def lines(
    title: str,
    meaning: str,
    *queries: Query,
    unit: str = COUNT,
    size: tuple[int, int] = (12, 8),
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    limits: Steps = (),
    alerts: Sequence[str] = (),
    maximum: float | None = None,
) -> Panel:
    """Return lines over time, with zero at the bottom; `limits` are drawn as dashed lines, a value and its colour."""
    panel = (
        timeseries.Panel()
        .unit(unit)
        .min(0)
        .line_width(2)
        .line_interpolation(LineInterpolation.LINEAR)
        .fill_opacity(35 if stacked else 10)
        .gradient_mode(GraphGradientMode.OPACITY)
        .show_points(VisibilityMode.NEVER)
        .legend(_legend(beside=size[0] > NARROW))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .thresholds(_steps(limits, base="transparent"))
    )
    if maximum is not None:
        panel.max(maximum)
    elif unit in COUNTED:
        # A line of zeros lies at the bottom of a small scale, not of one up to 100.
        panel.axis_soft_max(1)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if limits:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_fixed(colour)])
    return _finish(panel.build(), title, meaning, queries, size=size, alerts=alerts)


def figure(
    title: str,
    meaning: str,
    *queries: Query,
    unit: str = COUNT,
    size: tuple[int, int] = (6, 8),
    steps: Steps = (),
    base: str = BLUE,
    units: Mapping[str, str] | None = None,
    alerts: Sequence[str] = (),
    nothing: str = "-",
    names: bool = False,
    words: Mapping[str, str] | None = None,
    decimals: int | None = None,
) -> Panel:
    """Return large numbers, each with a small line of its past; `steps` colour it from a value on.

    `units` are for queries with another unit; `names` shows the series' names instead of values, `words` a text instead
    of a value, and `nothing` is shown if there is no value.
    """
    several = len(queries) > 1
    panel = (
        stat.Panel()
        .unit(unit)
        .no_value(nothing)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE if names else BigValueGraphMode.AREA)
        .text_mode(
            BigValueTextMode.NAME if names else BigValueTextMode.VALUE_AND_NAME if several else BigValueTextMode.VALUE
        )
        .orientation(VizOrientation.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_steps(steps, base=base))
    )
    if words:
        panel.mappings(_words(words))
    if decimals is not None:
        panel.decimals(decimals)
    for name, other in (units or {}).items():
        panel.override_by_name(name, [DynamicConfigValue(id_val="unit", value=other)])
    return _finish(panel.build(), title, meaning, queries, size=size, alerts=alerts)


def dial(
    title: str, meaning: str, query: Query, *, steps: Steps, base: str, nothing: str, alerts: Sequence[str] = ()
) -> Panel:
    """Return a gauge from 0 to 100 %."""
    panel = (
        gauge.Panel()
        .unit("percent")
        .min(0)
        .max(100)
        .decimals(1)
        .no_value(nothing)
        .show_threshold_markers(show_threshold_markers=True)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_steps(steps, base=base))
    )
    return _finish(panel.build(), title, meaning, [query], size=(6, 8), alerts=alerts)


def bars(title: str, meaning: str, query: Query, *, by: str, size: tuple[int, int] = (12, 8)) -> Panel:
    """Return a bar for each value of a label."""
    panel = (
        barchart.Panel()
        .unit(COUNT)
        .min(0)
        .decimals(0)
        .x_field(by)
        .show_value(VisibilityMode.AUTO)
        .bar_width(0.7)
        .fill_opacity(85)
        .color_scheme(build.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(BLUE))
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
        .with_transformation(
            dashboard.DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {"Value": title}}
            )
        )
    )
    return _finish(panel.build(), title, meaning, [query], size=size, alerts=())


def levels(
    title: str,
    meaning: str,
    *queries: Query,
    size: tuple[int, int] = (8, 8),
    steps: Steps = (),
    alerts: Sequence[str] = (),
) -> Panel:
    """Return horizontal bars with their value beside them, for a few named values."""
    panel = (
        bargauge.Panel()
        .unit(COUNT)
        .min(0)
        .decimals(0)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_steps(steps, base=BLUE))
    )
    return _finish(panel.build(), title, meaning, queries, size=size, alerts=alerts)


def heat(title: str, meaning: str, query: Query, *, unit: str = SECONDS, size: tuple[int, int] = (12, 8)) -> Panel:
    """Return a histogram's distribution over time: the darker, the more."""
    panel = (
        heatmap.Panel()
        .unit(unit)
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        # Cividis looks the same with every kind of colour blindness.
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Cividis").steps(64))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_gap(1)
        .show_legend()
        .mode(TooltipDisplayMode.SINGLE)
    )
    return _finish(panel.build(), title, meaning, [query], size=size, alerts=())


def states(
    title: str,
    meaning: str,
    query: Query,
    *,
    words: Mapping[str, str],
    steps: Steps,
    base: str,
    size: tuple[int, int] = (12, 8),
    alerts: Sequence[str] = (),
) -> Panel:
    """Return a band of colour for each series; `words` puts each value in a word, so that the colour is not needed."""
    panel = (
        statetimeline.Panel()
        .show_value(VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(75)
        .merge_values(merge_values=True)
        .mappings(_words(words))
        .color_scheme(build.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .thresholds(_steps(steps, base=base))
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
    )
    return _finish(panel.build(), title, meaning, [query], size=size, alerts=alerts)


def _finish(
    panel: Panel,
    title: str,
    meaning: str,
    queries: Sequence[Query],
    *,
    size: tuple[int, int],
    alerts: Sequence[str],
) -> Panel:
    """Set what every kind of panel has: texts, queries, size, and a link to each alert's runbook."""
    panel.title, panel.description, panel.datasource = title, meaning, SOURCE
    panel.targets = [query.target("ABCDEFGHIJ"[number]) for number, query in enumerate(queries)]
    panel.grid_pos = dashboard.GridPos(w=size[0], h=size[1])
    panel.links = [_runbook(alert) for alert in alerts] or None
    return panel


def _runbook(alert: str) -> dashboard.DashboardLink:
    return (
        build.DashboardLink(f"Runbook: {alert}")
        .type(dashboard.DashboardLinkType.LINK)
        .url(f"{RUNBOOKS}#{alert.lower()}")
        .target_blank(target_blank=True)
        .build()
    )


def _legend(*, beside: bool) -> common.VizLegendOptions:
    """Return a legend with values: a table beside the lines, or below them if beside would take half the panel."""
    legend = (
        common.VizLegendOptions().show_legend(show_legend=True).calcs(["lastNotNull", "max"] if beside else ["max"])
    )
    if beside:
        return legend.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT)
    return legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)


def _steps(steps: Steps, *, base: str) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=None, color=base), *(Threshold(value=value, color=colour) for value, colour in steps)])
    )


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _words(words: Mapping[str, str]) -> list[dashboard.ValueMapping]:
    results = {
        value: dashboard.ValueMappingResult(text=word, index=number)
        for number, (value, word) in enumerate(words.items())
    }
    return [dashboard.ValueMap(options=results)]
