"""Every alert has its runbook, and what stands there in queries and commands is right."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.rules.promtool import RULES, RUNBOOKS, promtool, rules_of
from tests.integration.rules.runbooks import FENCE, TEXT, blocks, cause, queries, sections, words
from tests.integration.rules.test_rules import unknown_names

ALERTS = [rule["alert"] for rule in rules_of(RULES / "alerts.yml")]
PARTS = ("**Means**", "**Look**", "**Do**", "**For a try**")


def test_a_section_for_each_alert_in_the_order_of_the_rules() -> None:
    """The headings are the alerts' names, so that the link in an alert's message leads to its section."""
    assert list(sections())[1:] == ALERTS
    links = [rule["annotations"]["runbook_url"] for rule in rules_of(RULES / "alerts.yml")]
    assert links == [f"{RUNBOOKS}#{heading.lower()}" for heading in list(sections())[1:]]


@pytest.mark.parametrize("alert", ALERTS)
def test_a_section_says_all_four(alert: str) -> None:
    """What it means, where to look (with a query), what to do, and how to cause it (with a command), in this order."""
    text = sections()[alert]
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert blocks(text, "promql")
    assert cause(alert)


def test_links_within_the_page_lead_somewhere() -> None:
    """A link to another section names one that is there."""
    linked = set(re.findall(r"\]\(#([^)]*)\)", TEXT))
    assert linked
    assert linked <= {alert.lower() for alert in ALERTS}


def test_blocks_are_queries_or_commands() -> None:
    """No block is of another kind, and so none goes untested."""
    assert {language for language, _ in FENCE.findall(TEXT)} == {"promql", "console"}
    assert TEXT.count("```") == 2 * len(FENCE.findall(TEXT))


def test_queries_are_valid_and_of_names_that_exist(tmp_path: Path) -> None:
    """Prometheus accepts each query, and each asks for what the programs write."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    found = subprocess.run([promtool(), "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert {query: unknown_names(query) for query in queries() if unknown_names(query)} == {}


def test_commands_are_shell() -> None:
    """The shell can read each block, and each uses only the words that the page defines."""
    defined = set(re.findall(r"^(\w+)\(\)", words(), re.MULTILINE)) | set(re.findall(r"\b([A-Z]+)=", words()))
    for block in blocks(TEXT, "console"):
        found = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stderr) == (0, ""), block
        assert set(re.findall(r"\$\{?([A-Z]+)", block)) <= defined


def test_tests_named_as_causes_exist() -> None:
    """Where a section runs the alert's own test, the alert is the one of the section."""
    for alert in ALERTS:
        assert re.findall(r'-k "(\w+)"', cause(alert)) in ([], [alert])
