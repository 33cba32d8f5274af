"""Which conversation an update belongs to."""

from __future__ import annotations

import logging
from types import MappingProxyType

from doradura.chat import alert_buttons, alert_list, analytics, download, figures_report, greeting, health_report, queue
from doradura.chat.commands import Command, CommandTable, is_admin, open_to, parse_command
from doradura.chat.turn import Turn
from doradura.storage import users

COMMANDS: CommandTable = MappingProxyType(
    {
        command.word: command
        for command in (
            Command("download", download.download),
            Command("queue", queue.queue),
            Command("cancel", queue.cancel),
            Command("help", greeting.help_from(lambda: COMMANDS)),
            Command("start", greeting.start),
            Command("alerts", alert_list.alerts, admin=True),
            Command("analytics", analytics.analytics, admin=True),
            Command("health", health_report.health, admin=True),
            Command("metrics", figures_report.metrics, admin=True),
        )
    },
)
"""Every command there is, in the order of the command menu and of /help."""

HANDLED_UPDATES = ("message", "callback_query", "my_chat_member")
"""What Telegram is asked to send."""

log = logging.getLogger(__name__)


async def route(turn: Turn) -> None:
    """Let the right conversation answer."""
    update = turn.update
    if update.message is not None:
        await _message(turn)
        if is_admin(turn):
            turn.parts.admin.can_be_told(turn.chat_id)
            await turn.parts.admin.menus.came(turn.chat_id)
    elif update.callback_query is not None:
        await _press(turn)
    elif update.my_chat_member is not None:
        await _membership(turn)


async def _message(turn: Turn) -> None:
    message = turn.message
    if message.from_user is None or message.from_user.is_bot:
        return
    text = message.text or message.caption
    if text is None:
        if turn.chat_id > 0 and message.is_content:
            await turn.reply(turn.texts("unknown.attachment"))
        return
    parsed = parse_command(text, turn.parts.username())
    if parsed is not None:
        word, rest = parsed
        command = open_to(turn, COMMANDS, word)
        turn.command = word if command else "other"
        if command is not None:
            await command.handle(turn, rest)
        elif turn.chat_id > 0:
            await turn.reply(turn.texts("unknown.command"))
    elif turn.chat_id > 0:
        await download.link_alone(turn, text)


async def _press(turn: Turn) -> None:
    verb, _, rest = (turn.press.data or "").partition(":")
    if verb == "o":
        await download.press(turn, rest)
    elif verb == "c":
        await queue.press(turn, rest)
    elif verb == "a":
        await alert_buttons.press(turn, rest)
    else:
        await turn.answer(turn.texts.plain("press.unknown"), alert=True)


async def _membership(turn: Turn) -> None:
    """A person blocked the bot, or lets it in again."""
    change = turn.update.my_chat_member
    assert change is not None
    if change.chat.type != "private":
        return
    if change.new_chat_member.status == "kicked":
        await turn.parts.supervisor.user_blocked(change.chat.id)
    else:
        await turn.commit(lambda db: users.set_blocked(db, change.chat.id, None))
        turn.parts.admin.can_be_told(change.chat.id)
