"""From samples to the lines that are printed: medians, ratios of interleaved runs, percentiles, verdicts.

Computes only; nothing here measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

LABEL_WIDTH = 22


@dataclass(slots=True)
class Row:
    """What one row found: lines for people, and pass or fail where the project states an aim."""

    lines: list[str] = field(default_factory=list)
    passed: bool | None = None
    """None where no aim is stated."""

    def add(self, label: str, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{label:<{LABEL_WIDTH}} {text}")

    def compare(self, label: str, *, ours: Series, theirs: Series) -> None:
        """Add the ratio ours / theirs of runs that were made in turns, then both medians."""
        each = ratios(ours.values, theirs.values)
        self.add(
            label,
            f"x{median(each):.2f} ({min(each):.2f}-{max(each):.2f})   {ours.name} {ours.middle()},"
            f" {theirs.name} {theirs.middle()}",
        )

    def aim(self, text: str, *, met: bool) -> None:
        """Add the verdict on an aim. A row with two aims passes when both are met."""
        self.passed = met and self.passed is not False
        self.add("aim", f"{text}: {'pass' if met else 'FAIL'}")


@dataclass(frozen=True, slots=True)
class Series:
    """One side's figures, one a run, in the order they were taken."""

    name: str
    values: Sequence[float]
    unit: str
    digits: int = 0

    def middle(self) -> str:
        """Return the median with its unit."""
        return f"{median(self.values):,.{self.digits}f} {self.unit}"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide run by run: neighbours in time saw the same machine. Raises ValueError when the sides differ in number."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least `share` (0 to 1) of all are not above."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(seconds: Sequence[float]) -> str:
    """Write latencies as median, p99 and maximum in milliseconds."""
    figures = (median(seconds), percentile(seconds, 0.99), max(seconds))
    middle, most, worst = (f"{1000 * figure:.1f}" for figure in figures)
    return f"median {middle}, p99 {most}, max {worst} ms (n={len(seconds)})"


def bucket_bound(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Return the bucket bound under which `share` of what a histogram counted between two scrapes lies.

    The buckets are cumulative, bound -> count, as Prometheus has them; infinity when the last one is needed.
    """
    counted = {bound: after[bound] - before[bound] for bound in sorted(after)}
    wanted = share * counted[math.inf]
    return next(bound for bound, count in counted.items() if count >= wanted)
