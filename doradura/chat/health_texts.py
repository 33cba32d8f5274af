"""/health: the same report as the HTTP endpoint's, in words, and what to do about what is not well."""

from __future__ import annotations

from collections.abc import Mapping

from doradura.chat.figures import span_text
from doradura.chat.texts import Texts
from doradura.chat.turn import Turn
from doradura.health import CHECKS, CheckStatus, HealthReport

_MARKS: Mapping[CheckStatus, str] = {"ok": "✅", "degraded": "🟠", "failing": "🔴"}


async def health(turn: Turn, _rest: str) -> None:
    """Answer /health."""
    await turn.mark_handled()  # a lost answer brings no second one
    await turn.reply(health_text(turn.texts, await turn.parts.admin.health()))


def health_text(t: Texts, report: HealthReport) -> str:
    """Put a report into words: the checks that are not well first, each with what to do."""
    lines = [
        t(f"health.{report.status}"),
        t("health.up", time=span_text(t, report.uptime_seconds), version=report.version),
        "",
    ]
    worst_first = sorted(report.checks.items(), key=lambda item: list(_MARKS).index(item[1].status), reverse=True)
    for name, found in worst_first:
        key = name if name in CHECKS else "other"
        shown = t.plain(f"check.{key}", name=name)
        lines.append(t("health.line", mark=_MARKS[found.status], name=shown, message=found.message))
        if found.status != "ok":
            lines.append(t("health.do", advice=t.plain(f"do.{key}")))
        if found.advice is not None:
            lines.append(t("health.do", advice=found.advice))
    return "\n".join(lines)
