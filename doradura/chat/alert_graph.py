"""The graph of an alert: the values of its expression over the last hours, as a picture or as block characters.

Prometheus is asked when the button is pressed. The graph shows a few series and says how many more there are.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from doradura.alerts import (
    Measured,
    MonitoringError,
    Prometheus,
    PromSpan,
    Series,
    expression_of,
    measured,
)
from doradura.charts import Chart, ChartLine
from doradura.chat.figures import blocks
from doradura.chat.handling import Handling
from doradura.chat.pictures import Pictures
from doradura.chat.texts import Texts, attribute_url
from doradura.clock import Clock
from doradura.reachable import is_link
from doradura.storage import Storage, alert_marks
from doradura.storage.alerts import Incident
from doradura.telegram.units import shorten

HOURS = 6
STEPS = 180
SERIES = 6
QUERY_UNITS = 300
NAME_UNITS = 40
TITLE_UNITS = 48
BLOCKS = 30
"""The number of block characters that a narrow phone shows in one line."""

log = logging.getLogger(__name__)


class Graph(NamedTuple):
    """What a graph shows."""

    title: str
    link: str
    what: Measured
    series: Sequence[Series]
    total: int


class AlertGraph:
    """Asks Prometheus for an alert's values and sends them as a graph."""

    def __init__(self, storage: Storage, clock: Clock, prometheus: Prometheus, pictures: Pictures) -> None:
        self._storage = storage
        self._clock = clock
        self._prometheus = prometheus
        self._pictures = pictures

    async def show(self, handling: Handling, incident_id: int) -> None:
        """Answer the graph button: the callback query at once, and send the graph once Prometheus has answered.

        Without a graph, a message says why. Raises TelegramError and StorageError.
        """
        t = handling.texts
        incident = await self._storage.read(lambda db: alert_marks.incident(db, incident_id))
        if incident is None:
            await handling.answer(t.plain("outcome.unknown"), alert=True)
            return
        await handling.mark_handled()  # first, so that a lost answer causes no second picture
        await handling.answer(t.plain("alert.press.drawing"))
        reply_to = handling.pressed_id
        try:
            graph = await self.look(incident)
        except MonitoringError as error:
            log.warning("no graph", extra={"reason": error.reason, "error": error.detail})
            text = t(f"prometheus.{error.reason}", detail=shorten(error.detail, QUERY_UNITS))
            await handling.send("\n".join([text, *_link(t, incident.generator)]), reply_to=reply_to)
            return
        if graph is None or not graph.series:
            text = t("graph.no_rule" if graph is None else "graph.empty", hours=HOURS, name=incident.alertname)
            await handling.send("\n".join([text, *_link(t, incident.generator)]), reply_to=reply_to)
            return
        if await self._pictures.send(
            handling, chart_of(t, graph), graph_text(t, graph, drawn=True), "graph.png", reply_to=reply_to
        ):
            return
        await handling.send(graph_text(t, graph, drawn=False), reply_to=reply_to)

    async def look(self, incident: Incident) -> Graph | None:
        """Ask Prometheus for the graph of an incident; None if its expression is unknown. Raises MonitoringError."""
        expression = expression_of(incident.generator) or await self._prometheus.expression(incident.alertname)
        if expression is None:
            return None
        span_ms = HOURS * 3_600_000
        span = PromSpan(start_ms=self._clock() - span_ms, step_ms=span_ms // STEPS, steps=STEPS)
        labels = alert_labels(incident)
        what = measured(expression)
        try:
            series, total = await self._prometheus.over(what.query, span, labels, most=SERIES)
        except MonitoringError as error:
            if error.status is None or what.query == expression:
                raise
            # `measured` may have misread the expression; the whole of it is certainly valid for Prometheus.
            what = Measured(expression)
            series, total = await self._prometheus.over(expression, span, labels, most=SERIES)
        return Graph(incident.summary or incident.alertname, incident.generator, what, series, total)


def chart_of(t: Texts, graph: Graph) -> Chart:
    """Return the picture's content."""
    every = STEPS // HOURS
    ticks = [
        (float(hour * every), t.plain("graph.now" if hour == HOURS else "graph.ago", hours=HOURS - hour))
        for hour in range(HOURS + 1)
    ]
    return Chart(
        title=shorten(graph.title, TITLE_UNITS),
        kind="lines",
        positions=tuple(map(float, range(STEPS + 1))),
        lines=tuple(
            ChartLine(name, series.values) for name, series in zip(names_of(graph.series), graph.series, strict=True)
        ),
        ticks=tuple(ticks),
        threshold=graph.what.threshold,
    )


def graph_text(t: Texts, graph: Graph, *, drawn: bool) -> str:
    """Return the text (HTML) of a graph; without a picture, it has a row of block characters for each series."""
    lines = [t("graph.title", title=shorten(graph.title, TITLE_UNITS), hours=HOURS)]
    for name, series in zip(names_of(graph.series), graph.series, strict=True):
        known = [value for value in series.values if value is not None]
        if not drawn:
            lines.append(t("graph.blocks", line=blocks(series.values, BLOCKS)))
        if known:
            lines.append(_line(t, name, known))
    if graph.total > len(graph.series):
        lines.append(t("graph.more", count=graph.total - len(graph.series)))
    if graph.what.threshold is not None:
        lines.append(t("graph.level", level=f"{graph.what.threshold:.4g}"))
    lines.append(t("graph.query", query=shorten(" ".join(graph.what.query.split()), QUERY_UNITS)))
    return "\n".join([*lines, *_link(t, graph.link)])


def _line(t: Texts, name: str, known: Sequence[float]) -> str:
    """Return the line about one series; without a name if it is the only one."""
    last, least, most = (f"{value:.4g}" for value in (known[-1], min(known), max(known)))
    flat = least == most
    if name:
        return t("graph.flat" if flat else "graph.line", name=name, last=last, least=least, most=most)
    return t("graph.only_flat" if flat else "graph.only_line", last=last, least=least, most=most)


def names_of(series: Sequence[Series]) -> list[str]:
    """Return a name for each series, made of the labels in which they differ."""
    keys = sorted({key for item in series for key in item.labels})
    differ = [key for key in keys if len({item.labels.get(key) for item in series}) > 1]
    return [shorten(", ".join(item.labels.get(key, "-") for key in differ), NAME_UNITS) for item in series]


def alert_labels(incident: Incident) -> Mapping[str, str]:
    """Return an alert's labels; empty if they are unknown."""
    found: dict[str, str] = json.loads(incident.labels) if incident.labels else {}
    return found


def _link(t: Texts, generator: str) -> list[str]:
    """Return the line with the link to the expression's page; no line if `generator` is not a link."""
    where = source_of(generator)
    return [] if where is None else [t(f"graph.link.{where}", url=attribute_url(generator))]


Source = Literal["prometheus", "grafana", "source"]


def source_of(url: str) -> Source | None:
    """Return which program's page an alert's link opens, judged by its path; None if it is not a link.

    Prometheus: `/graph?g0.expr=` up to 2.x, `/query?g0.expr=` since 3.0. Grafana: `/alerting/grafana/UID/view`.
    """
    if not is_link(url):
        return None
    parts = urlsplit(url)
    if parts.path.endswith(("/graph", "/query")) and "g0.expr" in parse_qs(parts.query):
        return "prometheus"
    places = parts.path.split("/")
    if "grafana" in places or "alerting" in places or (parts.hostname or "").partition(".")[0] == "grafana":
        return "grafana"
    return "source"
