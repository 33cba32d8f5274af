"""The buttons of alerts: their callback data, and which of them an alert has. No I/O.

The same view always gives the same buttons. In the list of /alerts, the callback data of an incident's buttons ends
with the page of the list, and pressing one edits that message at once. The alert's own messages are edited through the
outbox, in every chat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from doradura.chat.callback_data import TooOldError, decode_id, spelled
from doradura.chat.texts import Texts
from doradura.runbooks import BOOK
from doradura.storage.alerts import CardView, Incident, Marks
from doradura.telegram.types import Button, Keyboard

IncidentAct = Literal["s1", "s4", "s24", "u", "k", "d"]
"""What a button does to an incident: silence it for so many hours, undo that, acknowledge or dismiss it."""
SILENCES: Mapping[IncidentAct, int] = MappingProxyType({"s1": 1, "s4": 4, "s24": 24})
"""By act: for how many hours it silences."""
MessageAct = Literal["ka", "da"]
"""What a button does to all incidents of a message: acknowledge or dismiss them."""


@dataclass(frozen=True, slots=True)
class ActOnIncident:
    """Does something to one incident."""

    act: IncidentAct
    incident_id: int
    page: int | None = None
    """The page of the list that the button is in; None under the alert's own message."""

    def encode(self) -> str:
        """Return `a:ACT:INCIDENT[:PAGE]`."""
        return spelled("a", self.act, self.incident_id, *([] if self.page is None else [self.page]))


@dataclass(frozen=True, slots=True)
class ActOnMessage:
    """Does something to all incidents of one message."""

    act: MessageAct
    card_id: int

    def encode(self) -> str:
        """Return `a:ACT:CARD`."""
        return spelled("a", self.act, self.card_id)


@dataclass(frozen=True, slots=True)
class ShowGraph:
    """Shows the graph of an incident's expression."""

    incident_id: int

    def encode(self) -> str:
        """Return `a:g:INCIDENT`."""
        return spelled("a", "g", self.incident_id)


@dataclass(frozen=True, slots=True)
class ShowRunbook:
    """Sends the runbook of an incident's alert."""

    incident_id: int

    def encode(self) -> str:
        """Return `a:w:INCIDENT`."""
        return spelled("a", "w", self.incident_id)


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Opens one incident of the list."""

    incident_id: int
    page: int

    def encode(self) -> str:
        """Return `a:o:INCIDENT:PAGE`."""
        return spelled("a", "o", self.incident_id, self.page)


@dataclass(frozen=True, slots=True)
class OpenPage:
    """Opens a page of the list."""

    page: int

    def encode(self) -> str:
        """Return `a:p:PAGE`."""
        return spelled("a", "p", self.page)


@dataclass(frozen=True, slots=True)
class ListAnew:
    """Sends the list as a new message."""

    def encode(self) -> str:
        """Return `a:n:0`."""
        return spelled("a", "n", 0)


AlertData = ActOnIncident | ActOnMessage | ShowGraph | ShowRunbook | OpenIncident | OpenPage | ListAnew
"""The callback data of all buttons of alerts."""


def decode_alert_data(data: str) -> AlertData:
    """Return the value of an alert button's callback data. Raises TooOldError."""
    act, *texts = data.partition(":")[2].split(":")
    numbers = tuple(map(decode_id, texts))
    if len(numbers) not in {1, 2}:
        raise TooOldError(data)
    number, page = numbers[0], numbers[1] if len(numbers) == 2 else None
    match act:
        case "s1" | "s4" | "s24" | "u" | "k" | "d":
            return ActOnIncident(act, number, page)
        case "ka" | "da":
            return ActOnMessage(act, number)
        case _ if act in _SHOWN:
            return _SHOWN[act](number, page or 0)
        case _:
            raise TooOldError(data)


_SHOWN: Mapping[str, Callable[[int, int], AlertData]] = MappingProxyType(
    {
        "g": lambda number, _page: ShowGraph(number),
        "w": lambda number, _page: ShowRunbook(number),
        "o": OpenIncident,
        "p": lambda number, _page: OpenPage(number),
        "n": lambda _number, _page: ListAnew(),
    }
)


def message_keyboard(t: Texts, view: CardView) -> Keyboard | None:
    """Return the buttons of an alert's own message; if it has several incidents, they act on all or open the list."""
    if view.total == 1:
        incident = view.incidents[0]
        return incident_keyboard(t, incident, view.marks_of(incident)) or None
    if not view.firing:
        return None
    card_id = view.incidents[0].card_id
    buttons = [Button(text=t.plain("button.each"), callback_data=ListAnew().encode())]
    unseen = any(item.state == "firing" and not view.marks_of(item).acknowledged_by for item in view.incidents)
    if unseen or view.firing > len(view.incidents):
        buttons.insert(
            0, Button(text=t.plain("button.acknowledge_all"), callback_data=ActOnMessage("ka", card_id).encode())
        )
    if not any(item.state == "firing" and view.marks_of(item).loose for item in view.incidents):
        return (tuple(buttons),)
    dismiss = Button(text=t.plain("button.dismiss_all"), callback_data=ActOnMessage("da", card_id).encode())
    return (tuple(buttons), (dismiss,))


def incident_keyboard(t: Texts, incident: Incident, marks: Marks, *, page: int | None = None) -> Keyboard:
    """Return the buttons of one incident; with `page`, those for that page of the list."""

    def button(act: IncidentAct, text: str) -> Button:
        return Button(text=text, callback_data=ActOnIncident(act, incident.incident_id, page).encode())

    firing = incident.state == "firing"
    rows: list[tuple[Button, ...]] = []
    if marks.silenced_by is not None:
        rows.append((button("u", t.plain("button.undo")),))
    elif firing and incident.labels:
        rows.append(tuple(button(act, t.plain("button.silence", hours=hours)) for act, hours in SILENCES.items()))
    last = []
    if firing and marks.acknowledged_by is None:
        last.append(button("k", t.plain("button.acknowledge")))
    if incident.labels and incident.alertname:
        last.append(Button(text=t.plain("button.graph"), callback_data=ShowGraph(incident.incident_id).encode()))
    if last:
        rows.append(tuple(last))
    if incident.state != "resolved" and BOOK.find(incident.alertname) is not None:
        rows.append((Button(text=t.plain("button.runbook"), callback_data=ShowRunbook(incident.incident_id).encode()),))
    if firing and marks.loose:
        rows.append((button("d", t.plain("button.dismiss")),))
    return tuple(rows)
