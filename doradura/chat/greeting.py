"""/start and /help."""

from __future__ import annotations

from doradura.chat.texts import Texts, limit_text
from doradura.chat.turn import Turn
from doradura.downloads.formats import FORMATS

SHOWN_COMMANDS = ("download", "queue", "cancel", "help", "start")


async def start(turn: Turn, _rest: str) -> None:
    """Say hello and what to do."""
    name = turn.user.first_name if turn.user else ""
    await turn.reply(turn.texts("start", name=name or "there"))


async def help_(turn: Turn, _rest: str) -> None:
    """Show the commands and the formats."""
    t = turn.texts
    lines = (t.plain("help.line", command=word, about=t.plain(f"about.{word}")) for word in SHOWN_COMMANDS)
    await turn.reply(
        t(
            "help",
            commands="\n".join(lines),
            limit=limit_text(turn.parts.settings.upload_limit_bytes),
            formats=_formats(t),
        ),
    )


def _formats(t: Texts) -> str:
    lines = []
    for fmt in FORMATS.values():
        qualities = "" if fmt.qualities == ("default",) else " ".join(fmt.qualities)
        lines.append(t.plain("help.format", word=fmt.word, qualities=qualities).strip())
    return "\n".join(lines)
