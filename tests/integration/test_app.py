"""The whole task tree in one process: it starts, works, drains, breaks, and leaves nothing behind."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from doradura.__main__ import main
from doradura.app import App
from doradura.data_directory import DataDirectoryLockedError
from doradura.storage import Connection, statistics
from doradura.telegram.poller import Poller
from tests.integration.app_leftovers import nothing_left, processes_of
from tests.integration.app_tools import (
    AtStep,
    Disk,
    Home,
    make_media,
    person,
    sample,
    silent_server,
    until,
)

RUN = "SELECT is_open, unclean_starts FROM program_run"
LEAVE_SECONDS = 15.0
"""What leaving may take when nothing is in hand that has to end first."""


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


@pytest.fixture
def home(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Where the test's app lives; what it makes elsewhere in temporary files is seen too."""
    return Home.make(tmp_path / "data", media)


async def test_serves_then_drains_then_leaves_nothing(home: Home) -> None:
    """A stop in the middle of a download lets it finish: the file is there, and nothing of the app is left."""
    async with nothing_left(home):
        async with home.running() as app, person(app.sandbox_url) as user:
            await user.say(f"/download {user.media('slow.mp4?kbps=8000')} m4a")
            await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
        assert sample(app, "download_success_total", format="m4a", quality="default") == 1
        assert list((home.directory / "jobs").iterdir()) == []
        assert sorted(path.name for path in home.directory.iterdir()) == [
            "doradura.db",
            "jobs",
            "lock",
            "mode",
            "sandbox",
            "webhook.token",
        ]
        assert gc.get_freeze_count() == 0
        assert home.rows(RUN) == [(0, 0)]


async def test_two_apps_in_one_process(home: Home, tmp_path: Path, media: Path) -> None:
    """Each serves its own user from its own directory and counts for itself; the first goes on when the other left."""
    other = Home.make(tmp_path / "other", media)
    async with nothing_left(home, other), home.running() as app, person(app.sandbox_url) as user:
        async with other.running() as second, person(second.sandbox_url, 1000) as neighbour:
            await user.say(f"/download {user.media('sample.mp4')} m4a")
            asked = await neighbour.say("/help")
            await user.wait(lambda m: "audio" in m)
            await neighbour.wait(lambda m: "Commands" in m.get("text", ""), after=asked["message_id"])
            await until(lambda: sample(app, "download_success_total", format="m4a", quality="default"))
            assert await neighbour.files() == []
            assert sample(second, "download_success_total", format="m4a", quality="default") == 0
            assert sample(app, "command_usage_total", command="help") == 0
            assert sample(second, "command_usage_total", command="help") == 1
        again = await user.say("/help")
        await user.wait(lambda m: "Commands" in m.get("text", ""), after=again["message_id"])


async def test_a_second_app_on_the_same_directory(home: Home) -> None:
    """It is refused at once and disturbs nothing: the first one's download goes on to its end."""
    async with nothing_left(home), home.running() as app, person(app.sandbox_url) as user:
        await user.say(f"/download {user.media('slow.mp4?kbps=8000')} m4a")
        await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
        with pytest.raises(DataDirectoryLockedError, match="in use by process"):
            await home.app().run()
        await user.wait(lambda m: "audio" in m)


async def test_a_part_that_breaks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is no drain: it ends everything at once and comes out of `run`."""

    class BrokenError(Exception):
        pass

    async def turn(_poller: Poller) -> float:
        await broken.wait()
        raise BrokenError

    broken = trio.Event()
    monkeypatch.setattr(Poller, "_turn", turn)
    async with nothing_left(home):
        app = home.app()

        async def run() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(app.run)
                broken.set()

        with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(30):
            await run()
        assert caught.group_contains(BrokenError)
    assert home.rows(RUN) == [(1, 0)]
    monkeypatch.undo()
    async with home.running() as app, person(app.sandbox_url, 1000) as admin:
        await admin.wait(lambda m: m["text"].startswith("🔹 I stopped unexpectedly at about 20"))
        await until(lambda: home.rows("SELECT COUNT(*) FROM alert_outbox") == [(0,)])
        sendings = [call["params"] for call in await admin.calls("sendMessage")]
        assert [(sent["chat_id"], sent["disable_notification"]) for sent in sendings] == [("1000", "true")]
    assert home.rows(RUN) == [(0, 1)]


async def test_a_number_that_cannot_be_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query with a fault of ours in it costs its family and one error of storage, and no scrape."""

    def broken(_db: Connection, _now_ms: int) -> statistics.Samples:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(statistics, "FAMILIES", {**statistics.FAMILIES, "doradura_queue_depth": broken})
    async with home.running() as app, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for _ in range(2):  # the second is answered from what the first found
            scraped = await client.get(f"{app.http_url}/metrics")
            assert scraped.status_code == 200
            assert "doradura_queue_depth" not in scraped.text
            assert "doradura_registered_users 0.0" in scraped.text
        assert sample(app, "errors_total", category="storage") == 1
        assert sample(app, "errors_total", category="http") == 0


async def test_logging_is_left_as_it_was(home: Home) -> None:
    """The app itself configures no logging: handlers and levels are the process's business."""
    before = (logging.root.level, list(logging.root.handlers))
    async with home.running():
        assert (logging.root.level, list(logging.root.handlers)) == before


async def test_stop_at_any_step_of_a_start(tmp_path: Path, media: Path) -> None:
    """A stop before the start is complete leaves at once and without an error, wherever it comes."""

    async def ended(_app: App, _step: AtStep) -> None:
        await trio.sleep(LEAVE_SECONDS)
        pytest.fail("it did not leave")

    for at in range(10, 240, 25):
        home = Home.make(tmp_path / str(at), media)
        async with nothing_left(home):
            await home.live(ended, at=at, act=App.stop)


async def test_stop_while_telegram_is_silent(tmp_path: Path, media: Path) -> None:
    """A Telegram that takes connections and never answers holds up no stop, and no look at /health before it."""
    async with silent_server() as (url, asked), httpx.AsyncClient(trust_env=False, timeout=60) as client:
        home = Home.make(tmp_path / "data", media, telegram_url=url)

        async def stop(app: App, _step: AtStep) -> None:
            await asked.wait()
            answer = await client.get(f"{app.http_url}/health", headers={"connection": "close"})
            assert (answer.status_code, answer.json()["status"]) == (503, "starting")
            app.stop()
            await trio.sleep(LEAVE_SECONDS)
            pytest.fail("it did not leave")

        async with nothing_left(home):
            await home.live(stop)


async def test_a_signal_while_starting(tmp_path: Path, media: Path) -> None:
    """The program, told to stop while Telegram is silent, leaves at once with exit code 0 and without a traceback."""
    async with silent_server() as (url, asked):
        home = Home.make(tmp_path / "data", media, telegram_url=url)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "doradura", "run"],
            env={**{n: v for n, v in os.environ.items() if not n.startswith("DORADURA_")}, **home.environment()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            with trio.fail_after(30):
                await asked.wait()
            process.terminate()
            said = b""
            with trio.fail_after(LEAVE_SECONDS):
                async for piece in process.stderr:
                    said += piece
                await process.wait()
        finally:
            process.kill()
            await process.stderr.aclose()
        assert process.returncode == 0, said.decode()
        assert b"Traceback" not in said
        assert processes_of(home) == []


async def test_abort_cuts_the_drain(home: Home) -> None:
    """What is in hand is left to the next start, as not tried."""

    async def abort(app: App, _step: AtStep) -> None:
        await until(lambda: app.me is not None)
        async with person(app.sandbox_url) as user:
            await user.say(f"/download {user.media('slow.mp4?kbps=100')} m4a")
            await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
            app.stop()
            answer = await user.client.get(f"{app.http_url}/health")
            assert (answer.status_code, answer.json()["status"]) == (503, "draining")
            probes = [await user.client.get(f"{app.http_url}/{name}") for name in ("livez", "readyz")]
            assert [answer.status_code for answer in probes] == [200, 503]
        app.abort()
        await trio.sleep(LEAVE_SECONDS)
        pytest.fail("it did not leave")

    async with nothing_left(home):
        await home.live(abort)
    assert home.rows("SELECT state, tries FROM jobs") == [("running", 0)]


async def test_clients_that_do_not_leave(home: Home) -> None:
    """One that asks on and on and reads nothing, and fifty that keep their connections, don't hold up the end."""

    async def crowd(app: App, _step: AtStep) -> None:
        await until(lambda: app.me is not None)
        port = urlsplit(app.http_url or "").port or 0
        request = b"GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n"
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(50)]
        slow = await trio.open_tcp_stream("127.0.0.1", port)
        try:
            for stream in idle:
                await stream.send_all(request)
                assert (await stream.receive_some(12)) == b"HTTP/1.1 200"
            with trio.move_on_after(1):
                while True:
                    await slow.send_all(request)
            app.stop()
            await trio.sleep(LEAVE_SECONDS)
            pytest.fail("it did not leave")
        finally:
            for stream in (*idle, slow):
                stream.socket.close()

    async with nothing_left(home):
        await home.live(crowd)


async def test_a_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database fails, scrapes go on, /health says so, and updates wait at Telegram; then all is done."""
    disk = Disk()
    monkeypatch.setattr("doradura.storage.sqlite.storage.sqlite3", disk.sqlite3())
    async with nothing_left(home), home.running() as app, person(app.sandbox_url) as user:
        await user.say(f"/download {user.media('slow.mp4?kbps=8000')} m4a")
        await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
        text = (await user.client.get(f"{app.http_url}/metrics")).text
        assert "doradura_queue_depth 0.0" in text
        disk.full = True
        asked = await user.say("/help")
        await until(lambda: app._poller is not None and app._poller.state == "store_failing")
        await trio.sleep(5.1)  # database values are kept for five seconds
        answer = await user.client.get(f"{app.http_url}/metrics")
        assert answer.status_code == 200
        assert "doradura_queue_depth" not in answer.text
        assert "doradura_registered_users" not in answer.text
        assert 'doradura_health_status{check="storage"} 0.0' in answer.text
        report = await user.client.get(f"{app.http_url}/health")
        assert report.status_code == 503
        assert report.json()["status"] == "failing"
        assert report.json()["checks"]["storage"]["status"] == "failing"
        assert sample(app, "errors_total", category="storage") > 0
        assert [m for m in await user.messages(asked["message_id"]) if m["from"]["is_bot"]] == []
        disk.full = False
        await user.wait(lambda m: "Commands" in m.get("text", ""), after=asked["message_id"], seconds=45)
        await user.wait(lambda m: "audio" in m, seconds=45)
        await until(lambda: sample(app, "download_success_total", format="m4a", quality="default") == 1)
        assert len(await user.files()) == 1
        await trio.sleep(1.1)  # what /health found is kept for a second
        assert (await user.client.get(f"{app.http_url}/health")).json()["checks"]["storage"]["status"] == "ok"


def test_a_part_that_breaks_ends_the_program(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line turns it into exit code 1, says so in the log, and gives logging back as it was."""

    async def turn(_poller: Poller) -> float:
        await trio.sleep(0.1)
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(Poller, "_turn", turn)
    for name in [name for name in os.environ if name.startswith("DORADURA_")]:
        monkeypatch.delenv(name)
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    before = (logging.root.level, list(logging.root.handlers))
    assert main(["run", "--sandbox"]) == 1
    assert (logging.root.level, list(logging.root.handlers)) == before
