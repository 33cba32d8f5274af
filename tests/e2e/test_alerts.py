"""Alerts end to end: Alertmanager's own bodies posted to the running program, and what the admin then reads."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import Message, Program, running, until
from tests.e2e.webhook import ADMIN, alert, body, post, told

PAYLOADS = Path(__file__).parent.parent / "data" / "alertmanager"


def payload(name: str) -> dict[str, Any]:
    """One of Alertmanager's bodies, as it was received."""
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return body


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """A running bot with its sandbox, and a watchdog that may be silent for two seconds."""
    async with running(tmp_path / "data", DORADURA_WATCHDOG_SECONDS="2") as started:
        yield started


async def notes(program: Program) -> list[Message]:
    """What stands in the admin's chat."""
    return await program.messages(ADMIN)


def first_line(message: Message) -> str:
    """A message's first line."""
    line: str = message["text"].split("\n")[0]
    return line


async def undelivered(program: Program) -> float:
    """How many notices wait."""
    return (await program.metrics())["doradura_alert_outbox_depth"]


async def all_told(program: Program) -> None:
    """Wait until nothing waits any more."""

    async def empty() -> bool:
        report = await program.health()
        return bool(report["checks"]["alerts"].get("waiting") == 0)

    await until(empty, seconds=40)


async def test_an_alert_is_told_and_resolves_in_place(program: Program) -> None:
    """One message: critical when it fires, resolved with its duration when it ends; a repeat changes nothing."""
    firing = body(alert())
    await told(program, firing, firing)
    message = await program.wait(ADMIN, lambda m: first_line(m) == "🔴 CRITICAL: High error rate")
    assert message["text"] == (
        "🔴 CRITICAL: High error rate\n"
        "12% of downloads failed in the last 5 minutes\n"
        "Since 2026-11-23 18:37 UTC\n"
        "Instance: 127.0.0.1:9090\n"
        "#HighErrorRate"
    )
    await told(program, body(alert(status="resolved")))
    ended = await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate")
    assert ended["message_id"] == message["message_id"]
    assert "\nLasted 12 min: 2026-11-23 18:37 UTC to 2026-11-23 18:49 UTC\n" in ended["text"]
    assert ended["text"].endswith("\n#HighErrorRate")
    assert len(await notes(program)) == 1
    counted = await program.metrics()
    assert counted['doradura_alerts_received_total{severity="critical",status="firing"}'] == 1
    assert counted['doradura_alerts_received_total{severity="critical",status="resolved"}'] == 1
    assert counted['doradura_alert_deliveries_total{outcome="sent"}'] == 1
    assert counted['doradura_alert_deliveries_total{outcome="edited"}'] == 1
    assert counted["doradura_alert_delivery_lag_seconds_count"] == 2


async def test_alertmanagers_own_bodies(program: Program) -> None:
    """Every body as three versions of Alertmanager sent it leads to messages that Telegram takes."""
    names = sorted(path.stem for path in PAYLOADS.glob("am-*.json"))
    assert len(names) == 7
    await told(program, *map(payload, names))
    await all_told(program)
    found = await notes(program)
    assert found
    assert all(0 < len(message["text"].encode("utf-16-le")) // 2 <= 4096 for message in found)
    assert (await program.metrics())['doradura_alert_deliveries_total{outcome="failed"}'] == 0


async def test_only_who_knows_the_token(program: Program) -> None:
    """The token lies in the data directory for its owner alone; without it nothing is taken; nonsense is a 400."""
    path = program.data_dir / "webhook.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for authorization in ("", "Bearer wrong", "Basic eDp5"):
        answer = await post(program, body(alert()), Authorization=authorization)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    nonsense: tuple[Any, ...] = ([], {"version": "4"}, {"alerts": "none"})
    for content in nonsense:
        assert (await post(program, content)).status_code == 400
    assert await notes(program) == []
    assert path.read_text(encoding="utf-8") not in program.log()


async def test_telegram_down_for_the_whole_life_of_an_alert(program: Program) -> None:
    """Fired and resolved while Telegram answers nothing: one message comes, and it says how it ended."""
    await program.fault(method="sendMessage", times=0, drop="before")
    await program.fault(method="sendChatAction", times=0, drop="before")
    await told(program, body(alert()))

    async def retried() -> float:
        # An outcome has no sample before it is first counted.
        counted = await program.metrics()
        return counted.get('doradura_telegram_requests_total{method="sendMessage",outcome="network"}', 0)

    await until(retried, seconds=30)
    await told(program, body(alert(status="resolved")))
    assert await undelivered(program) == 1
    await program.clear_faults()
    await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate")
    await all_told(program)
    assert len(await notes(program)) == 1


async def test_a_lost_answer_is_the_only_repeat(program: Program) -> None:
    """A message whose answer was lost is sent once more, and counted; the later change goes to the last one."""
    await program.fault(method="sendMessage", times=1, drop="after")
    await told(program, body(alert()))
    await all_told(program)
    assert [first_line(message) for message in await notes(program)] == ["🔴 CRITICAL: High error rate"] * 2
    assert (await program.metrics())['doradura_alert_deliveries_total{outcome="retried"}'] == 1


async def test_killed_between_post_and_delivery(tmp_path: Path) -> None:
    """What was answered with 200 is told by the next life of the program, once."""
    async with running(tmp_path / "data") as first:
        await first.fault(method="sendMessage", times=0, error_code=500, description="Internal Server Error: restart")
        await told(first, body(alert(), alert("QueueBackup")))
        await first.kill()
    async with running(tmp_path / "data") as second:
        await second.clear_faults()
        await all_told(second)
        tags = [message["text"].split("\n")[-1] for message in await notes(second)]
        assert sorted(tag for tag in tags if tag.startswith("#")) == ["#HighErrorRate", "#QueueBackup"]
        await told(second, body(alert(status="resolved")))
        await second.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate")
        assert len(await notes(second)) == 3, "the third says that the first life was cut off"


async def test_many_at_once_are_one_message(program: Program) -> None:
    """160 alerts in one body: one message with the number and the worst first, and it says what it left out."""
    warnings = [
        alert(
            "SlowDownloads",
            labels={"alertname": "SlowDownloads", "severity": "warning", "instance": f"10.0.0.{number}:9090"},
            annotations={"summary": f"Downloads of instance {number} are slow"},
            fingerprint=f"s-{number}",
        )
        for number in range(159)
    ]
    await told(program, body(*warnings, alert()))
    message = await program.wait(ADMIN, lambda m: first_line(m) == "🔴 CRITICAL: 160 alerts at once")
    lines = message["text"].split("\n")
    assert lines[2] == "🔴 High error rate · 127.0.0.1:9090"
    shown = [line for line in lines if line.startswith(("🔴 H", "🟠"))]
    assert f"… and {160 - len(shown)} more that don't fit here; Alertmanager lists them all." in lines
    assert lines[-1] == "#HighErrorRate #SlowDownloads"
    await all_told(program)
    assert len(await notes(program)) == 1


async def test_the_watchdogs_silence_and_return(program: Program) -> None:
    """Its silence is told, an end that comes in it is called doubtful, its return is told and sounds."""
    watchdog = body(alert("Watchdog", labels={"alertname": "Watchdog", "severity": "none"}))
    assert "doradura_watchdog_last_seen_timestamp_seconds" not in await program.metrics()
    await told(program, watchdog, body(alert()))
    assert (await program.metrics())["doradura_watchdog_last_seen_timestamp_seconds"] > 1.7e9
    silence = await program.wait(ADMIN, lambda m: first_line(m) == "🔴 CRITICAL: Monitoring is silent")
    await told(program, body(alert(status="resolved")))
    ended = await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate")
    assert "This end may be false" in ended["text"]
    await told(program, watchdog)
    back = await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: Monitoring works again")
    assert back["reply_to_message"]["message_id"] == silence["message_id"]
    await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: Monitoring is silent")


async def test_an_admin_who_never_started_the_bot_is_named(tmp_path: Path) -> None:
    """/health names whom Telegram refuses; the other admin is told; once they write, they are told too."""
    async with running(tmp_path / "data", DORADURA_ADMIN_IDS="1000,4711") as program:
        await told(program, body(alert()))
        await program.wait(ADMIN, lambda m: first_line(m) == "🔴 CRITICAL: High error rate")

        async def named() -> bool:
            check = (await program.health())["checks"]["alerts"]
            return bool(check["status"] == "degraded" and check["unreachable"] == "4711")

        await until(named, seconds=60)
        assert await undelivered(program) == 0
        await program.ask("POST", "/sandbox/users", json={"id": 4711, "first_name": "Late"})
        await program.say(4711, "/start")
        await told(program, body(alert("QueueBackup")))
        await program.wait(4711, lambda m: m["text"].endswith("#HighErrorRate"))
        await program.wait(4711, lambda m: m["text"].endswith("#QueueBackup"))
