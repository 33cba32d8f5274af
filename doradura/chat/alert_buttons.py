"""What the buttons of alerts do; `alert_keyboards` defines which there are.

Only admins may use them. Every callback query is answered, if need be by the dispatcher.
"""

from __future__ import annotations

import logging

from doradura.alerts import ActResult, MonitoringError, Silencing
from doradura.chat.alert_graph import AlertGraph
from doradura.chat.alert_keyboards import (
    SILENCES,
    ActOnIncident,
    ActOnMessage,
    AlertData,
    IncidentAct,
    ListAnew,
    OpenIncident,
    OpenPage,
    ShowGraph,
    ShowRunbook,
    decode_alert_data,
)
from doradura.chat.alert_list import AlertList
from doradura.chat.alert_texts import time_text
from doradura.chat.conversation import Command, Conversation, buttons
from doradura.chat.handling import Handling
from doradura.chat.runbook_texts import runbook_text
from doradura.chat.texts import Texts
from doradura.runbooks import BOOK
from doradura.storage import Storage, alert_marks
from doradura.telegram.units import shorten

NAME_UNITS = 60
"""The longest name that keeps every answer to a callback query within Telegram's 200 characters."""

log = logging.getLogger(__name__)


class Alerts(Conversation):
    """Answers /alerts and the buttons of alerts."""

    def __init__(self, storage: Storage, silencing: Silencing, alert_list: AlertList, graph: AlertGraph) -> None:
        self._storage = storage
        self._silencing = silencing
        self._list = alert_list
        self._graph = graph

    async def alerts(self, handling: Handling, _rest: str) -> None:
        """Answer /alerts. Raises TelegramError and StorageError."""
        await self._list.send(handling)

    async def answer_button(self, handling: Handling, data: AlertData) -> None:
        """Do what a button is for, if an admin pressed it. Raises TelegramError and StorageError."""
        if not handling.is_by_admin:
            await handling.answer(handling.texts.plain("alert.press.not_admin"), alert=True)
            return
        match data:
            case ActOnIncident():
                await self._act(handling, data)
            case ActOnMessage(act="ka"):
                await self._acknowledge_all(handling, data.card_id)
            case ActOnMessage():
                await self._dismiss_all(handling, data.card_id)
            case ShowGraph():
                await self._graph.show(handling, data.incident_id)
            case ShowRunbook():
                await self._send_runbook(handling, data.incident_id)
            case OpenIncident():
                await handling.answer()
                await self._list.open_incident(handling, data.incident_id, data.page)
            case OpenPage():
                await handling.answer()
                await self._list.open_page(handling, data.page)
            case ListAnew():
                await handling.answer()
                await self._list.send(handling)

    async def _acknowledge_all(self, handling: Handling, card_id: int) -> None:
        count = await self._silencing.acknowledge_all(card_id, admin_name(handling))
        t = handling.texts
        await handling.answer(
            t.plain("alert.press.all_acknowledged" if count else "alert.press.nothing_left", count=count)
        )

    async def _dismiss_all(self, handling: Handling, card_id: int) -> None:
        count = await self._silencing.dismiss_all(card_id, admin_name(handling))
        t = handling.texts
        await handling.answer(t.plain("alert.press.all_dismissed" if count else "alert.press.none_loose", count=count))

    async def _send_runbook(self, handling: Handling, incident_id: int) -> None:
        """Send the runbook of an incident's alert, as a reply to its message."""
        t = handling.texts
        incident = await self._storage.read(lambda db: alert_marks.incident(db, incident_id))
        runbook = BOOK.find(incident.alertname) if incident else None
        if runbook is None:
            await handling.answer(t.plain("alert.press.no_runbook" if incident else "outcome.unknown"), alert=True)
            return
        await handling.mark_handled()  # first, so that a lost answer causes no second message
        await handling.answer()
        await handling.send(runbook_text(t, runbook), reply_to=handling.pressed_id)

    async def _act(self, handling: Handling, data: ActOnIncident) -> None:
        t = handling.texts
        try:
            result = await _done(self._silencing, data, admin_name(handling))
        except MonitoringError as error:
            log.warning("Alertmanager did not do it", extra={"reason": error.reason, "error": error.detail})
            key = "unsure" if error.unconfirmed else error.reason
            await handling.answer(t.plain(f"alertmanager.{key}"), alert=True)
        else:
            text, loud = answer_text(t, data.act, result)
            await handling.answer(text, alert=loud)
        if data.page is not None:
            await self._list.open_incident(handling, data.incident_id, data.page)

    COMMANDS = (Command("alerts", alerts, admin=True),)
    BUTTONS = (buttons("a", decode_alert_data, answer_button, too_old="outcome.unknown"),)


async def _done(silencing: Silencing, data: ActOnIncident, by: str) -> ActResult:
    """Do what the button says in the name of `by`. Raises MonitoringError and StorageError."""
    if data.act in SILENCES:
        return await silencing.silence(data.incident_id, SILENCES[data.act], by)
    if data.act == "u":
        return await silencing.undo(data.incident_id)
    if data.act == "k":
        return await silencing.acknowledge(data.incident_id, by)
    return await silencing.dismiss(data.incident_id, by)


def answer_text(t: Texts, act: IncidentAct, result: ActResult) -> tuple[str, bool]:
    """Return the answer to a callback query, and whether it is shown in a dialog."""
    key = result.what
    acted = {"k": "acknowledged", "d": "dismissed"}.get(act, "silenced")
    said = f"already_{acted}" if key == "already" else key
    name = shorten(result.by_name, NAME_UNITS)
    text = t.plain(f"outcome.{said}", name=name, at=time_text(result.at_ms))
    return text, key not in {"silenced", "undone", "acknowledged", "dismissed"}


def admin_name(handling: Handling) -> str:
    """Return the name under which an admin's actions are shown; their id if they have no name."""
    user = handling.user
    assert user is not None
    name = " ".join((user.first_name or user.username or "").split())
    return shorten(name, NAME_UNITS) or str(user.id)
