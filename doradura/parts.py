"""Builds the parts between Telegram's updates and the workers, in one straight function.

`Seams` has what they depend on: real ones from `app.py`, or doubles from tests/wiring.py. Both build the same parts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from doradura.alerts import Prometheus, Silencing
from doradura.alerts.once import OnceNote
from doradura.charts import Charts
from doradura.chat.admin_notes import AdminNotes
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.cards import CardTexts
from doradura.chat.conversations import COMMANDS, make_conversations
from doradura.chat.dispatcher import Dispatcher
from doradura.chat.groups import Groups
from doradura.chat.handling import Handling
from doradura.chat.menus import CommandMenus
from doradura.chat.payments import UnsoldPayments
from doradura.chat.progress import ProgressTexts
from doradura.chat.router import Router
from doradura.chat.texts import Catalogues
from doradura.clock import Clock
from doradura.downloads.board import Board
from doradura.downloads.breaker import SiteBreakers
from doradura.downloads.delivery import Delivery
from doradura.downloads.findings import Findings
from doradura.downloads.job import DownloadParts
from doradura.downloads.paces import SitePaces
from doradura.downloads.probes import Probes
from doradura.downloads.supervisor import Supervisor
from doradura.downloads.worker_slots import WorkerSlots
from doradura.downloads.workspace import Workspace
from doradura.health import HealthReport
from doradura.media.processes import Stray
from doradura.metrics import Metrics
from doradura.settings import Settings
from doradura.storage import Storage
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi
from doradura.workers.interface import Workers


@dataclass(frozen=True, kw_only=True)
class Seams:
    """The things that the parts depend on."""

    settings: Settings
    api: BotApi
    storage: Storage
    workers: Workers
    workspace: Workspace
    worker_slots: WorkerSlots
    charts: Charts
    silencing: Silencing
    prometheus: Prometheus
    metrics: Metrics
    catalogues: Catalogues
    ids: IdMaker
    clock: Clock
    bot_id: int
    instance: int
    allowed_private: tuple[str, ...]
    """Private addresses that downloads may connect to nevertheless, as host:port or CIDR."""
    username: Callable[[], str]
    """Returns the bot's username; empty until getMe was answered."""
    health: Callable[[], Awaitable[HealthReport]]
    held_chats: Callable[[], Collection[int]]
    """Returns the chats where Telegram told the bot to wait: none of their jobs is claimed before that is over."""
    suspect_workers: Callable[[], None]
    """Called when a job failed in a way that may be this machine's fault."""
    end_strays: Callable[[Iterable[Stray]], int]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts. None of them is running yet."""

    board: Board
    breakers: SiteBreakers
    supervisor: Supervisor
    probes: Probes
    menus: CommandMenus
    router: Router
    dispatcher: Dispatcher


def build_parts(seams: Seams, *, route: Callable[[Handling], Awaitable[None]] | None = None) -> Parts:
    """Build the parts. A test may pass a `route` that handles updates in place of the conversations."""
    settings, api, storage, metrics = seams.settings, seams.api, seams.storage, seams.metrics
    catalogues, ids, clock = seams.catalogues, seams.ids, seams.clock
    board = Board(
        api,
        storage,
        ProgressTexts(catalogues, settings.upload_limit_bytes),
        clock=clock,
        broke=metrics.errors.labels(category="internal").inc,
    )
    breakers = SiteBreakers(storage, metrics, clock=clock)
    browser_wanted = OnceNote(
        "BrowserWanted",
        storage,
        words=AlertTexts(catalogues).browser_wanted,
        new_id=ids.new,
        clock=clock,
        severity_rank=1,
    )
    findings, paces = Findings(seams.workspace), SitePaces(settings.site_pace, bot_id=seams.bot_id, clock=clock)
    supervisor = _make_supervisor(seams, board, breakers, browser_wanted, findings, paces)
    probes = Probes(
        api=api,
        storage=storage,
        workers=seams.workers,
        workspace=seams.workspace,
        findings=findings,
        paces=paces,
        metrics=metrics,
        presenter=CardTexts(catalogues, settings.upload_limit_bytes),
        clock=clock,
        instance=seams.instance,
        notify_browser_wanted=browser_wanted.tell,
    )
    menus = CommandMenus(api, storage, catalogues, settings.admin_ids, COMMANDS)
    router = _make_router(seams, menus, supervisor.bytes_per_second)
    dispatcher = Dispatcher(
        route or router.route,
        api=api,
        storage=storage,
        metrics=metrics,
        ids=ids,
        clock=clock,
        catalogues=catalogues,
        admin_ids=settings.admin_ids,
    )
    return Parts(
        board=board,
        breakers=breakers,
        supervisor=supervisor,
        probes=probes,
        menus=menus,
        router=router,
        dispatcher=dispatcher,
    )


def _make_supervisor(  # noqa: PLR0917 - the parts that it works with
    seams: Seams,
    board: Board,
    breakers: SiteBreakers,
    browser_wanted: OnceNote[str],
    findings: Findings,
    paces: SitePaces,
) -> Supervisor:
    """Create the supervisor of the downloads."""
    foreign = OnceNote(
        "ForeignFile",
        seams.storage,
        words=AlertTexts(seams.catalogues).foreign_file,
        new_id=seams.ids.new,
        clock=seams.clock,
    )
    return Supervisor(
        DownloadParts(
            storage=seams.storage,
            workers=seams.workers,
            workspace=seams.workspace,
            findings=findings,
            paces=paces,
            delivery=Delivery(seams.api, seams.metrics),
            board=board,
            worker_slots=seams.worker_slots,
            metrics=seams.metrics,
            bot_id=seams.bot_id,
            clock=seams.clock,
            held_chats=seams.held_chats,
            suspect_workers=seams.suspect_workers,
            notify_foreign_file=foreign.tell,
            notify_browser_wanted=browser_wanted.tell,
        ),
        breakers,
        instance=seams.instance,
        end_strays=seams.end_strays,
        notify_breaker=AdminNotes(seams.api, seams.catalogues, seams.settings.told_chats).breaker,
    )


def _make_router(seams: Seams, menus: CommandMenus, bytes_per_second: Callable[[int], float | None]) -> Router:
    """Create the conversations, and the router that passes updates to them."""
    conversations = make_conversations(
        api=seams.api,
        storage=seams.storage,
        metrics=seams.metrics,
        settings=seams.settings,
        ids=seams.ids,
        clock=seams.clock,
        catalogues=seams.catalogues,
        workspace=seams.workspace,
        charts=seams.charts,
        silencing=seams.silencing,
        prometheus=seams.prometheus,
        health=seams.health,
        bytes_per_second=bytes_per_second,
        allowed_private=seams.allowed_private,
        username=seams.username,
    )
    return Router(
        conversations,
        Groups(seams.storage, seams.clock, bot_id=seams.bot_id, username=seams.username),
        UnsoldPayments(seams.api, seams.catalogues, seams.metrics, seams.ids, seams.clock),
        menus,
        seams.storage,
        seams.username,
    )
