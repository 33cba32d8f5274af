"""/start and /help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from doradura.chat.commands import CommandTable, is_admin
from doradura.chat.texts import Texts, limit_text
from doradura.chat.turn import Turn
from doradura.media.formats import FORMATS


async def start(turn: Turn, _rest: str) -> None:
    """Say hello and what to do."""
    if turn.chat_id < 0:
        await turn.reply(turn.texts("start.group", bot=turn.parts.username()))
        return
    name = turn.user.first_name if turn.user else ""
    text = turn.texts("start", name=name or "there")
    if turn.user is not None and turn.chat_id > 0 and not turn.parts.settings.admin_ids:
        text += "\n\n" + turn.texts("start.no_admins", id=turn.user.id)
    await turn.reply(text)


def help_from(table: Callable[[], CommandTable]) -> Callable[[Turn, str], Awaitable[None]]:
    """Make /help of the table of commands, which has /help in it and so is known only later."""

    async def help_(turn: Turn, _rest: str) -> None:
        """Show the commands and the formats; admins see theirs too."""
        t = turn.texts
        text = t(
            "help" if turn.chat_id > 0 else "help.group",
            bot=turn.parts.username(),
            commands=_lines(t, table(), admin=False),
            limit=limit_text(turn.parts.settings.upload_limit_bytes),
            formats=_formats(t),
        )
        if is_admin(turn):
            text += t("help.admin", commands=_lines(t, table(), admin=True))
        await turn.reply(text)

    return help_


def _lines(t: Texts, table: CommandTable, *, admin: bool) -> str:
    shown = [command.word for command in table.values() if command.admin == admin]
    return "\n".join(t.plain("help.line", command=word, about=t.plain(f"about.{word}")) for word in shown)


def _formats(t: Texts) -> str:
    lines = []
    for fmt in FORMATS.values():
        qualities = "" if fmt.qualities == ("default",) else " ".join(fmt.qualities)
        lines.append(t.plain("help.format", word=fmt.word, qualities=qualities).strip())
    return "\n".join(lines)
