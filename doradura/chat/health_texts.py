"""/health: the HTTP endpoint's report as a message, with advice on every check that is not ok."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from doradura.chat.conversation import Command, Conversation
from doradura.chat.figures import span_text
from doradura.chat.handling import Handling
from doradura.chat.texts import Texts
from doradura.health import CHECKS, CheckStatus, HealthReport

_MARKS: Mapping[CheckStatus, str] = {"ok": "✅", "degraded": "🟠", "failing": "🔴"}
_COMMAND = re.compile(r"`([^`\n]+)`")


class HealthConversation(Conversation):
    """Answers /health."""

    def __init__(self, health: Callable[[], Awaitable[HealthReport]]) -> None:
        self._health = health

    async def report(self, handling: Handling, _rest: str) -> None:
        """Answer /health. Raises TelegramError and StorageError."""
        await handling.mark_handled()  # first, so that a lost answer causes no second message
        await handling.reply(health_text(handling.texts, await self._health()))

    COMMANDS = (Command("health", report, admin=True),)


def health_text(t: Texts, report: HealthReport) -> str:
    """Return the report's text (HTML): the checks that are not ok come first, each with advice.

    A command that a report has between backticks is shown as code.
    """
    lines = [
        t(f"health.{report.status}"),
        t("health.up", time=span_text(t, report.uptime_seconds), version=report.version),
        "",
    ]
    worst_first = sorted(report.checks.items(), key=lambda item: list(_MARKS).index(item[1].status), reverse=True)
    for name, found in worst_first:
        key = name if name in CHECKS else "other"
        shown = t.plain(f"check.{key}", name=name)
        lines.append(t("health.line", mark=_MARKS[found.status], name=shown, message=t.sentence(found.message)))
        if found.status != "ok":
            lines.append(t("health.do", advice=t.plain(f"do.{key}")))
        if found.advice is not None:
            lines.append(t("health.do", advice=t.sentence(found.advice)))
    return _COMMAND.sub(r"<code>\1</code>", "\n".join(lines))
