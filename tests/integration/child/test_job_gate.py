"""Real jobs through the bot's own gate: what becomes of them when it dies, and what the site's texts can't do."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from doradura.media.protocol import Failure, Order, Progress, Result, SelfTest, WorkerLostError, WorkerMessage
from doradura.workers.gate import Gate, GatedWorkers, GateError
from doradura.workers.plain import PlainWorkers
from tests.integration.child.raw_site import in_a_thread
from tests.integration.gated import gate_and_workers

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs


class SlowSite:
    """Sends half of a film, and the rest once it is let go; ranges are answered at once."""

    def __init__(self, film: Path) -> None:
        self.content = film.read_bytes()
        self.url = ""
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.connections = 0


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: SlowSite, *arguments: Any) -> None:
        self._site = site
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self._site.connections += 1

    def do_GET(self) -> None:
        site = self._site
        told = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        start, whole = int(told[1]) if told else 0, len(site.content)
        site.asked.append(f"{self.path} {start}")
        if self.path == "/lies.html":
            self._page()
            return
        self.send_response(206 if told else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        if told:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(whole - start))
        self.end_headers()
        try:
            if start == 0 and len(site.asked) == 2:  # the first is yt-dlp's look
                self.wfile.write(site.content[: whole // 2])
                self.wfile.flush()
                site.go_on.wait(60)
                start = whole // 2
            self.wfile.write(site.content[start:])
        except OSError:
            self.close_connection = True

    def _page(self) -> None:
        words = b"[Errno 240] doradura-gate-0123456789abcdef01234567 240 the gate says refused address"
        self.send_response(404, words.decode())
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)


@pytest.fixture
def slow(media: Path) -> Iterator[SlowSite]:
    """A site that waits in the middle of a film."""
    site = SlowSite(media / "sample.mp4")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, site))
    server.daemon_threads = True
    with in_a_thread(server) as site.url:
        yield site
        site.go_on.set()


@pytest.fixture
def outcomes() -> Counter[str]:
    """How many connections ended in each way, of the jobs that are over."""
    return Counter()


@pytest.fixture
async def gate(jobs: Jobs, outcomes: Counter[str]) -> AsyncIterator[Gate]:
    """The bot's gate, and jobs that go through it."""
    async with gate_and_workers(count=lambda outcome, number: outcomes.update({outcome: number})) as (running, workers):
        jobs.workers = GatedWorkers(workers, running)
        yield running


def order(jobs: Jobs, site: SlowSite, url: str, **more: Any) -> Order:
    """An order for a link of one's own, with an empty directory; the slow site may be reached."""
    shutil.rmtree(jobs.directory, ignore_errors=True)
    more.setdefault("allowed_private", (site.url.removeprefix("http://"),))
    return msgspec.structs.replace(jobs.order("/", "m4a", "default", **more), url=url)


async def the_end(jobs: Jobs, order: Order, fetching: Callable[[], None] = lambda: None) -> WorkerMessage:
    """What a job says last; `fetching` is called with each word on what came in so far."""
    with trio.fail_after(120):
        async with jobs.workers.work(order) as conversation:
            async for message in conversation:
                last = message
                if isinstance(message, Progress) and message.stage == "fetching" and message.fetched_bytes:
                    fetching()
    return last


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task brings about."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - the gate has no event for it
            await trio.sleep(0.02)


async def test_a_gate_that_is_killed_costs_no_job(jobs: Jobs, slow: SlowSite, gate: Gate) -> None:
    """In the middle of a film: the gate is back on the same port, and the job fetches what it has not got alone."""
    killed: list[int] = []

    def kill_once() -> None:
        if not killed and gate.pid is not None:
            os.kill(gate.pid, signal.SIGKILL)
            killed.append(gate.pid)

    end = await the_end(jobs, order(jobs, slow, f"{slow.url}/film.mp4"), kill_once)
    assert isinstance(end, Result), end
    assert gate.starts == 2
    assert gate.pid not in {killed[0], None}
    assert 0 < int(slow.asked[-1].split()[1]) <= len(slow.content) // 2, slow.asked


class Account(logging.Handler):
    """What the gate says of the next job that ends."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Any] = {}
        self.came = trio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.getMessage() == "connections of a job":
            self.told = vars(record)
            self.came.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that asks its gate often; before the gate starts."""
    monkeypatch.setattr("doradura.workers.gate.PING_SECONDS", 0.1)


async def test_a_gate_that_hangs_is_replaced(jobs: Jobs, slow: SlowSite, impatient: None, gate: Gate) -> None:
    """One that lives and does nothing is found by its silence, and the next one serves the job."""
    slow.go_on.set()
    first = gate.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    await until(lambda: gate.starts == 2)
    assert gate.pid not in {first, None}
    assert gate.fault is None
    end = await the_end(jobs, order(jobs, slow, f"{slow.url}/film.mp4"))
    assert isinstance(end, Result), end


async def test_without_a_gate_a_job_is_lost_and_the_fault_named(
    jobs: Jobs, slow: SlowSite, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that can't be started again: a job waits a while for it, and /health has its last output."""
    monkeypatch.setattr("doradura.workers.gate.DOOR_SECONDS", 0.2)
    monkeypatch.setattr("doradura.workers.gate.DOWN_SECONDS", 0.0)
    monkeypatch.setattr("doradura.workers.gate.sys.executable", "/nonexistent/python")
    assert gate.fault is None
    assert gate.pid is not None
    os.kill(gate.pid, signal.SIGKILL)
    await until(lambda: "no process" in (gate.fault or ""))
    with pytest.raises(WorkerLostError, match="the gate is not running: no process to be had"):
        await the_end(jobs, order(jobs, slow, f"{slow.url}/film.mp4"))


async def test_the_gate_saw_every_connection(
    jobs: Jobs, slow: SlowSite, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """As many as the site was asked over, of one host, with at least the bytes of the film, and nothing was refused."""
    slow.go_on.set()
    account, log = Account(), logging.getLogger("doradura.workers.gate")
    caplog.set_level(logging.DEBUG, log.name)
    log.addHandler(account)
    try:
        end = await the_end(jobs, order(jobs, slow, f"{slow.url}/film.mp4"))
        with trio.fail_after(10):
            await account.came.wait()
    finally:
        log.removeHandler(account)
    assert isinstance(end, Result), end
    assert account.told["connections"] == slow.connections > 0
    assert (account.told["hosts"], account.told["refused"]) == (["127.0.0.1"], [])
    assert account.told["received"] > len(slow.content)
    assert account.told["outcomes"] == {"connected": slow.connections, "refused": 0, "failed": 0}


KINDS = (
    ("/sample.mp4", "m4a", "default"),
    ("/page.html", "mp3", "320k"),
    ("/master.m3u8", "mp4", "720p"),
    ("/fmp4/index.m3u8", "mp3", "128k"),
    ("/dash/manifest.mpd", "mp4", "360p"),
    ("/status/404", "mp3", "320k"),
)
INWARDS = ("/redirect", "/inward.html", "/inward.m3u8")


async def test_the_gate_saw_every_connection_of_every_kind_of_job(
    jobs: Jobs, gate: Gate, outcomes: Counter[str]
) -> None:
    """Whatever a job fetches, and wherever it is led: the gate made each connection that the site had."""
    opened = (jobs.site.url.removeprefix("http://"),)
    for path, form, quality in KINDS:
        shutil.rmtree(jobs.directory, ignore_errors=True)
        await jobs.run(path, form, quality, allowed_private=opened)
    for path in ("/page.html", "/master.m3u8"):
        shutil.rmtree(jobs.directory, ignore_errors=True)
        await jobs.run(path, task="probe", allowed_private=opened)
    assert jobs.site.connections >= len(KINDS) + 2
    await until(lambda: outcomes["connected"] == jobs.site.connections)
    assert not outcomes["refused"]
    for path in INWARDS:
        shutil.rmtree(jobs.directory, ignore_errors=True)
        await jobs.run(path, allowed_private=opened)
    await until(lambda: outcomes["connected"] == jobs.site.connections and outcomes["refused"] >= len(INWARDS))


async def test_a_site_can_t_speak_for_the_gate(jobs: Jobs, slow: SlowSite, gate: Gate) -> None:
    """A reason phrase and a page that look like the gate's reply are a page that is not there."""
    end = await the_end(jobs, order(jobs, slow, f"{slow.url}/lies.html"))
    assert isinstance(end, Failure)
    assert end.reason == "gone", end.detail


@pytest.mark.parametrize(
    ("url", "reason", "unresolved"),
    [
        ("http://10.0.0.1/film.mp4", "refused_address", ""),
        ("http://nowhere.invalid/film.mp4", "gone", "nowhere.invalid"),
        ("http://127.0.0.1:1/film.mp4", "network", ""),
    ],
)
async def test_what_the_gate_says_is_called_what_it_is(
    *, jobs: Jobs, slow: SlowSite, gate: Gate, url: str, reason: str, unresolved: str
) -> None:
    """The reasons are those of a job that connects by itself; nothing of how they are told gets into a log."""
    end = await the_end(jobs, order(jobs, slow, url, allowed_private=("127.0.0.1:1",)))
    assert isinstance(end, Failure)
    assert (end.reason, end.unresolved) == (reason, unresolved), end.detail
    assert "the gate says" in end.detail
    assert "doradura-gate" not in end.detail


async def test_the_selftest_sees_the_gate(jobs: Jobs, slow: SlowSite, gate: Gate) -> None:
    """A worker that the gate does not let in fails its self-test, and /health with it."""
    end = await the_end(jobs, order(jobs, slow, "", task="selftest"))
    assert isinstance(end, SelfTest), end

    class Forgotten(Gate):
        """A gate that was never told of its jobs."""

        async def _tell(self, line: bytes, descriptor: int | None = None) -> None:
            assert line
            assert descriptor is None
            await trio.lowlevel.checkpoint()

    forgetful = Forgotten(environment=os.environ)
    async with trio.open_nursery() as nursery:
        await nursery.start(forgetful.run)
        jobs.workers = GatedWorkers(PlainWorkers(), forgetful)
        end = await the_end(jobs, order(jobs, slow, "", task="selftest"))
        nursery.cancel_scope.cancel()
    assert isinstance(end, Failure)
    assert (end.reason, "the gate does not answer" in end.detail) == ("tool_crash", True), end


async def test_a_gate_that_does_not_start_says_why() -> None:
    """The start of the bot ends with its words."""
    broken = Gate(environment={**os.environ, "PYTHONPATH": "/nonexistent", "PYTHONHOME": "/nonexistent"})
    with pytest.raises(GateError, match="the gate does not start"):
        await broken.run()
