"""The committed configuration as an installation's."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml

from stack.facts import Facts
from stack.files import committed
from stack.render import ALERTMANAGER, DASHBOARDS, DATASOURCE, PROMETHEUS, TARGETS, WEBHOOK_FILE, render

FACTS = Facts(
    targets=("10.0.0.1:9090", "10.0.0.2:9090"),
    prometheus="127.0.0.1:19091",
    alertmanager="127.0.0.1:19093",
    webhook_url="http://10.0.0.1:9090/alerts",
    dashboards="/somewhere/dashboards",
    runbooks_url="http://10.0.0.1:9090/runbooks",
    admin_ids=(1000, 7_000_000_000),
    telegram_api_url="http://127.0.0.1:8082",
    telegram_token="123456:" + "T" * 30,
    webhook_token="the-webhook-token",
    basic_auth="user:pass:word ' \"☃",
)
RULES = "prometheus/rules/of-a-test.yml"
RULE = """
groups:
  - name: g
    interval: 30s
    rules:
      - alert: A
        expr: |
          rate(a[5m]) > 60
          and age
            > 120  # duration
        for: 5m
        keep_firing_for: 10m
        annotations: {description: "over [5m]", remind_seconds: "1800"}
      - record: b
        expr: 1
"""


def tree(path: str, **changed: Any) -> Any:
    """Render, and read one file."""
    files = {**committed(), RULES: RULE}
    return yaml.safe_load(render(files, dataclasses.replace(FACTS, **changed))[path])


def test_prometheus_gets_addresses_and_password() -> None:
    """Targets, the stack's own addresses and the password of /metrics are put in, whatever characters it has."""
    found = tree(PROMETHEUS)
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    assert set(jobs) == {"doradura-bot", "prometheus", "alertmanager"}
    assert jobs["doradura-bot"]["basic_auth"] == {"username": "user", "password": "pass:word ' \"☃"}
    assert jobs["prometheus"]["static_configs"] == [{"targets": ["127.0.0.1:19091"]}]
    assert jobs["alertmanager"]["static_configs"] == [{"targets": ["127.0.0.1:19093"]}]
    assert found["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:19093"]}]}]
    assert tree(TARGETS) == [{"targets": ["10.0.0.1:9090", "10.0.0.2:9090"]}]
    assert "basic_auth" not in str(tree(PROMETHEUS, basic_auth=None))


def test_alertmanager_gets_webhook_and_admins() -> None:
    """The bot's address is put in, and an entry of Telegram's for each admin."""
    receivers = {receiver["name"]: receiver for receiver in tree(ALERTMANAGER)["receivers"]}
    assert [entry["url"] for entry in receivers["bot"]["webhook_configs"]] == ["http://10.0.0.1:9090/alerts"]
    told = [
        (entry["chat_id"], entry["bot_token"], entry["api_url"]) for entry in receivers["telegram"]["telegram_configs"]
    ]
    assert told == [(admin, FACTS.telegram_token, "http://127.0.0.1:8082") for admin in (1000, 7_000_000_000)]
    assert render(committed(), FACTS)[WEBHOOK_FILE] == "the-webhook-token\n"


def test_without_an_admin_nothing_goes_to_nobody() -> None:
    """Without an admin Alertmanager's own receiver and its route are left out, and every alert still has a receiver."""
    found = tree(ALERTMANAGER, admin_ids=())
    assert [receiver["name"] for receiver in found["receivers"]] == ["bot"]
    assert {route["receiver"] for route in found["route"]["routes"]} == {"bot"}


def test_grafana_gets_addresses() -> None:
    """Grafana's datasource and directory of dashboards are this installation's; the uid stays."""
    source = tree(DATASOURCE)["datasources"][0]
    assert (source["url"], source["uid"]) == ("http://127.0.0.1:19091", "doradura-prometheus")
    assert tree(DASHBOARDS)["providers"][0]["options"]["path"] == "/somewhere/dashboards"


def test_at_speed_one_durations_stay() -> None:
    """What is rendered for use has the committed durations, letter by letter, and rules as they are."""
    assert tree(RULES) == yaml.safe_load(RULE)
    assert tree(PROMETHEUS)["global"] == yaml.safe_load(committed()[PROMETHEUS])["global"]
    assert tree(ALERTMANAGER)["route"] == yaml.safe_load(committed()[ALERTMANAGER])["route"]


def test_at_speed_every_duration_is_divided() -> None:
    """Prometheus, rules and Alertmanager run by one factor faster, reminders too; texts stay."""
    rule = tree(RULES, speed=30)["groups"][0]
    alert = rule["rules"][0]
    assert (rule["interval"], alert["for"], alert["keep_firing_for"]) == ("1s", "10s", "20s")
    assert alert["expr"] == "rate(a[10s]) > 60\nand age\n  > 4  # duration\n"
    assert alert["annotations"] == {"description": "over [5m]", "remind_seconds": "60"}
    assert rule["rules"][1] == {"record": "b", "expr": "1"}
    found = tree(PROMETHEUS, speed=30)
    assert (found["global"]["scrape_interval"], found["global"]["evaluation_interval"]) == ("500ms", "500ms")
    route = tree(ALERTMANAGER, speed=30)["route"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("1s", "10s", "1440s")


@pytest.mark.parametrize("base", ["http://10.0.0.1:9090/runbooks", "https://wiki.doradura.dev/alerts"])
def test_runbook_links_lead_to_this_installation(base: str) -> None:
    """Rules and panels link to the runbook by the alert's name, and no link to the project's own page is left."""
    made = render(committed(), dataclasses.replace(FACTS, runbooks_url=base))
    alerts = [
        rule
        for path, text in made.items()
        if path.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(alerts) > 20
    ours = [rule for rule in alerts if rule["annotations"].get("runbook_url")]
    assert {rule["annotations"]["runbook_url"] for rule in ours} == {f"{base}/{rule['alert']}" for rule in ours}
    assert f'"{base}/HighErrorRate"' in made["grafana/dashboards/overview.json"]
    assert not [path for path, text in made.items() if "docs/runbooks.md#" in text]


def test_a_link_of_ones_own_stays() -> None:
    """A rule whose runbook is not ours keeps its link."""
    rule = RULE.replace("remind", "runbook_url: https://wiki.example.org/a, remind")
    found = yaml.safe_load(render({**committed(), RULES: rule}, FACTS)[RULES])
    assert found["groups"][0]["rules"][0]["annotations"]["runbook_url"] == "https://wiki.example.org/a"


@pytest.mark.parametrize(("base", "linked"), [("http://10.0.0.1:9090/runbooks", False), ("https://a.dev/r", True)])
def test_what_alertmanager_tells_itself_has_no_private_link(base: str, linked: bool) -> None:  # noqa: FBT001
    """Alertmanager's own message links to a runbook that a phone reaches; else it says where the text is."""
    found = tree(ALERTMANAGER, runbooks_url=base)
    receivers = {receiver["name"]: receiver for receiver in found["receivers"]}
    for entry in receivers["telegram"]["telegram_configs"]:
        assert ("{{ .Annotations.runbook_url }}" in entry["message"]) == linked
        assert ("docs/runbooks.md, {{ .Labels.alertname }}" in entry["message"]) != linked


@pytest.mark.parametrize("speed", [1, 30])
def test_everything_committed_is_rendered(speed: float) -> None:
    """No committed file is lost, and none but the secrets is added."""
    before = committed()
    assert set(render(before, dataclasses.replace(FACTS, speed=speed))) - set(before) == {WEBHOOK_FILE}
    with_bot = render(before, dataclasses.replace(FACTS, with_bot=True))
    assert with_bot["bot/telegram.token"] == f"{FACTS.telegram_token}\n"
    assert with_bot["bot/webhook.token"] == "the-webhook-token\n"


def test_facts_show_no_secret() -> None:
    """No secret is in what a log or a traceback shows of the facts."""
    assert not any(secret in repr(FACTS) for secret in (FACTS.telegram_token, FACTS.webhook_token, "pass:word"))
