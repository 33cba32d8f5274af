"""Which conversation an update belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from doradura.chat import (
    admin_user,
    alert_buttons,
    alert_list,
    analytics,
    download,
    figures_report,
    greeting,
    groups,
    health_texts,
    payments,
    queue,
)
from doradura.chat.alert_keyboards import decode_alert_data
from doradura.chat.callback_data import Buttons, TooOldError, buttons
from doradura.chat.commands import Command, CommandTable, is_admin, open_to, parse_command
from doradura.chat.job_buttons import CancelInList, CancelJob, PickFormat, PickInstead, ProbeAgain, TryAgain
from doradura.chat.turn import Turn
from doradura.storage import chats
from doradura.telegram.types import Message

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
            Command("health", health_texts.health, admin=True),
            Command("metrics", figures_report.metrics, admin=True),
            Command("user", admin_user.user, admin=True),
        )
    },
)
"""Every command there is, in the order of the command menu and of /help."""


async def route(turn: Turn) -> None:
    """Let the right conversation answer."""
    for kind, handle in HANDLERS.items():
        if getattr(turn.update, kind) is not None:
            await handle(turn)


async def _message(turn: Turn) -> None:
    if await groups.moved(turn) or await payments.paid_or_refunded(turn):
        return
    await _asked(turn, edited=False)
    if is_admin(turn):
        # Alerts that its chat refused before come at once.
        await turn.parts.storage.write(lambda db: chats.opened(db, turn.chat_id))
        await turn.parts.admin.menus.came(turn.chat_id)


async def _edited(turn: Turn) -> None:
    """Answer what the message asks for since its edit. What it began before goes on and is not begun again."""
    await _asked(turn, edited=True)


async def _asked(turn: Turn, *, edited: bool) -> None:
    message = turn.message
    if not _is_somebody(message):
        return
    text = message.text or message.caption
    if text is None:
        if message.is_content and not edited:
            await _attachment(turn)
        return
    parsed = parse_command(text, turn.parts.username())
    command = None if parsed is None else open_to(turn, COMMANDS, parsed[0])
    if parsed is not None:
        turn.command = command.word if command else "other"
    asked = message if turn.chat_id > 0 or command else groups.words_for_bot(turn)
    if asked is None:
        return
    if turn.user is None:
        await turn.reply(turn.texts("group.anonymous"))
    elif parsed is not None and command is not None:
        if not (edited and await download.begun(turn)):
            await command.handle(turn, parsed[1])
    elif parsed is not None:
        await turn.reply(turn.texts("unknown.command"))
    else:
        await download.links_alone(turn, asked, edited=edited)


async def _attachment(turn: Turn) -> None:
    if turn.chat_id > 0:
        await turn.reply(turn.texts("unknown.attachment"))


def _is_somebody(message: Message) -> bool:
    """Whether a person wrote it, or an anonymous one; not another bot, nor what a channel's post brings by itself."""
    if message.from_user is None or message.is_automatic_forward:
        return False
    return message.sender_chat is not None or not message.from_user.is_bot


async def _callback_query(turn: Turn) -> None:
    data = turn.press.data or ""
    pressed = BUTTONS.get(data.partition(":")[0])
    if pressed is None:
        await turn.answer(turn.texts.plain("press.unknown"), alert=True)
        return
    try:
        await pressed.answer(turn, data)
    except TooOldError:
        await turn.answer(turn.texts.plain(pressed.too_old), alert=True)


BUTTONS: Mapping[str, Buttons] = MappingProxyType(
    {
        each.word: each
        for each in (
            buttons("o", PickFormat.decode, download.press, too_old="offer.stale"),
            buttons("s", PickInstead.decode, download.press_instead, too_old="offer.stale"),
            buttons("r", TryAgain.decode, download.press_again, too_old="offer.stale"),
            buttons("l", ProbeAgain.decode, download.press_look, too_old="offer.stale"),
            buttons("c", CancelJob.decode, queue.press, too_old="press.ended"),
            buttons("q", CancelInList.decode, queue.press_in_list, too_old="press.ended"),
            buttons("a", decode_alert_data, alert_buttons.press, too_old="outcome.unknown"),
            buttons("u", admin_user.EndAll.decode, admin_user.press),
        )
    }
)
"""Who answers a button, by the first word of its data."""

HANDLERS: Mapping[str, Callable[[Turn], Awaitable[None]]] = MappingProxyType(
    {
        "message": _message,
        "edited_message": _edited,
        "callback_query": _callback_query,
        "my_chat_member": groups.membership,
        "pre_checkout_query": payments.pre_checkout,
        "subscription": payments.subscription,
    }
)

HANDLED_UPDATES = tuple(HANDLERS)
"""What Telegram is asked to send."""
