from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx
import pytest
import trio

from doradura.alerts import Reply
from doradura.health import CheckResult, Health
from doradura.health_sentences import HealthText, Sentence
from doradura.label_values import LABEL_VALUES
from doradura.metrics import DATABASE_FAMILIES, BuildFacts, DatabaseValues, FamilySamples, Metrics
from doradura.web import AccessRules, WebServer

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
ADMIT_LOOPBACK = AccessRules(LOOPBACK)
SITES = ("youtube", "vimeo", "soundcloud", "tiktok", "instagram", "twitter", "reddit", "twitch", "bandcamp", "other")
FORMATS = {
    "mp3": ("128k", "192k", "320k"),
    "mp4": ("360p", "480p", "720p", "1080p", "1440p", "2160p", "best"),
    **dict.fromkeys(("m4a", "opus", "flac", "wav", "srt", "txt", "thumbnail"), ("default",)),
}


def make_metrics() -> Metrics:
    """Metrics as the program declares them."""
    return Metrics(
        replace(LABEL_VALUES, sites=SITES, formats=FORMATS),
        build=BuildFacts(version="1.0", python="3.11", yt_dlp="2026.01.01", ffmpeg="7.0", mode="sandbox"),
    )


@dataclass
class Site:
    """A running web server with real metrics and health, and what a test may turn in it."""

    metrics: Metrics = field(default_factory=make_metrics)
    check: CheckResult = field(
        default_factory=lambda: CheckResult("ok", Sentence(HealthText.POLL_ANSWERED), {"age_seconds": 1})
    )
    break_with: Exception | None = None
    database_down: bool = False
    bodies: list[bytes] = field(default_factory=list)
    reply: Reply = field(default_factory=lambda: Reply(200, stored=1))
    url: str = ""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.health = Health("1.0", {"poll": self._poll})
        self._database = DatabaseValues(
            {name: self._query(name) for name in DATABASE_FAMILIES}, failed=self._storage_failed, keep_seconds=0
        )

    async def _poll(self) -> CheckResult:
        return self.check

    def _query(self, name: str) -> Callable[[], Awaitable[FamilySamples]]:
        async def query() -> FamilySamples:
            if self.database_down:
                raise OSError("no database")
            return {tuple(self.metrics.database_values[label][0] for label in DATABASE_FAMILIES[name][1]): 3.0}

        return query

    def _storage_failed(self, _error: Exception) -> None:
        self.metrics.errors.labels(category="storage").inc()

    def _http_failed(self) -> None:
        self.metrics.errors.labels(category="http").inc()

    async def render(self, accept: str) -> tuple[bytes, str]:
        """What the program does at a scrape."""
        if self.break_with is not None:
            raise self.break_with
        self.metrics.set_health((await self.health.report()).gauge_values())
        return await self.metrics.render(accept, await self._database.snapshot())

    async def accept(self, body: bytes) -> Reply:
        """What the program does with a webhook's body."""
        if self.break_with is not None:
            raise self.break_with
        self.bodies.append(body)
        return self.reply

    def info(self) -> Mapping[str, object]:
        """What / says."""
        return {"name": "doradura", "version": "<1.0>", "mode": "sandbox", "uptime_seconds": 93784.0}

    def errors(self, category: str) -> float:
        """The counter doradura_errors_total of a category."""
        value = self.metrics.registry.get_sample_value("doradura_errors_total", {"category": category})
        assert value is not None
        return value

    def server(self, bind: tuple[str, int], rules: AccessRules = ADMIT_LOOPBACK) -> WebServer:
        """A web server for this site."""
        return WebServer(
            bind=bind,
            render_metrics=self.render,
            health=self.health.report,
            info=self.info,
            accept_alerts=self.accept,
            is_ready=lambda: self.health.state == "running",
            access=rules,
            count_error=self._http_failed,
        )

    async def run(self, server: WebServer, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `scope` is cancelled."""
        with self.scope:
            async with trio.open_nursery() as nursery:
                self.url = await nursery.start(server.run)
                task_status.started()
        self.ended.set()

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self.url.rpartition(":")[2])


Start = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start(nursery: trio.Nursery) -> Start:
    """Start web servers that end with the test."""

    async def started(rules: AccessRules = ADMIT_LOOPBACK, bind: tuple[str, int] = ("127.0.0.1", 0)) -> Site:
        site = Site()
        await nursery.start(site.run, site.server(bind, rules))
        return site

    return started


@pytest.fixture
async def site(start: Start) -> Site:
    """A web server that lets loopback in."""
    return await start()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `site` that asks for nothing of its own accord."""
    headers = {"Accept-Encoding": "identity", "Accept": "*/*"}
    async with httpx.AsyncClient(base_url=site.url, headers=headers, trust_env=False, timeout=60) as opened:
        yield opened
