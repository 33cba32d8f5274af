"""Reads the committed dashboards for tests: their panels, their queries, and the names in a query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent.parent / "stack" / "grafana" / "dashboards"
NAMES = ("overview", "operations", "business", "monitoring")
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel."""

    dashboard: str
    panel: str
    expr: str
    legend: str
    instant: bool

    @property
    def id(self) -> str:
        """The dashboard, the panel and the expression of the query."""
        return f"{self.dashboard}: {self.panel}: {self.expr}"


def dashboard(name: str) -> Json:
    """Return a committed dashboard."""
    found: Json = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(name: str) -> list[Json]:
    """Return a dashboard's panels without the rows."""
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Asked]:
    """Return all queries of all dashboards in their order."""
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                yield Asked(name, panel["title"], target["expr"], target["legendFormat"], target["instant"])


def filled(expr: str, *, instance: str = ".*", window: str = "5m", step: str = "1m", shown: str = "6h") -> str:
    """Replace Grafana's variables by values."""
    places = {"$__rate_interval": step, "$__range": shown, "$window": window, "$instance": instance}
    for variable, value in places.items():
        expr = expr.replace(variable, value)
    return expr


@dataclass(frozen=True, slots=True)
class Selected:
    """A series selector, and the labels by which its result is grouped."""

    metric: str
    matched: frozenset[str]
    grouped: frozenset[str]


def selected(expr: str, names: frozenset[str]) -> Iterator[Selected]:
    """Return an expression's selectors whose metric is one of `names` or begins like one of ours."""
    plain = re.sub(r'"[^"]*"', '""', expr)
    for found in re.finditer(r"\b[a-zA-Z_:][\w:]*", plain):
        if found[0] in names or found[0].startswith("doradura_"):
            braces = re.match(r"\{([^}]*)\}", plain[found.end() :])
            matched = frozenset(LABEL.findall(braces[1])) if braces else frozenset[str]()
            yield Selected(found[0], matched, frozenset(_groups(plain, found.start())))


def _groups(expr: str, place: int) -> Iterator[str]:
    """Return the labels of every `by (...) (` whose parentheses enclose a position."""
    for clause in re.finditer(r"\bby \(([^)]*)\) ?\(", expr):
        if clause.end() <= place < _closing(expr, clause.end()):
            yield from (label.strip() for label in clause[1].split(","))


def _closing(expr: str, start: int) -> int:
    """Return the position at which the parenthesis that opened before `start` closes."""
    depth = 1
    for place in range(start, len(expr)):
        depth += {"(": 1, ")": -1}.get(expr[place], 0)
        if depth == 0:
            return place
    raise AssertionError(f"a parenthesis is not closed in {expr}")
