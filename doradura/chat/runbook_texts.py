"""A runbook as a message: what the alert means, where to look and what to do, never longer than Telegram accepts.

An admin's phone can't reach the machine's pages, so the chat gets the whole text and no link. The section on how to
cause the alert for a test is left out, as it doesn't help during an incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from doradura.chat.texts import Texts
from doradura.reachable import is_public_url
from doradura.runbooks import Runbook
from doradura.runbooks.markdown import Block, inline_html, runs
from doradura.telegram.units import units

MESSAGE_UNITS = 3900
"""Of Telegram's 4096, including markup; the rest leaves room for the line that says that the text was cut."""


def runbook_text(t: Texts, runbook: Runbook) -> str:
    """Return a runbook as a message (HTML). If it is too long, the last blocks are left out and a line says so."""
    parts = [f"<b>{escape(runbook.name)}</b>"]
    room = MESSAGE_UNITS - units(parts[0])
    for run in runs(runbook.in_earnest()):
        part = _run(run)
        room -= units(part) + 2
        if room < 0:
            parts.append(t("runbook.cut"))
            break
        parts.append(part)
    return "\n\n".join(parts)


def _leads(target: str) -> str | None:
    """Return a link's target if a phone can reach it; otherwise None, and the link becomes plain text."""
    return target if is_public_url(target) else None


def _run(run: Sequence[Block]) -> str:
    block = run[0]
    if block.kind == "code":
        language = f' class="language-{block.language}"' if block.language else ""
        return f"<pre><code{language}>{escape(block.text)}</code></pre>"
    if block.kind == "heading":
        return f"<b>{inline_html(block.text, _leads)}</b>"
    signs = (f"{item.level}. " if item.kind == "numbered" else "• " if item.kind == "bullet" else "" for item in run)
    return "\n".join(sign + inline_html(item.text, _leads) for sign, item in zip(signs, run, strict=True))
