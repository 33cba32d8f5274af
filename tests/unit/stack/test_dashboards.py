from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import yaml

from stack.dashboards.__main__ import made, main
from tests.dashboards import DIRECTORY, NAMES, dashboard, panels

EIGHT = [
    ("Download rate", "timeseries"),
    ("Success rate", "gauge"),
    ("Queue depth", "stat"),
    ("Duration percentiles", "timeseries"),
    ("Downloads by format", "barchart"),
    ("DAU/MAU", "stat"),
    ("Revenue", "stat"),
    ("Errors by category", "timeseries"),
]
"""The architecture document's panels, in its order and of its kinds."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PROVISIONED = "doradura-prometheus"
RUNBOOKS = "https://github.com/doradura/doradura/blob/main/docs/runbooks.md#"
ROOT = Path(__file__).parent.parent.parent.parent


def test_committed_files_are_what_the_code_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check passes for what is committed and made twice the same, and names a file that differs or is too many."""
    assert main(["--check"]) == 0
    assert made() == made() == {f"{name}.json": (DIRECTORY / f"{name}.json").read_text() for name in NAMES}
    assert main([], directory=tmp_path) == 0
    assert main(["--check"], directory=tmp_path) == 0
    (tmp_path / "overview.json").write_text((tmp_path / "overview.json").read_text().replace("p95", "p94"))
    (tmp_path / "old.json").write_text("{}")
    capsys.readouterr()
    assert main(["--check"], directory=tmp_path) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["old.json", "overview.json"]


def test_the_overview_begins_with_the_documents_eight() -> None:
    """The eight panels come first, in the document's order and of its kinds, and success is told in per cent."""
    found = panels("overview")
    assert [(panel["title"], panel["type"]) for panel in found[:8]] == EIGHT
    assert found[1]["fieldConfig"]["defaults"]["unit"] == "percent"
    assert found[1]["fieldConfig"]["defaults"]["max"] == 100


@pytest.mark.parametrize("name", NAMES)
def test_frame(name: str) -> None:
    """Each dashboard has its uid, time, refresh, three variables, links to the others, marks of alerts and starts."""
    found = dashboard(name)
    assert (found["uid"], found["tags"]) == (f"doradura-{name}", ["doradura"])
    assert (found["refresh"], found["timezone"], found["schemaVersion"]) == ("30s", "browser", 41)
    assert found["time"] == {"from": "now-6h", "to": "now"}
    assert "id" not in found
    assert "__inputs" not in found
    source, instance, window = found["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert source["current"]["value"] == PROVISIONED
    assert (instance["name"], instance["type"], instance["multi"], instance["includeAll"]) == (
        "instance",
        "query",
        True,
        True,
    )
    assert (instance["query"], instance["datasource"]) == ("label_values(doradura_build_info, instance)", SOURCE)
    assert (window["name"], window["type"], window["current"]["value"]) == ("window", "interval", "5m")
    assert [(link["type"], link["tags"], link["keepTime"], link["includeVars"]) for link in found["links"]] == [
        ("dashboards", ["doradura"], True, True)
    ]
    marks = found["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Alerts: critical", "Alerts: warning", "Starts of the bot"]
    assert all(mark["datasource"] == SOURCE for mark in marks)


@pytest.mark.parametrize("name", NAMES)
def test_panels_are_whole(name: str) -> None:
    """Each panel has its own id and title, words, a unit, queries of the chosen datasource and a named reference."""
    found = dashboard(name)
    assert [panel["id"] for panel in found["panels"]] == list(range(1, len(found["panels"]) + 1))
    shown = panels(name)
    assert all(panel["description"] and panel["datasource"] == SOURCE for panel in shown)
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
        assert all(target["datasource"] == SOURCE for target in panel["targets"])
        assert "unit" in panel["fieldConfig"]["defaults"] or panel["type"] in {"heatmap", "state-timeline"}
    assert "${DS_" not in (DIRECTORY / f"{name}.json").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_a_place_of_their_own(name: str) -> None:
    """No panel lies on another or beyond the 24 columns, and no row of panels has a hole in it."""
    places = [panel["gridPos"] for panel in dashboard(name)["panels"]]
    cells = [
        (column, row)
        for place in places
        for column, row in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23
    assert {column for column, row in cells if row == places[-1]["y"]} >= set(range(8))


def test_grafana_is_told_of_the_dashboards_source() -> None:
    """The datasource that is provisioned has the uid that dashboards choose at first, and knows the scrape interval."""
    directory = ROOT / "stack" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((directory / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["url"]) == (PROVISIONED, "prometheus", "http://127.0.0.1:9091")
    assert source["jsonData"]["timeInterval"] == "15s"
    (provider,) = yaml.safe_load((directory / "dashboards" / "doradura.yml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)


def test_links_lead_to_alerts_that_exist() -> None:
    """A panel's link names an alert of the shipped rules, and every alert is linked from some panel."""
    rules = (ROOT / "stack" / "prometheus" / "rules" / "alerts.yml").read_text(encoding="utf-8")
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    linked = {
        (link["title"].removeprefix("Runbook: "), link["url"])
        for name in NAMES
        for panel in panels(name)
        for link in panel.get("links", ())
    }
    assert {url for _, url in linked} == {RUNBOOKS + alert.lower() for alert, _ in linked}
    assert {alert for alert, _ in linked} == alerts


def test_single_jobs_are_marked_where_a_bucket_names_them() -> None:
    """Exemplars are asked for with the download durations alone: no other histogram has any."""
    asked = {
        (name, panel["title"], re.findall(r"doradura_\w+", target["expr"])[0])
        for name in NAMES
        for panel in panels(name)
        for target in panel["targets"]
        if target["exemplar"]
    }
    assert asked == {
        ("overview", "Duration percentiles", "doradura_download_duration_seconds_bucket"),
        ("operations", "Distribution of durations", "doradura_download_duration_seconds_bucket"),
    }
