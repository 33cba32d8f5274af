"""The wiring: every part is created and started here; `parts` creates those in the middle.

The nurseries are nested, so the indentation is the order in which the parts stop:

    serving   stops last     web, storage, sandbox, workers, progress messages, alert delivery
      working stops second   updates that are being handled, probes, downloads
        intake stops first   the long poll

`stop` ends the intake; then the work in hand drains, with a deadline; then everything is cancelled. After an unexpected
exception nothing drains: everything is cancelled, and `run` raises the exception.
"""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from doradura import __version__
from doradura.alerts import AlertDelivery, Intake, open_monitoring
from doradura.charts import Charts
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.router import HANDLED_UPDATES
from doradura.chat.texts import Catalogues
from doradura.clock import Clock, wall_clock
from doradura.data_directory import (
    WEBHOOK_FILE,
    DataDirectoryError,
    claim_for_mode,
    generated_secret,
    hold_data_directory,
    unusable,
)
from doradura.downloads.supervisor import Supervisor
from doradura.downloads.worker_slots import WorkerSlots
from doradura.downloads.workspace import Workspace
from doradura.health import CHECKS, Check, CheckName, DiskSpace, Health, LoopLag
from doradura.health_checks import AlertsCheck, WorkerSelfTest, poll_check
from doradura.label_values import LABEL_VALUES
from doradura.lifetime import Lifetime
from doradura.metrics import BuildFacts, DatabaseValues, Metrics, TelegramMetrics
from doradura.parts import Parts, Seams, build_parts
from doradura.pauses import Pauses
from doradura.settings import Settings
from doradura.storage import Storage, StorageError, bots, chats, runs, statistics
from doradura.storage.cleaning import clean_forever
from doradura.storage.ids import IdMaker
from doradura.storage.sqlite import SqliteStorage
from doradura.storage_check import StorageCheck
from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.coordination import Coordination
from doradura.telegram.poller import Poller, poll_seconds
from doradura.telegram.types import User
from doradura.web import AccessRules, WebServer
from doradura.workers.choice import make_workers
from doradura.workers.fork import end_strays, environment_for_jobs
from doradura.workers.gate import Gate, GatedWorkers
from doradura.workers.interface import Workers
from doradura.workers.wall import Standing, WallMissingError, find_wall
from doradura.workers.ways import parse_ways
from doradura.workers.youtube import YoutubeWorkers

log = logging.getLogger(__name__)

NO_ADMINS = "DORADURA_ADMIN_IDS is not set: nobody is told of alerts. Send /start to the bot, it tells you your id."
ALERT_CONNECTIONS = 4
"""The number of connections to Telegram that only alerts use, so that they never wait behind messages to users."""


class App:
    """One bot. It has no global state, so several of them can run in one process."""

    def __init__(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str],
        build: BuildFacts,
        ffmpeg: str,
        clock: Clock = wall_clock,
    ) -> None:
        self.settings = settings
        self.http_url: str | None = None
        self.sandbox_url: str | None = None
        self.me: User | None = None
        """The bot's own user, once getMe was answered."""
        self._bot_id = int(settings.telegram_token.partition(":")[0])
        self._environment = environment
        self._clock = clock
        self._ffmpeg = ffmpeg
        self._poller: Poller | None = None
        self._alert_delivery: AlertDelivery | None = None
        self._ids = IdMaker(self._clock)
        self._instance = runs.new_instance()
        self._whole = trio.CancelScope()
        self._working: trio.Nursery | None = None
        self._supervisor: Supervisor | None = None
        self._drain: Callable[[], None] | None = None
        self.metrics = Metrics(LABEL_VALUES, build=build)
        # All clients share these: Telegram counts a bot's calls together, and an outage concerns all of them.
        self._telegram_metrics = TelegramMetrics(self.metrics)
        self._coordination = Coordination(on_migrated=self._migrated)
        self._catalogues = Catalogues()
        self._alert_texts = AlertTexts(self._catalogues)
        self._storage: Storage = SqliteStorage(settings.database_path, on_error=self._storage_failed)
        self._storage_check = StorageCheck(self._storage, clock=clock)
        self._lifetime = Lifetime(
            self._storage, words=self._alert_texts.unclean_start, new_id=self._ids.new, clock=clock
        )
        self._database_values = DatabaseValues(
            {family: self._reader(query) for family, query in statistics.FAMILIES.items()}
            | {statistics.QUEUE_AGE: self._queue_age},
            failed=self._reading_failed,
            expected=(StorageError,),
        )

    @property
    def in_hand(self) -> int:
        """The number of running downloads."""
        return 0 if self._supervisor is None else self._supervisor.in_hand

    def stop(self) -> None:
        """Accept no new work, finish the work in hand, and end `run`. Before the start is complete, end it at once."""
        if self._drain is None:
            self._whole.cancel()
        else:
            self._drain()

    def abort(self) -> None:
        """End `run` at once. The work in hand is continued by the next start."""
        if self._working is None:
            self._whole.cancel()
        else:
            self._working.cancel_scope.cancel()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the bot until `stop` or `abort`; `started()` when Telegram has answered and everything works.

        Raises a subclass of StartupError that says what is wrong, or TokenRefusedError; once nurseries are open, these
        are inside an exception group. If cancelled, nothing drains: the next start continues the work in hand.
        """
        try:
            with hold_data_directory(self.settings.data_dir):
                claim_for_mode(self.settings.data_dir, self.settings.mode)
                async with self._lifetime.ends_in_order():
                    with self._whole:
                        async with trio.open_nursery() as serving:
                            await self._serve(serving, task_status)
                            serving.cancel_scope.cancel()
        finally:
            gc.unfreeze()  # frozen objects may be garbage from here on; another app in this process only gets slower

    async def _serve(self, serving: trio.Nursery, task_status: trio.TaskStatus[None]) -> None:
        """Start the parts that stop last, then the others."""
        settings, metrics = self.settings, self.metrics
        gate = Gate(
            environment=environment_for_jobs(self._environment),
            way=parse_ways(settings.download_proxy).get,
            count=lambda outcome, number: metrics.gate_connections.labels(outcome=outcome).inc(number),
            died=lambda: self_test.suspect(),  # noqa: PLW0108 - it is created below, from workers that use the gate
        )
        children = make_workers(self._environment, metrics.worker_start.observe, gate.supervise, self._ffmpeg)
        workers = GatedWorkers(children, gate)
        worker_slots = WorkerSlots(settings.concurrent_downloads)
        pauses = Pauses()
        lag = LoopLag(observe=metrics.loop_lag.observe, paused=pauses.seconds)
        disk = DiskSpace(settings.data_dir, measured=metrics.disk_free.set)
        api_url, allowed_private = settings.telegram_api_url, settings.allowed_private
        workspace = Workspace(settings, self._ffmpeg, lambda: allowed_private)
        self_test = WorkerSelfTest(workers, worker_slots, workspace, self._ids, gate=gate)
        health = self._make_health(self_test, disk, lag)
        self.http_url = await serving.start(self._make_web(health).run)
        await serving.start(pauses.run)
        await serving.start(lag.run)
        if settings.mode == "sandbox":
            self.sandbox_url = api_url = await self._start_sandbox(serving)
            allowed_private = (*allowed_private, urlsplit(api_url).netloc)
        await serving.start(self._storage.run)
        await serving.start(self._lifetime.run)
        await serving.start(self._storage_check.run)
        await self._take_over_data()
        await serving.start(gate.run)
        await serving.start(children.run)
        standing = await self._find_wall(children, gate, workspace)
        workers.wall, self_test.standing = standing.kind, standing
        serving.start_soon(clean_forever, self._storage, self._clock)
        self._coordination.restore_moves(await self._storage.read(chats.migrations))
        async with (
            open_bot_api(
                settings.telegram_token,
                api_url=api_url,
                observer=self._telegram_metrics,
                local_files=settings.telegram_local,
                coordination=self._coordination,
            ) as api,
            self._delivering_alerts(serving, api_url),
            open_monitoring(settings, self._storage, metrics, self._ids, clock=self._clock) as monitoring,
        ):
            parts = build_parts(
                Seams(
                    settings=settings,
                    api=api,
                    storage=self._storage,
                    workers=YoutubeWorkers(workers, settings.data_dir / "players", settings.pot_provider or ""),
                    workspace=workspace,
                    worker_slots=worker_slots,
                    charts=Charts(settings.data_dir / "charts", self._environment),
                    silencing=monitoring.silencing,
                    prometheus=monitoring.prometheus,
                    metrics=metrics,
                    catalogues=self._catalogues,
                    ids=self._ids,
                    clock=self._clock,
                    bot_id=self._bot_id,
                    instance=self._instance,
                    allowed_private=allowed_private,
                    username=self._username,
                    health=health.report,
                    held_chats=self._coordination.pacer.held_chats,
                    suspect_workers=self_test.suspect,
                    end_strays=end_strays,
                )
            )
            await serving.start(parts.board.run)
            self._supervisor = parts.supervisor
            await parts.supervisor.recover()
            serving.start_soon(self_test.run)
            await self._work(api, parts, health, task_status)

    async def _find_wall(self, children: Workers, gate: Gate, workspace: Workspace) -> Standing:
        """Open the workspace, and return the wall that is proven to stand around workers. Raises StartupError."""
        try:
            await workspace.open()
            standing = await find_wall(lambda kind: GatedWorkers(children, gate, kind), self._ffmpeg, workspace.root)
        except OSError as error:
            raise DataDirectoryError(unusable(workspace.root, error)) from error
        if standing.kind == "hook" and self.settings.require_wall:
            raise WallMissingError(standing.why)
        self.metrics.worker_wall.labels(kind=standing.kind).set(1)
        log.info("the wall around workers is known", extra={"wall": standing.kind, "why": standing.why or None})
        return standing

    @asynccontextmanager
    async def _delivering_alerts(self, serving: trio.Nursery, api_url: str) -> AsyncIterator[None]:
        """Deliver alerts from here on. On leaving, wait for the notifications that are being sent."""
        async with open_bot_api(
            self.settings.telegram_token,
            api_url=api_url,
            observer=self._telegram_metrics,
            connections=ALERT_CONNECTIONS,
            coordination=self._coordination,
        ) as api:
            delivery = AlertDelivery(
                api,
                self._storage,
                self.metrics,
                self._alert_texts,
                self._ids,
                chats=self.settings.told_chats,
                watchdog_seconds=self.settings.watchdog_seconds,
                clock=self._clock,
                draw=random.random,
            )
            await serving.start(delivery.run)
            self._alert_delivery = delivery
            yield
            await delivery.drain()

    async def _take_over_data(self) -> None:
        """Make this bot the owner of the data before any of it is read, since it can't edit another bot's messages."""
        bot_id = self._bot_id
        before = await self._storage.write(lambda db: bots.take_over(db, bot_id, self._clock()))
        if before is not None:
            log.warning("another bot's token: open work gets new messages", extra={"bot": bot_id, "before": before})

    async def _migrated(self, old_id: int, new_id: int) -> None:
        """Store a group's new id. If that fails, the bot learns it again with the first call after a restart."""
        try:
            await self._storage.write(lambda db: chats.migrated(db, old_id, new_id, self._clock()))
        except StorageError as error:
            log.warning("a group that moved is not stored", extra={"chat": old_id, "error": str(error)})

    def _username(self) -> str:
        """Return the bot's username; empty until getMe was answered."""
        return (self.me.username if self.me else None) or ""

    def _make_health(self, self_test: WorkerSelfTest, disk: DiskSpace, lag: LoopLag) -> Health:
        """Create the health checks. Each of them asks its part whenever it is run."""
        checks: dict[CheckName, Check] = {
            "poll": lambda: poll_check(lambda: self._poller, self._coordination.pacer),
            "storage": self._storage_check.check,
            "worker": self_test.check,
            "disk": disk.check,
            "alerts": AlertsCheck(
                self.settings.told_chats, self._storage, lambda: self._alert_delivery, clock=self._clock
            ).check,
            "loop": lag.check,
        }
        return Health(
            version=__version__,
            checks={name: checks[name] for name in CHECKS},
            outside=("poll", "alerts"),
            broke=self.metrics.errors.labels(category="internal").inc,
        )

    def _make_web(self, health: Health) -> WebServer:
        """Create the web server, which collects the content of each answer anew. Raises DataDirectoryError."""
        intake = Intake(self._storage, self.metrics, self._ids, clock=self._clock)

        async def render(accept: str) -> tuple[bytes, str]:
            self.metrics.set_health((await health.report()).gauge_values())
            # It is not an error if the database is not open yet or closed already.
            values = await self._database_values.snapshot() if self._storage.is_open else {}
            return await self.metrics.render(accept, values)

        return WebServer(
            bind=(self.settings.http_bind.host, self.settings.http_bind.port),
            render_metrics=render,
            health=health.report,
            info=lambda: {
                "name": "doradura",
                "version": __version__,
                "mode": self.settings.mode,
                "state": health.state,
                "uptime_seconds": round(health.uptime_seconds, 1),
            },
            accept_alerts=intake.accept,
            is_ready=lambda: health.state == "running",
            access=AccessRules(
                self.settings.allowed_networks,
                self.settings.trusted_proxies,
                self.settings.metrics_basic_auth,
                self.settings.webhook_token or generated_secret(self.settings.data_dir / WEBHOOK_FILE),
            ),
            count_error=self.metrics.errors.labels(category="http").inc,
        )

    async def _work(self, api: BotApi, parts: Parts, health: Health, task_status: trio.TaskStatus[None]) -> None:
        """Run the parts that drain, and inside them those that accept new work."""
        async with trio.open_nursery() as working:
            await working.start(parts.supervisor.run)
            await working.start(parts.probes.run)
            async with trio.open_nursery() as intake:
                self._working, self._drain = working, intake.cancel_scope.cancel
                self._poller = Poller(
                    api,
                    store=parts.dispatcher.store,
                    allowed_updates=HANDLED_UPDATES,
                    observer=self._telegram_metrics,
                    poll_seconds=poll_seconds(self.sandbox_url or self.settings.telegram_api_url),
                )
                self.me = await intake.start(self._poller.run)
                await working.start(parts.dispatcher.run)
                intake.start_soon(parts.menus.publish)
                gc.collect()
                gc.freeze()
                health.mark_running()
                task_status.started()
                if not self.settings.told_chats:
                    log.warning(NO_ADMINS)
                log.info("ready", extra={"bot": self.me.username, "http": self.http_url, "sandbox": self.sandbox_url})
            health.mark_draining()
            log.info("draining", extra={"seconds": self.settings.drain_seconds})
            working.cancel_scope.deadline = trio.current_time() + self.settings.drain_seconds
            parts.dispatcher.stop()
            parts.probes.stop()
            parts.supervisor.stop()
        log.info("stopped", extra={"work_left": working.cancel_scope.cancelled_caught})

    async def _start_sandbox(self, serving: trio.Nursery) -> str:
        from doradura.sandbox import Sandbox  # noqa: PLC0415 - production never imports it

        directory = self.settings.data_dir / "sandbox"
        sandbox = Sandbox(
            bind=str(self.settings.sandbox_bind),
            media_directory=directory / "media",
            keep_directory=directory,
            ffmpeg=self._ffmpeg,
        )
        return str(await serving.start(sandbox.run))

    def _reader(self, query: statistics.Query) -> Callable[[], Awaitable[statistics.Samples]]:
        return lambda: self._storage.read(lambda db: query(db, self._clock()))

    async def _queue_age(self) -> statistics.Samples:
        held = self._coordination.pacer.held_chats()
        return await self._storage.read(lambda db: statistics.queue_age(db, self._clock(), held))

    def _storage_failed(self, _error: StorageError) -> None:
        self.metrics.errors.labels(category="storage").inc()

    def _reading_failed(self, error: Exception) -> None:
        """Count a value that /metrics could not read. A StorageError was counted when the storage raised it."""
        if not isinstance(error, StorageError):
            self.metrics.errors.labels(category="storage").inc()
