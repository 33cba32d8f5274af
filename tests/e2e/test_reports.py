"""The admins' reports of the real program, beside what its database says."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from doradura.chat.figures import span_text
from doradura.chat.texts import Catalogues
from tests.e2e.program import Message, Program, running, until

ADMIN, USER, GUEST = 1000, 2000, 3000
TEXTS = Catalogues().for_language(None)
OPEN = ["download", "queue", "cancel", "help", "start"]
DAY_MS = 24 * 3600 * 1000


@contextmanager
def database(program: Program) -> Iterator[sqlite3.Connection]:
    """The program's database, from outside."""
    with closing(sqlite3.connect(f"file:{program.data_dir / 'doradura.db'}?mode=ro", uri=True)) as db:
        yield db


def one(program: Program, sql: str) -> Any:
    """The first value of a query."""
    with database(program) as db:
        return db.execute(sql).fetchone()[0]


async def fetched(program: Program, path: str, words: str) -> None:
    """Let the user ask for a sample, and wait for the file or the refusal."""
    said = await program.say(USER, f"/download {program.media(path)} {words}")

    def ended(message: Message) -> bool:
        return "audio" in message or "video" in message or "no longer exists" in message.get("text", "")

    await program.wait(USER, ended, after=said["message_id"])


async def asked(program: Program, text: str, *, user: int = ADMIN) -> Message:
    """Ask for a report; the answer."""
    said = await program.say(user, text)
    return await program.wait(user, lambda _message: True, after=said["message_id"])


def figure(text: str, pattern: str) -> float:
    """A number in a report."""
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1].replace(",", ""))


async def test_the_figures_are_the_databases(tmp_path: Path) -> None:
    """After files, a repeat and a dead link each figure is what a query gives; so it is after a kill and a restart."""
    async with running(tmp_path / "data") as program:
        for path, words in (
            ("sample.mp4", "mp3"),
            ("sample.mp4", "m4a"),
            ("sample.mp4", "m4a"),
            ("sample.mp4", "mp4 360p"),
            ("missing.mp4", "mp3"),
        ):
            await fetched(program, path, words)
        report = await asked(program, "/analytics")
        assert report["photo"][-1]["width"] == 960
        png = await program.client.get(f"{program.sandbox_url}{report['photo'][-1]['file_url']}")
        assert png.content.startswith(b"\x89PNG")
        text = report["caption"]
        compare_with_database(program, text)
        kinds = {entity["type"] for entity in report["caption_entities"]}
        assert kinds == {"bold"}
        performance = (await asked(program, "/metrics performance"))["text"]
        assert figure(performance, r"Downloads: (\d+) ended") == 5
        engagement = (await asked(program, "/metrics engagement"))["text"]
        actions = one(program, "SELECT SUM(actions) FROM activity WHERE day = (SELECT MAX(day) FROM activity)")
        assert figure(engagement, r"presses today \(UTC\): (\d+)") == actions
        assert figure(engagement, r"Known users: (\d+)") == one(program, "SELECT COUNT(*) FROM users") == 2
        await program.kill()
    async with running(tmp_path / "data") as program:
        again = (await asked(program, "/analytics 24h"))["caption"]
        assert again == text
        week = (await asked(program, "/analytics 7d"))["caption"]
        assert week.partition("\n")[2] == text.partition("\n")[2]


def compare_with_database(program: Program, text: str) -> None:
    """Each line of the report beside a query of this test's own."""
    count = "SELECT COUNT(*) FROM jobs WHERE state ="
    assert figure(text, r"✅ (\d+) files delivered") == one(program, f"{count} 'done'") == 4
    assert figure(text, r"❌ (\d+) failed, none") == one(program, f"{count} 'failed'") == 1
    assert figure(text, r"Success rate ([\d.]+) %") == 80
    size = one(program, "SELECT SUM(size_bytes) FROM jobs WHERE state = 'done'")
    assert figure(text, r"delivered, ([\d.]+) MB") == round(size / 1e6, 1)
    with database(program) as db:
        times = [row[0] for row in db.execute("SELECT finished_ms - started_ms FROM jobs WHERE worked = 1 ORDER BY 1")]
    assert len(times) == 4, "the repeat needed no worker"
    half, most = (span_text(TEXTS, took / 1000) for took in (times[1], times[3]))
    assert f"Median {half}, 95th percentile {most}\n" in text
    assert figure(text, r"♻️ (\d+) was sent again") == 1
    assert "Formats: m4a 2, mp3 1, mp4 1" in text
    assert "Failures: gone 1" in text
    assert figure(text, r"👥 (\d+) active users") == one(program, "SELECT COUNT(*) FROM users") == 2


async def test_health_in_chat_is_health_over_http(tmp_path: Path) -> None:
    """The chat tells each check as /health measured it; what is wrong comes with advice."""
    async with running(tmp_path / "data") as program:

        async def well() -> bool:
            return bool((await program.health())["status"] == "ok")

        await until(well, seconds=60)  # at first the workers' self-test is still running
        report = await program.health()
        text = (await asked(program, "/health"))["text"]
        assert text.splitlines()[0] == "🟢 All is well"
        told = {line.partition(" ")[2].partition(": ")[2] for line in text.splitlines()[3:]}
        measured = {check["message"] for name, check in report["checks"].items() if name != "disk"}
        assert measured <= told
        assert len(told) == len(report["checks"]) + sum("advice" in check for check in report["checks"].values())


async def test_only_admins_have_the_commands(tmp_path: Path) -> None:
    """A user gets the unknown command's answer; the menus differ; an admin who comes later gets theirs then."""
    async with running(tmp_path / "data", DORADURA_ADMIN_IDS=f"{ADMIN},{GUEST}") as program:
        unknown = (await asked(program, "/nonsense", user=USER))["text"]
        for command in ("/analytics", "/health", "/metrics system"):
            assert (await asked(program, command, user=USER))["text"] == unknown
        counted = await program.metrics()
        assert counted['doradura_command_usage_total{command="other"}'] == 4
        assert counted['doradura_command_usage_total{command="health"}'] == 0
        menus = [call for call in await requests(program) if call["method"] == "setMyCommands"]
        assert [call["status"] for call in menus] == [200, 200, 400]
        assert menus[2]["response"]["description"] == "Bad Request: chat not found"
        assert await menu(program) == OPEN
        assert await menu(program, ADMIN) == [*OPEN, "alerts", "analytics", "health", "metrics", "user"]
        await program.ask("POST", "/sandbox/users", json={"first_name": "Late", "language_code": "en", "id": GUEST})
        await asked(program, "/start", user=GUEST)
        assert "Telegram answers" in (await asked(program, "/health", user=GUEST))["text"]
        assert await menu(program, GUEST) == [*OPEN, "alerts", "analytics", "health", "metrics", "user"]
    async with running(tmp_path / "data", DORADURA_ADMIN_IDS=str(ADMIN)) as program:
        assert "don't know" in (await asked(program, "/health", user=GUEST))["text"]
        assert await menu(program, GUEST) == []


async def requests(program: Program) -> list[dict[str, Any]]:
    """Every Bot API call so far."""
    answer = await program.client.get(f"{program.sandbox_url}/sandbox/requests")
    return [json.loads(line) for line in answer.text.splitlines()]


async def menu(program: Program, chat_id: int | None = None) -> list[str]:
    """The commands of everybody's menu, or of a chat's own."""
    token = "1000000001:SANDBOXAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    scope = {} if chat_id is None else {"scope": {"type": "chat", "chat_id": chat_id}}
    answer = await program.client.post(f"{program.sandbox_url}/bot{token}/getMyCommands", json=scope)
    return [command["command"] for command in answer.json()["result"]]
