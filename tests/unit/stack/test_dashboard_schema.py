from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.dashboards import NAMES, dashboard, panels

SCHEMA = Path(__file__).parent.parent.parent / "data" / "grafana" / "schema.json"
PLAIN = {"stat", "gauge", "bargauge"}
"""Kinds of panel that have no fields of their own to configure."""

TARGET = {"datasource", "exemplar", "expr", "format", "instant", "range", "legendFormat", "refId"}
"""What a query to Prometheus consists of here; its type is not among those that are published."""

UNPUBLISHED = {"auto", "auto_count", "auto_min", "expr", "useValueForTime", "titleFormat", "textFormat"}
"""Keys of variables and annotations that Grafana writes and reads itself, but leaves out of its published types."""


def validator(*path: str) -> Draft7Validator:
    """Return what validates one part of what the schema describes."""
    whole = json.loads(SCHEMA.read_text(encoding="utf-8"))
    part: dict[str, Any] = whole["definitions"]["Doradura"]
    for step in path:
        part = part["properties"][step]
    return Draft7Validator({**part, "definitions": whole["definitions"]})


def faults(found: object, *path: str) -> list[str]:
    """Say what of a thing is not as the schema wants it."""
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(*path).iter_errors(found)]


@pytest.mark.parametrize("name", NAMES)
def test_dashboards_are_what_grafana_reads(name: str) -> None:
    """The dashboard, its annotations, and each panel's options and fields have known keys and values alone."""
    found = dashboard(name)
    for part in (*found["templating"]["list"], *found["annotations"]["list"]):
        for key in UNPUBLISHED & part.keys():
            del part[key]
    assert faults(found, "dashboard") == []
    for mark in found["annotations"]["list"]:
        assert faults(mark, "annotation") == []
    for panel in panels(name):
        assert faults(panel["options"], "options", panel["type"]) == [], panel["title"]
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if panel["type"] in PLAIN:
            assert custom is None
        else:
            assert faults(custom or {}, "custom", panel["type"]) == [], panel["title"]
        assert all(set(target) == TARGET for target in panel["targets"])


def test_the_schema_finds_faults() -> None:
    """A misspelled key, a value of another type and an unknown choice are each found."""
    found = dashboard("overview")
    assert faults({**found, "refesh": "30s"}, "dashboard") != []
    assert faults({**found, "title": 5}, "dashboard") != []
    found["panels"][0]["gridPos"]["width"] = 3
    assert faults(found, "dashboard") != []
    assert faults({"textMode": "large"}, "options", "stat") != []
    assert faults({"lineWith": 2}, "custom", "timeseries") != []
