"""The buttons under an alert: which there are, and what a press does.

A button's data is `a:VERB:ID`, and `:PAGE` where it stands in the list of /alerts, which is then changed on the spot;
an alert's own messages are changed through the outbox, every admin's. Only admins may press, and every press is
answered, at last by the dispatcher's barrier.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import MappingProxyType

from doradura.alerts import MonitoringError, Outcome, Silencing
from doradura.chat import alert_graph, alert_list
from doradura.chat.alert_keyboards import HOURS
from doradura.chat.alert_texts import time_text
from doradura.chat.commands import by_admin
from doradura.chat.ids import parse_id
from doradura.chat.runbook_texts import runbook_text
from doradura.chat.texts import Texts
from doradura.chat.turn import Turn
from doradura.runbooks import BOOK
from doradura.storage import alert_marks
from doradura.telegram.units import shorten

NAME_UNITS = 60
"""With a name of this length every answer to a press is within Telegram's 200 characters."""

log = logging.getLogger(__name__)

Action = Callable[[Silencing, int, str], Awaitable[Outcome]]


def _silence(hours: int) -> Action:
    return lambda silencing, incident_id, by: silencing.silence(incident_id, hours, by)


_ACTIONS: MappingProxyType[str, Action] = MappingProxyType(
    {
        **{f"s{hours}": _silence(hours) for hours in HOURS},
        "u": lambda silencing, incident_id, _by: silencing.undo(incident_id),
        "k": lambda silencing, incident_id, by: silencing.acknowledge(incident_id, by),
        "d": lambda silencing, incident_id, by: silencing.dismiss(incident_id, by),
    }
)


async def press(turn: Turn, rest: str) -> None:
    """Do what a button says."""
    t = turn.texts
    if not by_admin(turn):
        await turn.answer(t.plain("alert.press.not_admin"), alert=True)
        return
    verb, *numbers = rest.split(":")
    ids = [parse_id(number) for number in numbers]
    if len(ids) not in {1, 2} or None in ids:
        await turn.answer(t.plain("outcome.unknown"), alert=True)
        return
    number, page = ids[0] or 0, ids[1] if len(ids) == 2 else None
    if verb in _ACTIONS:
        await _act(turn, verb, number, page)
    elif verb in _OTHERS:
        await _OTHERS[verb](turn, number, page or 0)
    else:
        await turn.answer(t.plain("outcome.unknown"), alert=True)


async def _acknowledge_all(turn: Turn, card_id: int, _page: int) -> None:
    count = await turn.parts.admin.silencing.acknowledge_all(card_id, admin_name(turn))
    t = turn.texts
    await turn.answer(t.plain("alert.press.all_acknowledged" if count else "alert.press.nothing_left", count=count))


async def _dismiss_all(turn: Turn, card_id: int, _page: int) -> None:
    count = await turn.parts.admin.silencing.dismiss_all(card_id, admin_name(turn))
    t = turn.texts
    await turn.answer(t.plain("alert.press.all_dismissed" if count else "alert.press.none_loose", count=count))


async def _graph(turn: Turn, incident_id: int, _page: int) -> None:
    await alert_graph.press(turn, incident_id)


async def _open_incident(turn: Turn, incident_id: int, page: int) -> None:
    await turn.answer()
    await alert_list.open_incident(turn, incident_id, page)


async def _open_page(turn: Turn, page: int, _page: int) -> None:
    await turn.answer()
    await alert_list.open_page(turn, page)


async def _list_anew(turn: Turn, _number: int, _page: int) -> None:
    await turn.answer()
    await alert_list.alerts(turn, "")


async def _send_runbook(turn: Turn, incident_id: int, _page: int) -> None:
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


_OTHERS: MappingProxyType[str, Callable[[Turn, int, int], Awaitable[None]]] = MappingProxyType(
    {
        "ka": _acknowledge_all,
        "da": _dismiss_all,
        "g": _graph,
        "w": _send_runbook,
        "o": _open_incident,
        "p": _open_page,
        "n": _list_anew,
    }
)
"""What a button does that changes no single incident: a number, and the page of the list it was pressed on."""


async def _act(turn: Turn, verb: str, incident_id: int, page: int | None) -> None:
    t = turn.texts
    try:
        outcome = await _ACTIONS[verb](turn.parts.admin.silencing, incident_id, admin_name(turn))
    except MonitoringError as error:
        log.warning("Alertmanager did not do it", extra={"reason": error.reason, "error": error.detail})
        key = "unsure" if error.unconfirmed else error.reason
        await turn.answer(t.plain(f"alertmanager.{key}"), alert=True)
    else:
        text, loud = answer_text(t, verb, outcome)
        await turn.answer(text, alert=loud)
    if page is not None:
        await alert_list.open_incident(turn, incident_id, page)


def answer_text(t: Texts, verb: str, outcome: Outcome) -> tuple[str, bool]:
    """Return what a press is answered, and whether it is to be confirmed with a tap."""
    key = outcome.what
    acted = {"k": "acknowledged", "d": "dismissed"}.get(verb, "silenced")
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
