"""The numbers of the real program: well-formed, bounded, moved by what they name, and right."""

from __future__ import annotations

import gzip
import importlib.metadata
import platform
import re
import resource
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import imageio_ffmpeg
import trio

from doradura import __version__
from tests.e2e.program import Program, running, until
from tests.e2e.webhook import alert, body, told
from tests.programs import found

USER, ADMIN = 2000, 1000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT_BYTES, PACKED_BYTES = 80_000, 8_000
SERIES = 700
"""More than the closed sets of labels make; what users write must not add to it."""

GAUGE = {"ok": 1.0, "degraded": 0.5, "failing": 0.0}

PLACES, QUEUE_LIMIT = 2, 10
ASKED_AT_ONCE = PLACES + QUEUE_LIMIT + 1
"""One more than may wait. A chat is written to once a second after its burst, so more would only take longer."""

NOT_OURS = {"python_gc_objects_uncollectable_total"}
"""Of the interpreter: 0 is what it should be."""

PAYMENTS = {
    "doradura_active_subscriptions",
    "doradura_revenue_stars_total",
    "doradura_refunded_stars_total",
    "doradura_new_subscriptions_total",
    "doradura_subscription_cancellations_total",
    "doradura_checkouts_total",
    "doradura_payment_failures_total",
}
CANARY = {"doradura_canary_last_success_timestamp_seconds", "doradura_canary_runs_total"}
NEVER_MOVED = PAYMENTS | CANARY
"""Families whose part of the program is still to come."""


async def text(program: Program, accept: str = "") -> str:
    """Scrape."""
    answer = await program.client.get(f"{program.http_url}/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    return answer.text


def series(scraped: str) -> dict[str, float]:
    """Read samples."""
    lines = (line for line in scraped.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def until_value(program: Program, name: str, value: float, *, seconds: float = 30) -> None:
    """Wait until a sample has a value."""

    async def there() -> bool:
        return (await program.metrics()).get(name) == value

    await until(there, seconds=seconds)


async def tour(program: Program) -> str:
    """All that counts: files, failures, retries, cancels, commands, presses, alerts, a block, Telegram's bad day.

    Gives a scrape made while jobs wait and run.
    """
    sample = program.media("sample.mp4")

    async def ask(words: str, kind: str = "audio") -> None:
        asked = await program.say(USER, f"/download {words}")
        await program.wait(USER, lambda m: kind in m, after=asked["message_id"])

    await told(program, body(alert("Watchdog", labels={"alertname": "Watchdog", "severity": "none"}), alert()))
    await program.wait(ADMIN, lambda m: m["text"].endswith("#HighErrorRate"))
    await program.say(USER, "/start")
    await program.say(USER, "/nonsense")
    await ask(f"{sample} mp3")
    await ask(f"{sample} mp4 360p", "video")
    await ask(f"{sample} mp3")  # from what was sent before
    wrong = "Bad Request: wrong file identifier/HTTP URL specified"
    await program.fault(method="sendAudio", error_code=400, description=wrong)
    await ask(f"{sample} mp3")  # Telegram does not know what was sent before
    await program.fault(method="sendAudio", drop="after")
    await ask(f"{sample} m4a")  # its answer is lost
    await program.fault(method="sendMessage", error_code=429, retry_after=1, description="Too Many Requests")
    await program.fault(method="getUpdates", error_code=409, description="Conflict: terminated by other getUpdates")
    offered = await program.say(USER, sample)
    card = await program.wait(USER, lambda m: "reply_markup" in m, after=offered["message_id"])
    await program.press(USER, card, "mp3 192k")
    await program.wait(USER, lambda m: "audio" in m, after=card["message_id"])
    await program.say(USER, f"/download {program.media('missing.mp4')} mp3")
    await program.say(USER, f"/download {program.media('status/500.mp4')} mp3")  # tried three times
    slow = await program.say(USER, f"/download {program.media('slow.mp4?kbps=300')} m4a")
    card = await program.wait(USER, lambda m: "⬇️" in m.get("text", ""), after=slow["message_id"])
    await program.press(USER, card, "✖")
    await until_value(program, 'doradura_download_failure_total{format="mp3",reason="site_error"}', 1, seconds=60)
    await until_value(program, "doradura_queue_depth", 0)
    busy_sites = [f"/download {program.media('slow.mp4?kbps=10')}&of={number} m4a" for number in range(ASKED_AT_ONCE)]
    for words in busy_sites[:PLACES]:
        await program.say(ADMIN, words)
    await until_value(program, 'doradura_downloads_in_progress{format="m4a"}', PLACES)
    for words in busy_sites[PLACES:]:
        await program.say(ADMIN, words)
    await until_value(program, 'doradura_queue_rejected_total{reason="full"}', 1)

    async def waiting() -> bool:
        return (await program.metrics())["doradura_queue_oldest_job_age_seconds"] > 0

    await until(waiting, seconds=30)
    busy = await text(program)
    await program.say(ADMIN, "/queue")
    await program.say(ADMIN, "/cancel")
    await until_value(program, 'doradura_download_cancelled_total{format="m4a"}', ASKED_AT_ONCE, seconds=60)
    await program.ask("POST", f"/sandbox/chats/{ADMIN}/block", json={"from_id": ADMIN, "blocked": True})
    await until_value(program, 'doradura_updates_total{type="my_chat_member"}', 1)
    await told(program, body(alert("QueueBackup")))  # nobody can be told

    async def untold() -> bool:
        # The first alert's message waits for its Dismiss button too, where that fell due (30 s) after the block.
        return (await program.metrics())["doradura_alert_outbox_depth"] >= 1

    await until(untold, seconds=30)
    return busy


async def after_a_pause(data_dir: Path) -> str:
    """Scrape a program that finds a site paused by the one before it, which was killed.

    No sample site takes the bot for a bot.
    """
    with closing(sqlite3.connect(data_dir / "doradura.db")) as db, db:
        until_ms = int((time.time() + 3600) * 1000)
        db.execute("INSERT INTO site_breakers (site, until_ms, failures) VALUES ('youtube', ?, 1)", (until_ms,))
        db.execute("UPDATE program_run SET is_open = 1")
    async with running(data_dir) as program:
        return await text(program)


async def test_after_a_tour(tmp_path: Path) -> None:
    """Every family moves but those still to come, the counters agree with what happened, promtool finds no fault."""
    async with running(tmp_path / "data", DORADURA_QUEUE_LIMIT=str(QUEUE_LIMIT)) as program:
        busy = await tour(program)
        scraped = await text(program)
        openmetrics = await text(program, OPENMETRICS)
        messages = len([m for m in await program.messages(USER) if not m["from"]["is_bot"]])
        messages += len([m for m in await program.messages(ADMIN) if not m["from"]["is_bot"]])
        files = [m for m in await program.messages(USER) if {"audio", "video"} & m.keys()]
    counted = series(scraped)
    paused = await after_a_pause(tmp_path / "data")
    assert series(paused)['doradura_site_breaker_open{site="youtube"}'] == 1
    assert series(paused)["doradura_unclean_starts_total"] == 1
    assert never_moved([busy, scraped, paused]) == NEVER_MOVED | NOT_OURS
    _check_agreement(counted, messages=messages, files=len(files))
    _check_forms(scraped, openmetrics)
    _promtool(scraped)


def never_moved(scrapes: list[str]) -> set[str]:
    """Return the families that have no value but 0 in any of the scrapes."""
    families = {family for scraped in scrapes for family in re.findall(r"^# TYPE (\S+) ", scraped, re.MULTILINE)}
    values = [(name, value) for scraped in scrapes for name, value in series(scraped).items() if value]
    return {family for family in families if not any(re.match(rf"{family}(_count|_sum)?({{|$)", n) for n, _ in values)}


def _check_agreement(counted: dict[str, float], *, messages: int, files: int) -> None:
    def total(name: str) -> float:
        return sum(value for sample, value in counted.items() if re.match(rf"doradura_{name}({{|$)", sample))

    assert counted['doradura_updates_total{type="message"}'] == messages
    assert counted['doradura_updates_total{type="callback_query"}'] == 2
    commands = {"start": 1, "download": 8 + ASKED_AT_ONCE, "queue": 1, "cancel": 1, "help": 0, "other": 1}
    for command, times in commands.items():
        assert counted[f'doradura_command_usage_total{{command="{command}"}}'] == times
    delivered = {("mp3", "320k"): 3, ("mp3", "192k"): 1, ("mp4", "360p"): 1, ("m4a", "default"): 1}
    for (fmt, quality), times in delivered.items():
        assert counted[f'doradura_download_success_total{{format="{fmt}",quality="{quality}"}}'] == times
    assert total("download_success_total") == total("download_size_bytes_count") == 6
    assert files == 6 + 1, "the one whose answer was lost is there twice"
    assert total("deliveries_unconfirmed_total") == 1
    # One came from what was sent before; the cancelled ones count nowhere here.
    assert total("download_duration_seconds_count") == 5 + 2
    assert total("upload_duration_seconds_count") == 5
    assert total("download_failure_total") == 2
    assert counted['doradura_download_failure_total{format="mp3",reason="gone"}'] == 1
    assert counted['doradura_errors_total{category="download"}'] == 1, "only the failure that is ours is an error"
    assert counted['doradura_download_retries_total{reason="site_error"}'] == 2
    assert counted['doradura_download_cancelled_total{format="m4a"}'] == ASKED_AT_ONCE, (
        "the one refused counts not, the one before them does"
    )
    assert total("site_downloads_total") == 6 + 2 + ASKED_AT_ONCE
    outcomes = {"hit": 1, "stale": 1}
    for outcome, times in outcomes.items():
        assert counted[f'doradura_file_cache_lookups_total{{outcome="{outcome}"}}'] == times
    assert total("format_requests_total") == 9 + ASKED_AT_ONCE
    assert total("queue_rejected_total") == 1
    assert total("alerts_received_total") == 3
    assert counted['doradura_alert_deliveries_total{outcome="sent"}'] == 1
    # On a slow machine the message is edited besides: an alert that no Alertmanager lists can be dismissed.
    edited = counted['doradura_alert_deliveries_total{outcome="edited"}']
    assert counted["doradura_alert_delivery_lag_seconds_count"] == 1 + edited
    assert counted["doradura_telegram_poll_conflicts_total"] == 1
    assert counted['doradura_telegram_rate_limited_total{source="server"}'] == 1


def _check_forms(scraped: str, openmetrics: str) -> None:
    assert len(scraped) < TEXT_BYTES
    assert len(gzip.compress(scraped.encode())) < PACKED_BYTES
    assert "_created" not in scraped
    assert " # {" not in scraped
    assert "_created" not in openmetrics
    assert openmetrics.endswith("# EOF\n")
    exemplar = r'^doradura_download_duration_seconds_bucket\{.*\} \S+ # \{job="\d+"\} \S+ \S+$'
    assert re.search(exemplar, openmetrics, re.MULTILINE)
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "yt_dlp": importlib.metadata.version("yt-dlp"),
        "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
        "mode": "sandbox",
    }
    build = next(line for line in scraped.splitlines() if line.startswith("doradura_build_info"))
    assert dict(re.findall(r'(\w+)="([^"]*)"', build)) == facts


def _promtool(scraped: str) -> None:
    """Let Prometheus' own tool judge; without it that part is skipped, in CI it must be there."""
    command = [found("promtool"), "check", "metrics"]
    said = subprocess.run(command, input=scraped, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


async def test_users_are_counted_over_a_restart(tmp_path: Path) -> None:
    """Active and registered users and their languages are those who wrote, once each; a restart changes nothing."""
    expected = {
        "doradura_daily_active_users": 5,
        "doradura_monthly_active_users": 5,
        "doradura_registered_users": 5,
        'doradura_user_languages{language="en"}': 3,
        'doradura_user_languages{language="other"}': 2,
    }

    async def right(program: Program) -> None:
        async def so() -> bool:
            counted = await program.metrics()
            return {name: counted[name] for name in expected} == expected

        await until(so, seconds=60)

    async with running(tmp_path / "data") as program:
        people = [USER, ADMIN]
        for language in ("en-GB", "xx", "qq-ZZ"):
            user = await program.ask("POST", "/sandbox/users", json={"first_name": "P", "language_code": language})
            people.append(user["id"])
        await program.ask("POST", "/sandbox/users", json={"first_name": "silent", "language_code": "en"})
        for person in (*people, USER):
            await program.say(person, "/help")
        await right(program)
    async with running(tmp_path / "data") as program:
        await right(program)


async def one_odd_person(program: Program, odd: str, number: int) -> None:
    """A person of an odd name and language who writes what no label may repeat, alone and in an odd group."""
    user = (await program.ask("POST", "/sandbox/users", json={"first_name": odd, "language_code": odd}))["id"]

    async def say(text: str, chat: int = user) -> None:
        await program.ask("POST", f"/sandbox/chats/{chat}/messages", json={"from_id": user, "text": text})

    await say(f"/{odd}")
    await say(f"/download http://{odd}.invalid/{odd} {odd}")
    await say(f"/download http://10.0.{number}.1/{odd} m4a")
    await say(f"/download http://127.0.{number}.1/{odd} mp3")
    await say(f"https://{odd}.invalid/")
    await say((odd * 5000)[:4096])  # the longest there is
    await say(f"/{odd * 30}@{odd} " + '{label="x"}\n# TYPE a counter' * 50)
    await say(f"https://xn--{odd}.example/\u202e\u0000\u2028{odd}")
    file = {"kind": "document", "file_name": f"{odd}.exe", "mime_type": f"{odd}/{odd}", "content_base64": "AA=="}
    await program.ask("POST", f"/sandbox/chats/{user}/files", json={"from_id": user, **file})
    group = {"title": odd, "type": "supergroup" if number % 2 else "group", "member_ids": [user]}
    chat = (await program.ask("POST", "/sandbox/chats", json=group))["id"]
    await say(f"/{odd}@{odd}", chat)
    await say(f"/download https://{odd}.invalid/ {odd}", chat)
    await program.client.request(odd.upper(), f"{program.http_url}/{odd}?{odd}", headers={"Accept": odd, odd: odd})
    await say("/cancel")


async def test_odd_input_adds_no_series(tmp_path: Path) -> None:
    """Odd names, commands, formats, languages, texts, files, groups and hosts leave as many series as without them."""
    async with running(tmp_path / "data") as program:

        async def flood(word: str, people: int) -> None:
            async with trio.open_nursery() as nursery:
                for number in range(people):
                    nursery.start_soon(one_odd_person, program, f"{word}{number}", number)

        before = series(await text(program))
        await flood("odd", 10)
        await until_value(program, 'doradura_command_usage_total{command="cancel"}', 10, seconds=60)
        first = series(await text(program))
        await flood("even", 12)
        await until_value(program, 'doradura_command_usage_total{command="cancel"}', 22, seconds=60)
        scraped = await text(program)
        second = series(scraped)
        assert set(second) == set(first)
        # What appears when it is first counted: how calls of Telegram's ended, and nothing else.
        assert all(name.startswith("doradura_telegram_requests_total{") for name in set(second) - set(before))
        assert set(before) <= set(second)
        assert len(second) < SERIES
        assert not re.search(r"(odd|even)\d", scraped), "no name, link or text of theirs is repeated"
        assert second['doradura_command_usage_total{command="other"}'] >= 22
        assert second['doradura_download_failure_total{format="none",reason="unsupported"}'] >= 22
        assert second['doradura_download_failure_total{format="m4a",reason="refused_address"}'] == 22
        assert len(scraped) < TEXT_BYTES
        assert len(gzip.compress(scraped.encode())) < PACKED_BYTES


async def test_health_is_the_same_in_both_places(tmp_path: Path) -> None:
    """The gauge says of every check what /health says, well and ill."""
    async with running(tmp_path / "data") as program:

        async def became(status: str, code: int) -> dict[str, float]:
            """Wait for a status of the whole; give what the gauges say, once it is the same."""
            found: dict[str, float] = {}

            async def same() -> bool:
                answer = await program.client.get(f"{program.http_url}/health")
                report, counted = answer.json(), await program.metrics()
                found.update({name: GAUGE[check["status"]] for name, check in report["checks"].items()})
                gauges = {name: counted.get(f'doradura_health_status{{check="{name}"}}') for name in found}
                return (report["status"], answer.status_code, gauges) == (status, code, found)

            await until(same, seconds=60)
            return found

        assert set((await became("ok", 200)).values()) == {1.0}
        before = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(
            program.process.pid, resource.RLIMIT_FSIZE, (0, before[1])
        )  # as a full disk: no write succeeds
        assert {name for name, value in (await became("failing", 503)).items() if value == 0} == {"storage"}
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, before)
        assert set((await became("ok", 200)).values()) == {1.0}
