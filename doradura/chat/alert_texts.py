"""The texts of alerts in the admins' chats, never longer than Telegram accepts.

The first line of a message is its severity and summary, the last a hashtag that finds all messages of that alert. A
text that is cut says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from doradura.chat.alert_keyboards import message_keyboard
from doradura.chat.figures import span_text
from doradura.chat.texts import Catalogues, Texts, attribute_url
from doradura.reachable import is_public_url
from doradura.runbooks import BOOK
from doradura.storage.alerts import CardView, Incident, Marks
from doradura.telegram.types import Keyboard
from doradura.telegram.units import shorten, units

SUMMARY_UNITS = 300
INSTANCE_UNITS = 200
DESCRIPTION_UNITS = 2500
LINE_UNITS = 120
LIST_UNITS = 3000
TAGS = 10
NAME_UNITS = 64
PERSON_UNITS = 60

RANK_KEYS = ("critical", "warning", "info")


class AlertTexts:
    """Renders alert messages for `doradura.alerts` (an AlertRenderer), in the default language."""

    def __init__(self, catalogues: Catalogues) -> None:
        self._t = catalogues.for_language(None)

    def message(self, view: CardView) -> str:
        """Return the text (HTML) of the message about one incident or several."""
        t = self._t
        if view.is_quiet:
            return t("alert.quiet", text=_cut(t, view.incidents[0].summary, DESCRIPTION_UNITS))
        return _single(t, view) if view.total == 1 else _many(t, view)

    def keyboard(self, view: CardView) -> Keyboard | None:
        """Return the buttons under that message; None for none."""
        return message_keyboard(self._t, view)

    def reminder(self, view: CardView, now_ms: int) -> str:
        """Return the reply (HTML) that says that the alert is still firing, and for how long."""
        t, worst = self._t, view.incidents[0]
        if view.firing == 1:
            still = t("alert.still", span=_span(t, (now_ms - worst.since_ms) / 1000))
        else:
            still = t("alert.still_many", firing=view.firing, total=view.total)
        again = _fired(t, worst) if view.firing == 1 else []
        return "\n".join([_first_line(t, worst), still, *again, _tags([worst])])

    def back(self, view: CardView) -> str:
        """Return the reply (HTML) that says that monitoring works again."""
        t = self._t
        return "\n".join([t("alert.back"), _tags(view.incidents[:1])])

    def bare(self, view: CardView) -> str:
        """Return a short plain text, for a message that can't be shown otherwise."""
        t, worst = self._t, view.incidents[0]
        first = t.plain(f"alert.first.{_key(worst)}", summary=_name(worst))
        return "\n".join([first, t.plain("alert.bare", total=view.total), _tags([worst])])

    def silence(self, seconds: int) -> tuple[str, str]:
        """Return the summary and the description for a watchdog that has been silent for so many seconds."""
        t = self._t
        return t.plain("alert.silence"), t.plain("alert.silence.about", span=_span(t, seconds))

    def unclean_start(self, alive_ms: int) -> str:
        """Return the note that says that the last run ended abruptly, at about `alive_ms` (ms since 1970)."""
        t = self._t
        return t.plain("alert.unclean_start", at=time_text(alive_ms))

    def foreign_file(self, job_id: int, detail: str) -> tuple[str, str]:
        """Return the summary and the description of the note that a worker named a file that is not its own."""
        t = self._t
        return t.plain("alert.foreign_file"), t.plain("alert.foreign_file.about", job=str(job_id), detail=detail)

    def browser_wanted(self, site: str, detail: str) -> tuple[str, str]:
        """Return the summary and the description of the note that a site lets only browsers in."""
        t = self._t
        return t.plain("alert.browser_wanted"), t.plain("alert.browser_wanted.about", site=site, detail=detail)


def _single(t: Texts, view: CardView) -> str:
    incident, marks = view.incidents[0], view.marks_of(view.incidents[0])
    lines = [_first_line(t, incident)]
    if incident.description:
        lines.append(t("alert.text", text=_cut(t, incident.description, DESCRIPTION_UNITS)))
    if incident.state != "note":
        lines.append(_when(t, incident))
    if incident.doubtful:
        lines.append(t("alert.doubtful"))
    lines += _fired(t, incident)
    if incident.instance:
        lines.append(t("alert.instance", instance=shorten(incident.instance, INSTANCE_UNITS)))
    lines += _runbook(t, incident)
    lines += _done(t, marks)
    lines += _truncated(t, view)
    return "\n".join([*lines, _tags([incident])])


def _fired(t: Texts, incident: Incident) -> list[str]:
    """Return the line that says how often an alert has fired, if more than once."""
    if incident.fired < 2:
        return []
    if incident.first_ms is None:
        return [t("alert.fired", count=incident.fired)]
    return [t("alert.fired_since", count=incident.fired, since=time_text(incident.first_ms))]


def _truncated(t: Texts, view: CardView) -> list[str]:
    """Return the line that says that Alertmanager left alerts out of its payload, if it did."""
    return [t.counted("alert.truncated", view.truncated)] if view.truncated and view.firing else []


def _done(t: Texts, marks: Marks) -> list[str]:
    """Return the lines that say what admins did about an incident."""
    lines = []
    if marks.silenced_by is not None:
        name, until = shorten(marks.silenced_by, PERSON_UNITS), time_text(marks.silenced_until_ms or 0)
        lines.append(t("alert.silenced", name=name, until=until))
    if marks.acknowledged_by is not None:
        name, at = shorten(marks.acknowledged_by, PERSON_UNITS), time_text(marks.acknowledged_ms or 0)
        lines.append(t("alert.acknowledged", name=name, at=at))
    return lines


def _many(t: Texts, view: CardView) -> str:
    worst = view.incidents[0]
    key = RANK_KEYS[worst.severity_rank] if view.firing else "resolved"
    lines = [t(f"alert.many.{key}", total=view.total)]
    if 0 < view.firing < view.total:
        lines.append(t("alert.many.of", firing=view.firing, resolved=view.total - view.firing))
    if any(incident.doubtful for incident in view.incidents):
        lines.append(t("alert.doubtful"))
    lines.append("")
    room, shown = LIST_UNITS, []
    for incident in view.incidents:
        line = list_line(t, incident) + _signs(view.marks_of(incident))
        room -= units(line) + 1
        if room < 0:
            break
        shown.append(incident)
        lines.append(line)
    if len(shown) < view.total:
        lines.append(t("alert.many.more", count=view.total - len(shown)))
    lines += _truncated(t, view)
    return "\n".join([*lines, _tags(shown)])


def _first_line(t: Texts, incident: Incident) -> str:
    summary = shorten(incident.summary, SUMMARY_UNITS) if incident.summary else _name(incident)
    return f"<b>{t(f'alert.first.{_key(incident)}', summary=summary)}</b>"


def _signs(marks: Marks) -> str:
    """Return symbols that show in a list what admins did about an incident."""
    return f"{' 🔕' if marks.silenced_by is not None else ''}{' 👤' if marks.acknowledged_by is not None else ''}"


def list_line(t: Texts, incident: Incident) -> str:
    """Return an incident as one line (HTML)."""
    what = incident.summary or _name(incident)
    if incident.instance and incident.instance not in what:
        what = f"{shorten(what, LINE_UNITS - 40)} · {shorten(incident.instance, 40)}"
    return t(f"alert.line.{_key(incident)}", summary=shorten(what, LINE_UNITS))


def _key(incident: Incident) -> str:
    return "resolved" if incident.state == "resolved" else RANK_KEYS[incident.severity_rank]


def _name(incident: Incident) -> str:
    return shorten(incident.alertname, NAME_UNITS) or "?"


def _when(t: Texts, incident: Incident) -> str:
    since = time_text(incident.since_ms)
    if incident.state != "resolved" or incident.ended_ms is None:
        return t("alert.since", since=since)
    until = time_text(incident.ended_ms)
    if incident.ending == "dismissed":
        return t("alert.dismissed", since=since, name=shorten(incident.dismissed_by, PERSON_UNITS), at=until)
    if incident.ending:
        return t("alert.unheard", since=since, at=until)
    span = _span(t, (incident.ended_ms - incident.since_ms) / 1000)
    return t("alert.lasted", span=span, since=since, until=until)


def _runbook(t: Texts, incident: Incident) -> list[str]:
    """Return the line with the alert's runbook, as a link only if a phone can reach it.

    There is no line for the bot's own runbook page, because a button under the message sends that runbook.
    """
    url = incident.runbook
    if is_public_url(url):
        return [t("alert.runbook", url=attribute_url(url))]
    own = re.fullmatch(r"https?://[^/]+/runbooks/[^/?#]+", url) and BOOK.find(incident.alertname)
    return [] if own or not url else [t("alert.runbook_text", text=url)]


def _cut(t: Texts, text: str, limit: int) -> str:
    return text if units(text) <= limit else f"{shorten(text, limit)} {t.plain('alert.cut')}"


def _tags(incidents: Sequence[Incident]) -> str:
    """Return the last line of a message: the hashtag of each of these alerts, once."""
    names = dict.fromkeys(hashtag(incident.alertname) for incident in incidents)
    left = len(names) - TAGS
    return " ".join([*(f"#{name}" for name in list(names)[:TAGS]), *([f"+{left}"] if left > 0 else [])])


def hashtag(name: str) -> str:
    """Return a name as a hashtag that Telegram turns into a link, without the #.

    A hashtag consists of letters, decimal digits and underscores, with at least one letter (td's match_hashtags).
    """
    tag = "".join(char if unicodedata.category(char)[0] == "L" or char.isdecimal() else "_" for char in name)
    tag = tag[:NAME_UNITS]
    if any(unicodedata.category(char)[0] == "L" for char in tag):
        return tag
    return f"alert_{tag}" if tag.strip("_") else "alert"


def time_text(moment_ms: int) -> str:
    """Return a time given in ms since 1970 as text: 2026-11-23 18:37 UTC."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(t: Texts, seconds: float) -> str:
    """Return how long an alert has lasted, in whole minutes above one, as Prometheus evaluates hardly more often."""
    whole = max(0, round(seconds))
    return span_text(t, whole if whole < 60 else whole // 60 * 60)
