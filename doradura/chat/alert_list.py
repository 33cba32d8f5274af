"""/alerts: the firing alerts and the silences, page by page, and each incident with the buttons of its own message.

The list shows the moment when it was requested. Alertmanager is asked about silences that were made, changed or ended
elsewhere. If it can't be reached, the list says so and shows what the bot knows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from doradura.alerts import FoundSilence, MonitoringError, Silencing
from doradura.chat.alert_keyboards import OpenIncident, OpenPage, incident_keyboard
from doradura.chat.alert_texts import AlertTexts, list_line, time_text
from doradura.chat.handling import Handling
from doradura.chat.texts import Texts
from doradura.storage import Connection, Storage, alert_marks
from doradura.storage import alerts as stored
from doradura.storage.alerts import CardView, Incident, Marks
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

PAGE = 8
BUTTONS_A_ROW = 4
SILENCES = 6
MATCHERS_UNITS = 160
NAME_UNITS = 40

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of the list of firing incidents; `number` starts at 0."""

    number: int
    pages: int
    total: int
    incidents: Sequence[Incident]
    marks: Sequence[Marks]


class AlertList:
    """Shows the list, and single incidents of it. Its methods raise TelegramError and StorageError."""

    def __init__(self, storage: Storage, silencing: Silencing, texts: AlertTexts) -> None:
        self._storage = storage
        self._silencing = silencing
        self._texts = texts

    async def send(self, handling: Handling) -> None:
        """Send the first page as a new message. Raises TelegramError and StorageError."""
        text, keyboard = await self._show(handling.texts, 0)
        await handling.mark_handled()  # first, so that a lost answer causes no second list
        await handling.send(text, keyboard)

    async def open_page(self, handling: Handling, number: int) -> None:
        """Show another page in the list's message. Raises TelegramError and StorageError."""
        await handling.edit_pressed(*await self._show(handling.texts, number))

    async def open_incident(self, handling: Handling, incident_id: int, page: int) -> None:
        """Show one incident with its buttons in the list's message. Raises TelegramError and StorageError."""
        t = handling.texts

        def look(db: Connection) -> tuple[Incident | None, Marks]:
            incident = alert_marks.incident(db, incident_id)
            return incident, stored.UNMARKED if incident is None else marks_of(db, incident)

        incident, marks = await self._storage.read(look)
        back = (Button(text=t.plain("button.back"), callback_data=OpenPage(page).encode()),)
        if incident is None:
            await handling.edit_pressed(t("outcome.unknown"), (back,))
            return
        view = CardView(
            incidents=[incident],
            total=1,
            firing=int(incident.state == "firing"),
            marks={incident.incident_id: marks},
        )
        text = self._texts.message(view)
        await handling.edit_pressed(text, (*incident_keyboard(t, incident, marks, page=page), back))

    async def _show(self, t: Texts, number: int) -> tuple[str, Keyboard | None]:
        found: list[FoundSilence] | None = None
        trouble = ""
        try:
            await self._silencing.look()
            found = [item for item in await self._silencing.alertmanager.silences() if item.is_active]
        except MonitoringError as error:
            log.warning("/alerts without Alertmanager", extra={"reason": error.reason, "error": error.detail})
            if error.reason == "unreachable":
                trouble = t("alerts.absent", url=self._silencing.alertmanager.url)
            else:
                trouble = t("alerts.unreachable", why=t.plain(f"alerts.why.{error.reason}"))
        page = await self._storage.read(lambda db: read_page(db, number))
        below = trouble if found is None else silences_text(t, found)
        return f"{page_text(t, page)}\n\n{below}", page_keyboard(t, page)


def read_page(db: Connection, number: int) -> Page:
    """Return a page; the last one if there are fewer pages by now."""
    _, total = alert_marks.firing(db, 0)
    pages = max(1, -(-total // PAGE))
    number = min(number, pages - 1)
    incidents, _ = alert_marks.firing(db, PAGE, number * PAGE)
    return Page(
        number=number,
        pages=pages,
        total=total,
        incidents=incidents,
        marks=[marks_of(db, incident) for incident in incidents],
    )


def marks_of(db: Connection, incident: Incident) -> Marks:
    """Return what admins did about one incident."""
    return stored.marks(db, incident.card_id).get(incident.incident_id, stored.UNMARKED)


def page_text(t: Texts, page: Page) -> str:
    """Return the text (HTML) of a page."""
    if not page.total:
        return t("alerts.none")
    lines = [t.counted("alerts.title", page.total)]
    if page.pages > 1:
        lines.append(t("alerts.page", page=page.number + 1, pages=page.pages))
    lines.append("")
    for number, (incident, marks) in enumerate(zip(page.incidents, page.marks, strict=True), page.number * PAGE + 1):
        lines.append(t("alerts.line", number=number) + list_line(t, incident))
        if marks.silenced_by is not None:
            until = time_text(marks.silenced_until_ms or 0)
            lines.append(t("alerts.silenced", name=shorten(marks.silenced_by, NAME_UNITS), until=until))
        if marks.acknowledged_by is not None:
            lines.append(t("alerts.acknowledged", name=shorten(marks.acknowledged_by, NAME_UNITS)))
    return "\n".join(lines)


def page_keyboard(t: Texts, page: Page) -> Keyboard | None:
    """Return a button for each incident of a page, and those that open the neighbouring pages."""
    first = page.number * PAGE + 1
    buttons = [
        Button(
            text=t.plain("button.number", number=number),
            callback_data=OpenIncident(incident.incident_id, page.number).encode(),
        )
        for number, incident in enumerate(page.incidents, first)
    ]
    rows = [tuple(buttons[start : start + BUTTONS_A_ROW]) for start in range(0, len(buttons), BUTTONS_A_ROW)]
    turns = []
    if page.number:
        turns.append(Button(text=t.plain("button.before"), callback_data=OpenPage(page.number - 1).encode()))
    if page.number < page.pages - 1:
        turns.append(Button(text=t.plain("button.after"), callback_data=OpenPage(page.number + 1).encode()))
    return (*rows, *([tuple(turns)] if turns else [])) or None


def silences_text(t: Texts, found: Sequence[FoundSilence]) -> str:
    """Return the text (HTML) on all silences that are in effect, wherever they were made."""
    if not found:
        return t("alerts.no_silences")
    lines = [t.counted("alerts.silences", len(found))]
    for item in sorted(found, key=lambda item: item.ends_at)[:SILENCES]:
        signs = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
        what = ", ".join(
            f"{matcher.name}{signs[matcher.is_regex, matcher.is_equal]}{matcher.value}"
            for matcher in sorted(item.matchers, key=lambda matcher: (matcher.name != "alertname", matcher.name))
        )
        name = shorten(item.created_by, NAME_UNITS)
        until = time_text(item.until_ms)
        lines.append(t("alerts.silence", what=shorten(what, MATCHERS_UNITS), name=name, until=until))
    if len(found) > SILENCES:
        lines.append(t("alerts.silences_more", count=len(found) - SILENCES))
    return "\n".join(lines)
