"""Bot API methods about messages without files: sending, editing, deleting, callback queries, chat actions."""

from __future__ import annotations

import secrets

from doradura.sandbox.api.call import Call, content_of, message_caption, message_text, name_mentioned
from doradura.sandbox.api.keyboards import ReplyMarkup, check_edited, check_place, read_keyboard
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.members import is_admin
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import bad_request

CALLBACK_TEXT_LIMIT = 200

_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "record_audio",
        "upload_audio",
        "upload_document",
        "choose_sticker",
        "find_location",
        "pick_up_location",
        "record_video_note",
        "upload_video_note",
        "cancel",
    }
)
MEDIA = ("animation", "audio", "video", "document", "photo", "voice")


_CAPTION_AND_BUTTONS = frozenset({"caption", "caption_entities", "show_caption_above_media", "reply_markup"})


async def send_message(call: Call) -> Object:
    """Answer sendMessage."""
    content = message_text(call.parameters)
    return send(call, content)


def send(call: Call, content: Object, *, invoice_id: str = "", reply_to: int | None = None) -> Object:
    """Send a message with the given content, and the parameters common to all sendX: keyboard, reply, protection."""
    keyboard = read_keyboard(call.parameters)
    chat_id = call.writable_chat_id()
    shown = ReplyMarkup(content.get("reply_markup") or keyboard.inline, keyboard.reply)
    check_place(shown, private=chat_id > 0, invoice=bool(invoice_id))
    if reply_to is None:
        reply_to = call.reply_to(chat_id)
    content = name_mentioned(content, call.bot.world.users) | call.quote(chat_id, reply_to) | call.effect(chat_id)
    if call.parameters.boolean("protect_content"):
        content = {"has_protected_content": True, **content}
    if keyboard.inline is not None:
        content = {**content, "reply_markup": keyboard.inline}
    message = call.bot.add_message(chat_id, content, reply_to=reply_to, keyboard=keyboard.reply, invoice_id=invoice_id)
    return call.bot.shown(message)


async def edit_message_text(call: Call) -> Object:
    """Answer editMessageText. Without reply_markup the message loses its inline keyboard. Raises RefusalError."""
    content = message_text(call.parameters)
    keyboard = read_keyboard(call.parameters)
    message = call.own_message()
    if "text" not in message.body:
        raise bad_request("there is no text in the message to edit")
    check_edited(keyboard)
    return call.finish_edit(message, content | markup(keyboard.inline))


async def edit_message_caption(call: Call) -> Object:
    """Answer editMessageCaption. Raises RefusalError."""
    content = message_caption(call.parameters)
    keyboard = read_keyboard(call.parameters)
    message = call.own_message()
    if not any(key in message.body for key in MEDIA):
        raise bad_request("there is no caption in the message to edit")
    check_edited(keyboard)
    kept = {key: value for key, value in content_of(message).items() if key not in _CAPTION_AND_BUTTONS}
    return call.finish_edit(message, kept | content | markup(keyboard.inline))


async def edit_message_reply_markup(call: Call) -> Object:
    """Answer editMessageReplyMarkup."""
    keyboard = read_keyboard(call.parameters)
    message = call.own_message()
    check_edited(keyboard)
    content = {key: value for key, value in content_of(message).items() if key != "reply_markup"}
    return call.finish_edit(message, content | markup(keyboard.inline))


def new_album() -> str:
    """Make the id of an album."""
    return str(10**17 + secrets.randbelow(9 * 10**17))


def markup(inline: Object | None) -> Object:
    """Return an edited message's keyboard, as a field; without one it loses the one it had."""
    return {} if inline is None else {"reply_markup": inline}


async def delete_message(call: Call) -> bool:
    """Answer deleteMessage. Raises RefusalError."""
    if not call.parameters.text("chat_id"):
        raise bad_request("chat identifier is not specified")
    message_id = call.parameters.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    message = call.bot.message(call.group_or_private_id(), message_id)
    if message is None:
        raise bad_request("message to delete not found")
    if not may_delete(call.bot, message):
        raise bad_request("message can't be deleted")
    call.bot.delete_message(message)
    return True


def may_delete(bot: Bot, message: Message) -> bool:
    """Return whether the bot may delete a message.

    Its own anywhere, others' in private chats and as an administrator.
    """
    group = bot.groups.get(message.chat_id)
    return message.own or group is None or is_admin(bot, group)


async def send_chat_action(call: Call) -> bool:
    """Answer sendChatAction; only listening web pages see it. Raises RefusalError."""
    action = call.parameters.text("action").strip().lower()
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat_id = call.writable_chat_id()
    call.bot.tell("action", chat_id, {"action": action})
    return True


async def answer_callback_query(call: Call) -> bool:
    """Answer answerCallbackQuery: once, and within 150 s. Raises RefusalError."""
    parameters = call.parameters
    if len(parameters.text("text")) > CALLBACK_TEXT_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    query = call.bot.open_query(parameters.text("callback_query_id"))
    shown = {"text": parameters.text("text"), "show_alert": parameters.boolean("show_alert")}
    query.answer = {**shown, "url": parameters.text("url")}
    call.bot.keep_query(query)
    call.bot.tell("callback", query.chat_id, {"id": query.query_id, **query.answer})
    return True


async def answer_inline_query(_call: Call) -> bool:
    """Answer answerInlineQuery: there is no inline mode, so every query counts as too old. Raises RefusalError."""
    raise bad_request("query is too old and response timeout expired or query ID is invalid")
