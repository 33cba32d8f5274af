"""The buttons under an alert against a real Alertmanager and a real Prometheus, pressed in the sandbox's chat."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from importlib import util
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.program import Message, Program, running, until
from tests.e2e.test_alertmanager import Alertmanager, binary
from tests.e2e.test_alerts import all_told, first_line
from tests.e2e.webhook import ADMIN, alert, body, told
from tests.monitors import open_prometheus
from tests.ports import free_port
from tests.programs import found

LABELS = {"alertname": "HighErrorRate", "instance": "bot:9090", "severity": "critical"}


PROMETHEUS = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - {rules}
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""
RULES = """
groups:
  - name: tried
    rules:
      - alert: Ruled
        expr: up > 0.5
"""


FIRST = ["🔕 1 h", "🔕 4 h", "🔕 24 h", "👤 Acknowledge", "📈 Graph", "📖 What to do"]


async def silences(alertmanager: Alertmanager) -> list[dict[str, Any]]:
    """What Alertmanager itself says is silenced."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        found: list[dict[str, Any]] = (await client.get(f"{alertmanager.url}/api/v2/silences")).json()
    return [item for item in found if item["status"]["state"] == "active"]


def labels_of(message: Message) -> list[str]:
    """The labels of a message's buttons."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


async def read_runbook(program: Program, message: Message) -> None:
    """The button under an alert sends what to do about it, with its queries as code."""
    await program.press(ADMIN, message, "📖 What to do")
    said = await program.wait(ADMIN, lambda m: m["text"].startswith("HighErrorRate\n\nMeans: over 10 %"))
    assert {entity["type"] for entity in said["entities"]} == {"bold", "code", "pre"}


async def test_silenced_and_undone_over_a_restart(tmp_path: Path) -> None:
    """A silence pressed in the chat is Alertmanager's, with the alert's exact labels; the next life undoes it.

    Pressed again nothing is made twice; Alertmanager's data gone, /alerts and the buttons say how it is.
    """
    binary()
    port = free_port()
    url = {"DORADURA_ALERTMANAGER_URL": f"http://127.0.0.1:{port}"}
    starts = datetime.now(UTC)
    later = starts + timedelta(hours=1)
    async with running(tmp_path / "data", **url) as first:
        alertmanager = Alertmanager(tmp_path / "alertmanager", first, port=port)
        async with alertmanager.running():
            await alertmanager.fire(starts=starts, ends=later, summary="12% of downloads failed")
            message = await first.wait(ADMIN, lambda m: "12% of downloads failed" in m["text"], seconds=60)
            assert labels_of(message) == FIRST
            answer = await first.press(ADMIN, message, "🔕 4 h")
            assert answer["text"].startswith("Silenced until ")
            (silence,) = await silences(alertmanager)
            assert {item["name"]: item["value"] for item in silence["matchers"]} == LABELS
            assert all(item["isEqual"] and not item["isRegex"] for item in silence["matchers"])
            assert silence["createdBy"] == "Admin"
            assert silence["comment"].startswith("Silenced from Doradura's chat by Admin")
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                (seen,) = (await client.get(f"{alertmanager.url}/api/v2/alerts")).json()
            # The webhook and the API name an alert alike: that is how the end of a silenced one is noticed.
            with contextlib.closing(sqlite3.connect(tmp_path / "data" / "doradura.db")) as db:
                assert db.execute("SELECT fingerprint FROM alert_incidents").fetchall() == [(seen["fingerprint"],)]
            lasts = datetime.fromisoformat(silence["endsAt"]) - datetime.fromisoformat(silence["startsAt"])
            assert abs(lasts - timedelta(hours=4)) < timedelta(seconds=5)
            message = await first.wait(ADMIN, lambda m: "🔕 Silenced by Admin until " in m["text"])
            assert labels_of(message) == ["🔔 Undo silence", "👤 Acknowledge", "📈 Graph", "📖 What to do"]
            await first.kill()
            async with running(tmp_path / "data", **url) as second:
                await read_runbook(second, message)
                await second.say(ADMIN, "/alerts")
                listed = await second.wait(ADMIN, lambda m: "Alertmanager has 1 silence" in m["text"])
                assert "alertname=HighErrorRate, instance=bot:9090" in listed["text"]
                answer = await second.press(ADMIN, message, "🔔 Undo")
                assert answer["text"] == "The silence is lifted."
                assert await silences(alertmanager) == []
                await second.wait(ADMIN, lambda m: m["message_id"] == message["message_id"] and "🔕" not in m["text"])
                assert (await second.press(ADMIN, listed, "1"))["answered"]
                listed = await second.wait(
                    ADMIN, lambda m: m["message_id"] == listed["message_id"] and "« All alerts" in labels_of(m)
                )
                await second.press(ADMIN, listed, "🔕 1 h")
                (silence,) = await silences(alertmanager)
                await second.wait(
                    ADMIN, lambda m: m["message_id"] == listed["message_id"] and "🔕 Silenced" in m["text"]
                )
                await second.kill()
        await alertmanager.aclose()
    async with running(tmp_path / "data", **url) as third:
        silenced = await third.wait(ADMIN, lambda m: "🔔 Undo silence" in labels_of(m))
        answer = await third.press(ADMIN, silenced, "🔔 Undo")
        assert answer["text"].startswith("Alertmanager can't be reached, so nothing was done.")
        await third.say(ADMIN, "/alerts")
        await third.wait(ADMIN, lambda m: "⚠️ No Alertmanager at " in m["text"])


async def test_the_graph_of_a_real_prometheus(tmp_path: Path) -> None:
    """By the expression in the alert's link, and by the rule where it has none; without Prometheus that is said."""
    found("prometheus")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    configuration, rules = tmp_path / "prometheus.yml", tmp_path / "rules.yml"
    configuration.write_text(PROMETHEUS.format(port=port, rules=rules), encoding="utf-8")
    rules.write_text(RULES, encoding="utf-8")
    linked = alert("Linked", generatorURL=f"{url}/graph?g0.expr=sum%28up%29+%3E+0.5&g0.tab=1")
    linked["annotations"] = {"summary": "Linked"}
    ruled = alert("Ruled")
    ruled["annotations"] = {"summary": "Ruled"}
    async with running(tmp_path / "data", DORADURA_PROMETHEUS_URL=url) as program:
        await told(program, body(linked, ruled))
        await all_told(program)
        messages = {first_line(m).rpartition(" ")[2]: m for m in await program.messages(ADMIN)}
        async with open_prometheus(configuration, tmp_path / "prometheus", port=port) as prometheus:
            await until(lambda: prometheus.query("up"), seconds=30)
            for name, query in (("Linked", "sum(up)"), ("Ruled", "up")):
                answer = await program.press(ADMIN, messages[name], "📈")
                assert answer["text"] == "Asking Prometheus…"
                shown = await program.wait(ADMIN, lambda m: f"📈 {name}, the last 6 h" in said(m))  # noqa: B023 - it is over before the next
                assert shown["reply_to_message"]["message_id"] == messages[name]["message_id"]
                lines = said(shown).split("\n")
                assert "Constantly 1." in said(shown)
                assert f"It fires at 0.5.\n{query}" in said(shown)
                assert lines[-1] == ("Open in Prometheus" if name == "Linked" else query)
                assert ("photo" in shown) == (util.find_spec("matplotlib") is not None)
        await program.press(ADMIN, messages["Linked"], "📈")
        await program.wait(ADMIN, lambda m: "📈 No graph: Prometheus can't be reached." in said(m))


def said(message: Message) -> str:
    """A message's text, or what stands under its picture."""
    text: str = message.get("text") or message.get("caption") or ""
    return text
