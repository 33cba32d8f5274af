"""Which buttons stand under an alert. Pure: the same view gives the same buttons."""

from __future__ import annotations

from doradura.chat.texts import Texts
from doradura.runbooks import BOOK
from doradura.storage.alerts import CardView, Incident, Marks
from doradura.telegram.types import Button, Keyboard

HOURS = (1, 4, 24)


def card_keyboard(t: Texts, view: CardView) -> Keyboard | None:
    """Return the buttons of an alert's own message; where it is about many, they act on all, or lead to the list."""
    if view.total == 1:
        incident = view.incidents[0]
        return incident_keyboard(t, incident, view.marks_of(incident)) or None
    if not view.firing:
        return None
    buttons = [Button(text=t.plain("button.each"), callback_data="a:n:0")]
    unseen = any(item.state == "firing" and not view.marks_of(item).acknowledged_by for item in view.incidents)
    if unseen or view.firing > len(view.incidents):
        card_id = view.incidents[0].card_id
        buttons.insert(0, Button(text=t.plain("button.acknowledge_all"), callback_data=f"a:ka:{card_id}"))
    if not any(item.state == "firing" and view.marks_of(item).loose for item in view.incidents):
        return (tuple(buttons),)
    dismiss = Button(text=t.plain("button.dismiss_all"), callback_data=f"a:da:{view.incidents[0].card_id}")
    return (tuple(buttons), (dismiss,))


def incident_keyboard(t: Texts, incident: Incident, marks: Marks, *, page: int | None = None) -> Keyboard:
    """Return the buttons of one incident; with `page` they stand in that page of the list."""
    place = f"{incident.incident_id}" if page is None else f"{incident.incident_id}:{page}"
    firing = incident.state == "firing"
    rows: list[tuple[Button, ...]] = []
    if marks.silenced_by is not None:
        rows.append((Button(text=t.plain("button.undo"), callback_data=f"a:u:{place}"),))
    elif firing and incident.labels:
        rows.append(
            tuple(
                Button(text=t.plain("button.silence", hours=hours), callback_data=f"a:s{hours}:{place}")
                for hours in HOURS
            )
        )
    last = []
    if firing and marks.acknowledged_by is None:
        last.append(Button(text=t.plain("button.acknowledge"), callback_data=f"a:k:{place}"))
    if incident.labels and incident.alertname:
        last.append(Button(text=t.plain("button.graph"), callback_data=f"a:g:{incident.incident_id}"))
    if last:
        rows.append(tuple(last))
    if incident.state != "resolved" and BOOK.find(incident.alertname) is not None:
        rows.append((Button(text=t.plain("button.runbook"), callback_data=f"a:w:{incident.incident_id}"),))
    if firing and marks.loose:
        rows.append((Button(text=t.plain("button.dismiss"), callback_data=f"a:d:{place}"),))
    return tuple(rows)
