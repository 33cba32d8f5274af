"""How a chart looks. Runs only in the child: the one module that knows matplotlib.

Made for a phone: few, large labels, and colours that can be told apart in grey too (the bad ones on top).
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from doradura.charts.chart import Chart, Paint

WIDTH_INCHES = 8.0
HEIGHT_INCHES = 4.5
DOTS_PER_INCH = 120
BAR_SHARE = 0.86
ONE_LINE = 64
"""How many letters fit into a line with title and names."""
HALF_LINE = 32

_COLOURS: Mapping[Paint, str] = {"good": "#2f9e6e", "bad": "#d64545", "plain": "#3578c9"}
_INK = "#2b2f36"
_GRID = "#d9dde3"
_MORE_COLOURS = ("#3578c9", "#8a5cc2", "#c9822f", "#2a9bb0", "#7b8794", "#b04a7a")


def draw(chart: Chart) -> bytes:
    """Draw a chart as PNG."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    if chart.kind == "bars":
        _bars(axes, chart)
    else:
        _lines(axes, chart)
    _dress(axes, chart)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _bars(axes: Axes, chart: Chart) -> None:
    """Stack the series, the first one at the bottom."""
    step = min((b - a for a, b in zip(chart.positions, chart.positions[1:], strict=False)), default=1.0)
    bottom = [0.0] * len(chart.positions)
    for number, line in enumerate(chart.lines):
        heights = [value or 0.0 for value in line.values]
        colour = _colour(line.paint, number)
        axes.bar(chart.positions, heights, width=step * BAR_SHARE, bottom=bottom, color=colour, label=_plain(line.name))
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]


def _lines(axes: Axes, chart: Chart) -> None:
    for number, line in enumerate(chart.lines):
        values = [float("nan") if value is None else value for value in line.values]
        axes.plot(chart.positions, values, color=_colour(line.paint, number), linewidth=2.2, label=_plain(line.name))


def _dress(axes: Axes, chart: Chart) -> None:
    """Add titles, labels and levels."""
    axes.set_title(_plain(chart.title), loc="left", fontsize=17, fontweight="bold", color=_INK, pad=14)
    if chart.threshold is not None:
        # Before the levels are fixed: a level above all values must be visible too.
        axes.axhline(chart.threshold, color=_COLOURS["bad"], linewidth=1.6, linestyle="--")
    if all((value or 0.0) >= 0 for line in chart.lines for value in line.values):
        axes.set_ylim(bottom=0)
    if chart.whole:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if max((sum(values) for values in zip(*_counts(chart), strict=True)), default=0.0) < 1:
            axes.set_ylim(top=1)
    if chart.ticks:
        axes.set_xticks([at for at, _ in chart.ticks], [_plain(label) for _, label in chart.ticks])
        # The outer labels stay within the bars' width: the first one would touch the other axis's zero.
        labels = axes.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
    axes.tick_params(labelsize=13, colors=_INK, length=0)
    axes.grid(axis="y", color=_GRID, linewidth=1)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    if len(chart.lines) > 1:
        _legend(axes, chart)


def _legend(axes: Axes, chart: Chart) -> None:
    """Name the series: beside the title if there is room, else below, where they take no room from the values."""
    if len(chart.title) + sum(len(line.name) + 4 for line in chart.lines) <= ONE_LINE:
        drawn = axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(chart.lines), frameon=False, fontsize=13
        )
    else:
        columns = 2 if max(len(line.name) for line in chart.lines) <= HALF_LINE else 1
        drawn = axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.08), ncols=columns, frameon=False, fontsize=10)
    for text in drawn.get_texts():
        text.set_color(_INK)


def _counts(chart: Chart) -> list[list[float]]:
    return [[value or 0.0 for value in line.values] for line in chart.lines]


def _colour(paint: Paint, number: int) -> str:
    return _MORE_COLOURS[number % len(_MORE_COLOURS)] if paint == "plain" else _COLOURS[paint]


def _plain(text: str) -> str:
    """Escape matplotlib's own markup in a text: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
