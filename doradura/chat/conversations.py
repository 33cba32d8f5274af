"""All conversations: makes each from the parts that it uses, and collects their commands and buttons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import get_type_hints

from doradura.alerts import Prometheus, Silencing
from doradura.charts import Charts
from doradura.chat.admin_user import AdminUser
from doradura.chat.alert_buttons import Alerts
from doradura.chat.alert_graph import AlertGraph
from doradura.chat.alert_list import AlertList
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.analytics import Analytics
from doradura.chat.conversation import Buttons, CommandTable, Conversation
from doradura.chat.download import DownloadConversation
from doradura.chat.figures_report import FiguresReport
from doradura.chat.greeting import Greeting
from doradura.chat.health_texts import HealthConversation
from doradura.chat.pictures import Pictures
from doradura.chat.queue import QueueConversation
from doradura.chat.texts import Catalogues
from doradura.clock import Clock
from doradura.downloads.workspace import Workspace
from doradura.health import HealthReport
from doradura.metrics import Metrics
from doradura.settings import Settings
from doradura.storage import Storage
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversations:
    """All conversations, in the order of the command menu and of /help."""

    downloads: DownloadConversation
    queue: QueueConversation
    greeting: Greeting
    alerts: Alerts
    analytics: Analytics
    health: HealthConversation
    figures: FiguresReport
    user: AdminUser

    def __iter__(self) -> Iterator[Conversation]:
        """Return an iterator over the conversations, in that order."""
        return (getattr(self, each.name) for each in fields(self))


CONVERSATIONS: tuple[type[Conversation], ...] = tuple(get_type_hints(Conversations).values())
COMMANDS: CommandTable = MappingProxyType(
    {command.word: command for kind in CONVERSATIONS for command in kind.COMMANDS}
)
"""All commands by word, in the order of the command menu and of /help."""
BUTTONS: Mapping[str, Buttons] = MappingProxyType(
    {buttons.word: buttons for kind in CONVERSATIONS for buttons in kind.BUTTONS}
)
"""All kinds of buttons, by the first word of their callback data."""


def make_conversations(
    *,
    api: BotApi,
    storage: Storage,
    metrics: Metrics,
    settings: Settings,
    ids: IdMaker,
    clock: Clock,
    catalogues: Catalogues,
    workspace: Workspace,
    charts: Charts,
    silencing: Silencing,
    prometheus: Prometheus,
    health: Callable[[], Awaitable[HealthReport]],
    bytes_per_second: Callable[[int], float | None],
    allowed_private: tuple[str, ...],
    username: Callable[[], str],
) -> Conversations:
    """Return all conversations, each made from the parts that it uses.

    `username` returns the bot's name, by which commands in a group address it. `bytes_per_second` returns the download
    speed of a running job, None if it is unknown.
    """
    pictures = Pictures(api, charts, workspace, ids)
    return Conversations(
        downloads=DownloadConversation(
            storage=storage,
            metrics=metrics,
            ids=ids,
            clock=clock,
            username=username,
            free_bytes=workspace.free_bytes,
            queue_limit=settings.queue_limit,
            allowed_private=allowed_private,
        ),
        queue=QueueConversation(storage, clock),
        greeting=Greeting(
            table=COMMANDS,
            username=username,
            has_admins=bool(settings.admin_ids),
            upload_limit_bytes=settings.upload_limit_bytes,
        ),
        alerts=Alerts(
            storage,
            silencing,
            AlertList(storage, silencing, AlertTexts(catalogues)),
            AlertGraph(storage, clock, prometheus, pictures),
        ),
        analytics=Analytics(storage, clock, pictures),
        health=HealthConversation(health),
        figures=FiguresReport(storage, clock, metrics, health),
        user=AdminUser(storage, clock, bytes_per_second),
    )
