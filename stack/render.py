"""Turns the committed configuration into this installation's. Pure: files and facts in, files out.

`render` changes only what the facts name: addresses, passwords, tokens, and every duration if the speed is not 1. It
raises KeyError or DurationError on a committed file of an unexpected form: a file is never half rendered.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from doradura.reachable import is_public_url
from stack import durations
from stack.facts import Facts

PROMETHEUS = "prometheus/prometheus.yml"
TARGETS = "prometheus/targets/doradura-bot.yml"
RULES = "prometheus/rules/"
ALERTMANAGER = "alertmanager/alertmanager.yml"
DATASOURCE = "grafana/provisioning/datasources/prometheus.yml"
DASHBOARDS = "grafana/provisioning/dashboards/doradura.yml"
WEBHOOK_FILE = "alertmanager/webhook.token"
BOT_WEBHOOK_FILE = "bot/webhook.token"
BOT_TELEGRAM_FILE = "bot/telegram.token"
"""A bot in a container reads its secrets from files: then no environment that `inspect` shows contains them."""

_DURATION_KEYS = frozenset(
    {
        *("scrape_interval", "evaluation_interval", "scrape_timeout", "refresh_interval", "timeInterval"),
        *("interval", "for", "keep_firing_for"),
        *("group_wait", "group_interval", "repeat_interval", "resolve_timeout"),
    },
)
RUNBOOKS = "https://github.com/doradura/doradura/blob/main/docs/runbooks.md#"
"""Where the committed files' runbook links lead: to the project's own page, one heading per alert."""

_LINK = "{{ .Annotations.runbook_url }}"
_NO_LINK = "What to do: docs/runbooks.md, {{ .Labels.alertname }}"

_HEADER = "# Rendered by `python -m stack`. Edit the file of the same name under stack/ and render again.\n"


def render(files: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Render files (path below stack/ -> text). The result has every given path, and what the facts add."""
    scrape = yaml.safe_load(files[PROMETHEUS])["global"]["scrape_interval"]
    scrape_seconds = durations.seconds_of(durations.divided(scrape, facts.speed))
    alerts = _alerts(files)
    rendered = {}
    for path, text in files.items():
        if not path.endswith(".yml"):
            rendered[path] = _linked(text, facts.runbooks_url, alerts)
            continue
        tree = yaml.safe_load(text)
        if facts.speed != 1:
            tree = _faster(tree, facts.speed, scrape_seconds)
        tree = _filled(path, tree, facts)
        rendered[path] = _HEADER + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=1000)
    rendered[WEBHOOK_FILE] = f"{facts.webhook_token}\n"
    if facts.with_bot:
        rendered[BOT_WEBHOOK_FILE] = f"{facts.webhook_token}\n"
        rendered[BOT_TELEGRAM_FILE] = f"{facts.telegram_token}\n"
    return rendered


def _filled(path: str, tree: Any, facts: Facts) -> Any:
    """Return one file's tree with its facts filled in."""
    if path == PROMETHEUS:
        _prometheus(tree, facts)
    elif path == TARGETS:
        tree = [{"targets": list(facts.targets)}]
    elif path.startswith(RULES):
        _runbooks(tree, facts.runbooks_url)
    elif path == ALERTMANAGER:
        _alertmanager(tree, facts)
    elif path == DATASOURCE:
        tree["datasources"][0]["url"] = f"http://{facts.prometheus}"
    elif path == DASHBOARDS:
        tree["providers"][0]["options"]["path"] = facts.dashboards
    return tree


def alert_rules(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the alerting rules of a file."""
    return (rule for group in tree["groups"] for rule in group["rules"] if "alert" in rule)


def _runbooks(tree: dict[str, Any], base: str) -> None:
    """Point the rules' links to this installation's runbooks; an operator's own link elsewhere stays."""
    for rule in alert_rules(tree):
        notes = rule.get("annotations", {})
        if str(notes.get("runbook_url", "")).startswith(RUNBOOKS):
            notes["runbook_url"] = f"{base}/{rule['alert']}"


def _alerts(files: Mapping[str, str]) -> dict[str, str]:
    """Return the alerts' names by their headings' anchors, which are in lower case."""
    trees = [yaml.safe_load(text) for path, text in files.items() if path.startswith(RULES) and path.endswith(".yml")]
    return {rule["alert"].lower(): rule["alert"] for tree in trees for rule in alert_rules(tree)}


def _linked(text: str, base: str, alerts: Mapping[str, str]) -> str:
    """Point a dashboard's links to this installation's runbooks."""
    return re.sub(rf"{re.escape(RUNBOOKS)}(\w+)", lambda found: f"{base}/{alerts.get(found[1], found[1])}", text)


def _faster(value: Any, speed: float, scrape_seconds: float) -> Any:
    """Divide every duration of a tree."""
    if isinstance(value, list):
        return [_faster(item, speed, scrape_seconds) for item in value]
    if not isinstance(value, dict):
        return value
    divided = {}
    for key, item in value.items():
        if key in _DURATION_KEYS and isinstance(item, str):
            divided[key] = durations.divided(item, speed)
        elif key == "expr":
            divided[key] = durations.promql(str(item), speed, scrape_seconds)
        elif key == "remind_seconds":
            divided[key] = str(max(1, round(int(item) / speed)))
        else:
            divided[key] = _faster(item, speed, scrape_seconds)
    return divided


def _prometheus(tree: dict[str, Any], facts: Facts) -> None:
    tree["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [facts.alertmanager]}]
    jobs = {job["job_name"]: job for job in tree["scrape_configs"]}
    jobs["prometheus"]["static_configs"] = [{"targets": [facts.prometheus]}]
    jobs["alertmanager"]["static_configs"] = [{"targets": [facts.alertmanager]}]
    if facts.basic_auth is not None:
        # Inline, not as a file: Prometheus strips a file's text, and the file it ends up in is just as protected.
        user, _, password = facts.basic_auth.partition(":")
        jobs["doradura-bot"]["basic_auth"] = {"username": user, "password": password}


def _alertmanager(tree: dict[str, Any], facts: Facts) -> None:
    receivers = {receiver["name"]: receiver for receiver in tree["receivers"]}
    receivers["bot"]["webhook_configs"][0]["url"] = facts.webhook_url
    model = receivers["telegram"]["telegram_configs"][0]
    if not is_public_url(facts.runbooks_url):
        # No phone can open it, and this receiver reports a bot that can't send the text itself.
        model["message"] = model["message"].replace(_LINK, _NO_LINK)
    receivers["telegram"]["telegram_configs"] = [
        {
            **copy.deepcopy(model),
            "api_url": facts.telegram_api_url,
            "bot_token": facts.telegram_token,
            "chat_id": chat_id,
        }
        for chat_id in facts.told_chat_ids
    ]
    if not facts.told_chat_ids:
        # A receiver without an entry would swallow what is sent to it.
        tree["receivers"].remove(receivers["telegram"])
        tree["route"]["routes"] = [route for route in tree["route"]["routes"] if route["receiver"] != "telegram"]
