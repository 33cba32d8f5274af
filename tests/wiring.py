"""Starts the real parts between Telegram's updates and the workers, with doubles on both sides.

A `World` has what outlives the program: Telegram, the database, the disk. `World.start` runs the program once; leaving
it cancels the program, which has the effect of a kill.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from doradura.alerts import Alertmanager, Prometheus, Silencing, open_client
from doradura.charts import Chart, ChartError, Charts
from doradura.chat.handling import Handling
from doradura.chat.texts import Catalogues
from doradura.downloads.worker_slots import WorkerSlots
from doradura.downloads.workspace import Workspace
from doradura.health import HealthReport
from doradura.label_values import LABEL_VALUES
from doradura.media.processes import Stray
from doradura.metrics import BuildFacts, Metrics, TelegramMetrics
from doradura.parts import Parts, Seams, build_parts
from doradura.settings import Settings, read_settings
from doradura.storage import jobs, runs
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.coordination import Coordination
from doradura.telegram.updates import RawUpdate, read_batch
from tests.doubles import BOT_ID, TOKEN, Changes, FakeTelegram, FakeWorkers, MemoryStorage
from tests.monitoring_doubles import FakeAlertmanager, FakePrometheus

EPOCH_SECONDS = 1_800_000_000
USER = 2000
ADMIN = 1000
LINK = "https://media.example/song"


async def _inline(work: Callable[..., Any], *arguments: Any, **_options: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return work(*arguments)


class FakeClock:
    """A wall clock that follows Trio's clock. `ahead_seconds` sets it forward, or back if negative."""

    ahead_seconds = 0.0

    def __call__(self) -> int:
        """Return the time in ms since 1970."""
        return int((EPOCH_SECONDS + trio.current_time() + self.ahead_seconds) * 1000)


def without_threads_and_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run file operations in the event loop, and make the pauses between attempts exact.

    An autojump clock would jump ahead while a thread works.
    """
    monkeypatch.setattr("trio.to_thread.run_sync", _inline)
    monkeypatch.setattr("trio._path.run_sync", _inline)
    monkeypatch.setattr("doradura.downloads.job.random", SimpleNamespace(uniform=lambda _low, _high: 1.0))


def fresh_metrics() -> Metrics:
    """Return new metrics of the program, without any values."""
    return Metrics(LABEL_VALUES, build=BuildFacts(version="1", python="3", yt_dlp="1", ffmpeg="1", mode="telegram"))


class RoomyWorkspace(Workspace):
    """The real workspace, with free space that the test sets."""

    free = 10**12

    async def free_bytes(self) -> int:
        return self.free


class FakeCharts(Charts):
    """Charts without matplotlib: they record the requests and return the picture that the test set.

    While that picture is None, charts are not available.
    """

    def __init__(self, directory: Path, environment: dict[str, str], drawings: Drawings) -> None:
        super().__init__(directory, environment)
        self._drawings = drawings

    @property
    def available(self) -> bool:
        """Whether the test set a picture or an error."""
        return self._drawings.picture is not None

    async def draw(self, chart: Chart) -> bytes:
        """Return the picture. Raises ChartError if the test set that instead."""
        await trio.lowlevel.checkpoint()
        self._drawings.charts.append(chart)
        if isinstance(self._drawings.picture, bytes):
            return self._drawings.picture
        raise self._drawings.picture or ChartError("no picture")


@dataclass
class Drawings:
    """The picture or error for all charts, and the requested charts."""

    picture: bytes | ChartError | None = None
    charts: list[Chart] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Bot(Parts):
    """The parts of one run of the program."""

    api: BotApi
    silencing: Silencing
    workspace: RoomyWorkspace
    nursery: trio.Nursery

    @property
    def cut(self) -> trio.CancelScope:
        """The scope whose cancel ends the program as a kill would."""
        return self.nursery.cancel_scope


@dataclass
class World:
    """Everything that a restart of the program does not change."""

    directory: Path
    telegram: FakeTelegram = field(init=False)
    workers: FakeWorkers = field(init=False)
    storage: MemoryStorage = field(init=False)
    settings: Settings = field(init=False)
    metrics: Metrics = field(init=False)
    clock: FakeClock = field(default_factory=FakeClock)
    slots: int = 2
    strays: list[Stray] = field(default_factory=list)
    suspicions: int = 0
    """How often a job asked for a test of the workers."""
    route: Callable[[Handling], Awaitable[None]] | None = None
    """Handles updates in place of the conversations, if it is set."""
    last_update: int = 0
    drawings: Drawings = field(default_factory=Drawings)
    alertmanager: FakeAlertmanager = field(init=False)
    prometheus: FakePrometheus = field(default_factory=FakePrometheus)
    health: HealthReport = field(default_factory=lambda: HealthReport("ok", "1", 0.0, {}))

    def __post_init__(self) -> None:
        self.changes = Changes()
        self.telegram = FakeTelegram(changes=self.changes)
        self.workers = FakeWorkers(changes=self.changes)
        self.storage = MemoryStorage(self.changes)
        self.alertmanager = FakeAlertmanager(clock=self.clock)
        self.settings = read_settings(
            {
                "DORADURA_TELEGRAM_TOKEN": TOKEN,
                "DORADURA_ADMIN_IDS": str(ADMIN),
                "DORADURA_DATA_DIR": str(self.directory),
                "DORADURA_QUEUE_LIMIT": "60",
            }
        )
        self.new_metrics()

    def new_metrics(self) -> None:
        """Replace the metrics by new ones, as a new process does."""
        self.metrics = fresh_metrics()

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Bot]:
        """Start the program. Leaving the context cancels it, as a kill would."""
        assert isinstance(trio.lowlevel.current_clock(), MockClock), "ask for autojump_clock in the test itself"
        workspace = RoomyWorkspace(self.settings, "ffmpeg", tuple)
        await workspace.open()
        ids, coordination = IdMaker(self.clock), Coordination()
        async with (
            open_bot_api(
                TOKEN,
                observer=TelegramMetrics(self.metrics),
                draw=lambda: 1.0,
                make_transport=self.telegram.transport,
                coordination=coordination,
            ) as api,
            open_client("http://alertmanager.test", self.alertmanager.transport()) as alertmanager_client,
            open_client("http://prometheus.test", self.prometheus.transport()) as prometheus_client,
            trio.open_nursery() as nursery,
        ):
            silencing = Silencing(
                *(Alertmanager(alertmanager_client, clock=self.clock), self.storage, self.metrics),
                ids,
                clock=self.clock,
            )
            parts = build_parts(
                Seams(
                    settings=self.settings,
                    api=api,
                    storage=self.storage,
                    workers=self.workers,
                    workspace=workspace,
                    worker_slots=WorkerSlots(self.slots),
                    charts=FakeCharts(self.directory / "charts", {}, self.drawings),
                    silencing=silencing,
                    prometheus=Prometheus(prometheus_client),
                    metrics=self.metrics,
                    catalogues=Catalogues(),
                    ids=ids,
                    clock=self.clock,
                    bot_id=BOT_ID,
                    instance=runs.new_instance(),
                    allowed_private=(),
                    username=lambda: "dora_bot",
                    health=self._health,
                    held_chats=coordination.pacer.held_chats,
                    suspect_workers=self._suspected,
                    end_strays=self._end_strays,
                ),
                route=self.route,
            )
            await parts.supervisor.recover()
            for part in (parts.board, parts.supervisor, parts.probes, parts.dispatcher):
                await nursery.start(part.run)
            yield Bot(**vars(parts), api=api, silencing=silencing, workspace=workspace, nursery=nursery)
            nursery.cancel_scope.cancel()

    async def _health(self) -> HealthReport:
        await trio.lowlevel.checkpoint()
        return self.health

    def _suspected(self) -> None:
        self.suspicions += 1

    def _end_strays(self, strays: Iterable[Stray]) -> int:
        self.strays = list(strays)
        return len(self.strays)

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value for these labels, or 0 if there is none; without labels, the sum of all."""
        full = f"doradura_{name}"
        if labels:
            return self.metrics.registry.get_sample_value(full, labels) or 0.0
        return float(
            sum(
                sample.value
                for family in self.metrics.registry.collect()
                for sample in family.samples
                if sample.name == full
            )
        )

    def job(self, job_id: int) -> jobs.Job:
        """Return a stored job."""
        found = jobs.get(self.storage.db, job_id)
        assert found is not None
        return found

    def states(self) -> list[str]:
        """Return the states of all jobs in the order of their links, since several updates are handled at once."""
        return [row[0] for row in self.storage.db.execute("SELECT state FROM jobs ORDER BY url, job_id")]

    async def ended(self, count: int = 1) -> None:
        """Wait until the outcomes of so many jobs were shown."""
        await self.changes.until(lambda: self.storage.one("SELECT COUNT(*) FROM jobs WHERE told = 1") >= count)

    def message(
        self,
        text: str | None,
        *,
        user: int = USER,
        chat: int | None = None,
        name: str = "Ann",
        is_bot: bool = False,
        **more: Any,
    ) -> RawUpdate:
        """Return an update with a message."""
        self.last_update += 1
        chat = user if chat is None else chat
        kind = "private" if chat > 0 else "supergroup"
        message = {
            "message_id": self.last_update,
            "date": 1,
            "chat": {"id": chat, "type": kind},
            "from": {"id": user, "first_name": name, "is_bot": is_bot, "language_code": "en"},
            **({} if text is None else {"text": text}),
            **more,
        }
        return raw_update(self.last_update, {"message": message})

    def press(
        self,
        data: str,
        *,
        user: int = USER,
        chat: int | None = None,
        topic: int | None = None,
        message_id: int = 1,
    ) -> RawUpdate:
        """Return an update with the callback query of a pressed button."""
        self.last_update += 1
        place = {} if topic is None else {"is_topic_message": True, "message_thread_id": topic}
        query = {
            "id": f"q{self.last_update}",
            "from": {"id": user, "first_name": "Ann", "language_code": "en"},
            "message": {"message_id": message_id, "date": 1, "chat": {"id": chat or user, "type": "private"}, **place},
            "data": data,
        }
        return raw_update(self.last_update, {"callback_query": query})

    async def handled(self, *, failed: int = 0) -> None:
        """Wait until all updates are handled, and check how many of them failed."""
        await self.changes.until(lambda: not self.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"))
        assert self.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'failed'") == failed

    async def say(self, bot: Bot, *updates: RawUpdate, failed: int = 0) -> None:
        """Store updates as the poller does, and wait until they are handled."""
        await bot.dispatcher.store(updates)
        await self.handled(failed=failed)


def raw_update(update_id: int, content: dict[str, Any]) -> RawUpdate:
    """Return an update as the poller passes it on."""
    batch = read_batch([msgspec.Raw(json.dumps({"update_id": update_id, **content}).encode())])
    return batch.updates[0]
