"""What a picture is to show. Plain values, the same on both sides of the pipe to the child."""

from __future__ import annotations

from typing import Literal

import msgspec

Paint = Literal["good", "bad", "plain"]
"""What a series means; the drawing knows the colours."""


class ChartLine(msgspec.Struct, frozen=True):
    """One series: a value for each position, None where there is none."""

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
    """Positions that are labelled, and how."""
    threshold: float | None = None
    """A level that is drawn across, such as the one an alert fires at."""
    whole: bool = False
    """The values are counts: no level between 0 and 1 is labelled."""
