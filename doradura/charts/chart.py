"""What a picture shows. Plain values, the same on both sides of the pipe to the child."""

from __future__ import annotations

from typing import Literal

import msgspec

Paint = Literal["good", "bad", "plain"]
"""What a series means; the drawing chooses the colours."""


class ChartLine(msgspec.Struct, frozen=True):
    """One series: a value for each position, None if there is none."""

    name: str
    values: tuple[float | None, ...]
    paint: Paint = "plain"


class Chart(msgspec.Struct, frozen=True):
    """A picture: series over common positions, as stacked bars or as lines."""

    title: str
    kind: Literal["bars", "lines"]
    positions: tuple[float, ...]
    lines: tuple[ChartLine, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    """The labelled positions and their labels."""
    threshold: float | None = None
    """A level that is drawn across, such as an alert's threshold."""
    whole: bool = False
    """Whether the values are counts: then no level between 0 and 1 is labelled."""
