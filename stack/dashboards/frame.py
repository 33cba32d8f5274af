"""What every dashboard has around its panels: variables, links to the others, the time range, the alerts' marks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from stack.dashboards.look import BLUE, ORANGE, RED
from stack.dashboards.queries import INSTANCE, PROVISIONED, SOURCE

TAG = "doradura"
WINDOWS = ("5m", "15m", "30m", "1h", "6h", "1d")
"""The window of rates and percentiles: at least four scrapes, at intervals of up to a minute."""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels in reading order, below a title; without one they come first."""

    title: str
    panels: Sequence[dashboard.Panel]


@dataclass(frozen=True, slots=True)
class _Ready(Builder[dashboard.Panel]):
    """A panel that is built already."""

    panel: dashboard.Panel

    def build(self) -> dashboard.Panel:
        return self.panel


def page(uid: str, title: str, description: str, sections: Sequence[Section]) -> str:
    """Return a dashboard as Grafana reads it from a file; the same sections give the same text."""
    frame = (
        build.Dashboard(title)
        .uid(f"doradura-{uid}")
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(_sources())
        .with_variable(_instances())
        .with_variable(_window())
        .link(_others())
    )
    for name, colour in (("critical", RED), ("warning", ORANGE)):
        frame.annotation(_marks(name, colour))
    frame.annotation(_starts())
    number = 0
    for section in sections:
        if section.title:
            number += 1
            frame.with_row(build.Row(section.title).id(number))
        for panel in section.panels:
            number += 1
            panel.id_val = number
            frame.with_panel(_Ready(panel))
    return json.dumps(frame.build(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _sources() -> build.DatasourceVariable:
    return (
        build.DatasourceVariable("datasource")
        .label("Prometheus")
        .description("Where the data comes from.")
        .type("prometheus")
        .current(dashboard.VariableOption(selected=True, text="Prometheus", value=PROVISIONED))
    )


def _instances() -> build.QueryVariable:
    return (
        build.QueryVariable("instance")
        .label("Instance")
        .description("The bots that are shown.")
        .datasource(SOURCE)
        .query("label_values(doradura_build_info, instance)")
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.NATURAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        # Not the list of names: a bot that is gone now is still part of the past that is shown.
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _window() -> build.IntervalVariable:
    return (
        build.IntervalVariable("window")
        .label("Window")
        .description("The time that percentiles, averages and shares are computed over.")
        .values(",".join(WINDOWS))
        .auto(auto=False)
        .options([dashboard.VariableOption(selected=one == WINDOWS[0], text=one, value=one) for one in WINDOWS])
        .current(dashboard.VariableOption(selected=True, text=WINDOWS[0], value=WINDOWS[0]))
    )


def _others() -> build.DashboardLink:
    return (
        build.DashboardLink("Doradura")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=False)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _marks(severity: str, colour: str) -> build.AnnotationQuery:
    """Return the annotation that marks in every graph where an alert fired."""
    return (
        build.AnnotationQuery()
        .name(f"Alerts: {severity}")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color(colour)
        .expr(f'ALERTS{{alertstate="firing", severity="{severity}"}}')
    )


class _ByValue(dashboard.AnnotationQuery):
    """Marks whose time is the series' value in milliseconds since 1970, not the time of its samples.

    Grafana's editor calls it "Series value as timestamp"; Grafana reads the key but does not document it.
    """

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "useValueForTime": True, "titleFormat": "Start", "textFormat": "{{instance}}"}


@dataclass(frozen=True, slots=True)
class _Starts(Builder[dashboard.AnnotationQuery]):
    """The finished query of `_starts`."""

    mark: dashboard.AnnotationQuery

    def build(self) -> dashboard.AnnotationQuery:
        return self.mark


def _starts() -> _Starts:
    """Return the annotation that marks in every graph where a bot was started.

    Several close together are a crash loop.
    """
    expr = f'1000 * process_start_time_seconds{{job="doradura-bot", {INSTANCE}}}'
    return _Starts(_ByValue(name="Starts of the bot", datasource=SOURCE, enable=True, icon_color=BLUE, expr=expr))
