"""What the buttons of alerts do. `alert_keyboards` says which there are.

Only admins may press, and every press is answered, at last by the dispatcher's barrier.
"""

from __future__ import annotations

import logging

from doradura.alerts import MonitoringError, Outcome, Silencing
from doradura.chat import alert_graph, alert_list
from doradura.chat.alert_keyboards import (
    SILENCES,
    ActOnCard,
    ActOnIncident,
    AlertData,
    IncidentAct,
    ListAnew,
    OpenIncident,
    OpenPage,
    ShowGraph,
    ShowRunbook,
)
from doradura.chat.alert_texts import time_text
from doradura.chat.commands import by_admin
from doradura.chat.runbook_texts import runbook_text
from doradura.chat.texts import Texts
from doradura.chat.turn import Turn
from doradura.runbooks import BOOK
from doradura.storage import alert_marks
from doradura.telegram.units import shorten

NAME_UNITS = 60
"""With a name of this length every answer to a press is within Telegram's 200 characters."""

log = logging.getLogger(__name__)


async def press(turn: Turn, data: AlertData) -> None:
    """Do what a button says."""
    if not by_admin(turn):
        await turn.answer(turn.texts.plain("alert.press.not_admin"), alert=True)
        return
    match data:
        case ActOnIncident():
            await _act(turn, data)
        case ActOnCard(act="ka"):
            await _acknowledge_all(turn, data.card_id)
        case ActOnCard():
            await _dismiss_all(turn, data.card_id)
        case ShowGraph():
            await alert_graph.press(turn, data.incident_id)
        case ShowRunbook():
            await _send_runbook(turn, data.incident_id)
        case OpenIncident():
            await turn.answer()
            await alert_list.open_incident(turn, data.incident_id, data.page)
        case OpenPage():
            await turn.answer()
            await alert_list.open_page(turn, data.page)
        case ListAnew():
            await turn.answer()
            await alert_list.alerts(turn, "")


async def _acknowledge_all(turn: Turn, card_id: int) -> None:
    count = await turn.parts.admin.silencing.acknowledge_all(card_id, admin_name(turn))
    t = turn.texts
    await turn.answer(t.plain("alert.press.all_acknowledged" if count else "alert.press.nothing_left", count=count))


async def _dismiss_all(turn: Turn, card_id: int) -> None:
    count = await turn.parts.admin.silencing.dismiss_all(card_id, admin_name(turn))
    t = turn.texts
    await turn.answer(t.plain("alert.press.all_dismissed" if count else "alert.press.none_loose", count=count))


async def _send_runbook(turn: Turn, incident_id: int) -> None:
    """Send what to do about an incident's alert, as a reply to its message."""
    t = turn.texts
    incident = await turn.parts.storage.read(lambda db: alert_marks.incident(db, incident_id))
    runbook = BOOK.find(incident.alertname) if incident else None
    if runbook is None:
        await turn.answer(t.plain("alert.press.no_runbook" if incident else "outcome.unknown"), alert=True)
        return
    await turn.mark_handled()  # a lost answer brings no second message
    await turn.answer()
    reply_to = turn.press.message.message_id if turn.press.message else None
    await turn.parts.api.send_message(
        turn.chat_id, runbook_text(t, runbook), reply_to=reply_to, thread_id=turn.topic_id
    )


async def _act(turn: Turn, data: ActOnIncident) -> None:
    t = turn.texts
    try:
        outcome = await _done(turn.parts.admin.silencing, data, admin_name(turn))
    except MonitoringError as error:
        log.warning("Alertmanager did not do it", extra={"reason": error.reason, "error": error.detail})
        key = "unsure" if error.unconfirmed else error.reason
        await turn.answer(t.plain(f"alertmanager.{key}"), alert=True)
    else:
        text, loud = answer_text(t, data.act, outcome)
        await turn.answer(text, alert=loud)
    if data.page is not None:
        await alert_list.open_incident(turn, data.incident_id, data.page)


async def _done(silencing: Silencing, data: ActOnIncident, by: str) -> Outcome:
    """Do it, in the name of `by`. Raises MonitoringError."""
    if data.act in SILENCES:
        return await silencing.silence(data.incident_id, SILENCES[data.act], by)
    if data.act == "u":
        return await silencing.undo(data.incident_id)
    if data.act == "k":
        return await silencing.acknowledge(data.incident_id, by)
    return await silencing.dismiss(data.incident_id, by)


def answer_text(t: Texts, act: IncidentAct, outcome: Outcome) -> tuple[str, bool]:
    """Return what a press is answered, and whether it is to be confirmed with a tap."""
    key = outcome.what
    acted = {"k": "acknowledged", "d": "dismissed"}.get(act, "silenced")
    said = f"already_{acted}" if key == "already" else key
    name = shorten(outcome.by_name, NAME_UNITS)
    text = t.plain(f"outcome.{said}", name=name, at=time_text(outcome.at_ms))
    return text, key not in {"silenced", "undone", "acknowledged", "dismissed"}


def admin_name(turn: Turn) -> str:
    """Return the name under which an admin acts."""
    user = turn.user
    assert user is not None
    name = " ".join((user.first_name or user.username or "").split())
    return shorten(name, NAME_UNITS) or str(user.id)
