"""/start and /help."""

from __future__ import annotations

from collections.abc import Callable

from doradura.chat.conversation import Command, CommandTable, Conversation
from doradura.chat.handling import Handling
from doradura.chat.texts import Texts, limit_text
from doradura.media.formats import FORMATS


class Greeting(Conversation):
    """Explains what the bot does and how to use it."""

    def __init__(
        self, *, table: CommandTable, username: Callable[[], str], has_admins: bool, upload_limit_bytes: int
    ) -> None:
        self._table = table
        self._username = username
        self._has_admins = has_admins
        self._upload_limit_bytes = upload_limit_bytes

    async def start(self, handling: Handling, _rest: str) -> None:
        """Answer /start. Raises TelegramError."""
        t = handling.texts
        if handling.chat_id < 0:
            await handling.reply(t("start.group", bot=self._username()))
            return
        name = handling.user.first_name if handling.user else ""
        text = t("start", name=name or "there")
        if handling.user is not None and handling.chat_id > 0 and not self._has_admins:
            text += "\n\n" + t("start.no_admins", id=handling.user.id)
        await handling.reply(text)

    async def show_help(self, handling: Handling, _rest: str) -> None:
        """Answer /help: the commands and the formats; admins see theirs too. Raises TelegramError."""
        t = handling.texts
        text = t(
            "help" if handling.chat_id > 0 else "help.group",
            bot=self._username(),
            commands=self._lines(t, admin=False),
            limit=limit_text(self._upload_limit_bytes),
            formats=_formats(t),
        )
        if handling.is_among_admins:
            text += t("help.admin", commands=self._lines(t, admin=True))
        await handling.reply(text)

    def _lines(self, t: Texts, *, admin: bool) -> str:
        shown = [command.word for command in self._table.values() if command.admin == admin]
        return "\n".join(t.plain("help.line", command=word, about=t.plain(f"about.{word}")) for word in shown)

    COMMANDS = (Command("help", show_help), Command("start", start))


def _formats(t: Texts) -> str:
    lines = []
    for fmt in FORMATS.values():
        qualities = "" if fmt.qualities == ("default",) else " ".join(fmt.qualities)
        lines.append(t.plain("help.format", word=fmt.word, qualities=qualities).strip())
    return "\n".join(lines)
