"""The human side: what a person does in the web chat, and what tests request, as JSON over HTTP.

Owns the calls under /sandbox/ and their shapes; it changes nothing itself but asks the bot concerned. A change is
answered only after it was stored.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import trio

from doradura.sandbox.http.exchange import Headers, HttpRequest, Response, Send
from doradura.sandbox.http.served_bytes import file_content, respond
from doradura.sandbox.human.commands import commands_for
from doradura.sandbox.human.error import HumanError
from doradura.sandbox.human.groups import add_group, change_member, check_upgrade, found_group, person
from doradura.sandbox.human.orders import (
    BlockOrder,
    ChatOrder,
    FileOrder,
    MemberOrder,
    MessageOrder,
    PayOrder,
    PressOrder,
    SubscriptionOrder,
    UpgradeOrder,
    UserOrder,
)
from doradura.sandbox.human.payments import find_invoice, pay, renew, subscription
from doradura.sandbox.state.blobs import FILE_LIMIT_BYTES, StoredUpload
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.bots import Bots, is_token
from doradura.sandbox.state.call_record import CallRecord
from doradura.sandbox.state.faults import FaultError, Faults, parse_fault
from doradura.sandbox.state.files import Files, shown_file
from doradura.sandbox.state.floods import FloodOrder, Floods
from doradura.sandbox.state.members import may_write
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import RefusalError
from doradura.sandbox.text.detect import detect_entities
from doradura.sandbox.text.entities import fix_text, units
from doradura.sandbox.text.numbers import leading_integer

T = TypeVar("T")

BODY_LIMIT_BYTES = FILE_LIMIT_BYTES * 3 // 2
SMALL_BODY_BYTES = 64 * 1024
TEXT_LIMIT_UNITS = 16384
"""What a person may send here. Telegram's own clients split at 4096; a bot should meet what other clients might
send."""

_INLINE_TYPES = ("audio/", "video/", "image/png", "image/jpeg", "image/gif", "image/webp")
"""What a browser may show in place. Anything else from a bot is only ever saved: it would run with this origin's
rights."""

_FILE_HEADERS: Headers = (
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, max-age=86400"),
)


class Human:
    """Answers /sandbox/..."""

    def __init__(self, bots: Bots, files: Files, faults: Faults, floods: Floods, record: CallRecord) -> None:
        self._bots = bots
        self._world = bots.world
        self._files = files
        self._faults = faults
        self._floods = floods
        self._record = record
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Awaitable[Response]]]] = [
            (method, re.compile(pattern), route)
            for method, pattern, route in (
                ("POST", r"users", self._add_user),
                ("POST", r"chats", self._add_chat),
                ("GET", r"state", self._state),
                ("GET", r"chats/(-?\d{1,18})/messages", self._messages),
                ("POST", r"chats/(-?\d{1,18})/messages", self._say),
                ("POST", r"chats/(-?\d{1,18})/files", self._send_file),
                ("POST", r"chats/(-?\d{1,18})/press", self._press),
                ("POST", r"chats/(-?\d{1,18})/block", self._block),
                ("POST", r"chats/(-?\d{1,18})/upgrade", self._upgrade),
                ("POST", r"chats/(-?\d{1,18})/members", self._change_member),
                ("GET", r"chats/(-?\d{1,18})/commands", self._commands),
                ("GET", r"callbacks/(\w{1,64})", self._callback),
                ("GET", r"requests", self._requests),
                ("POST", r"faults", self._add_fault),
                ("DELETE", r"faults", self._clear_faults),
                ("GET", r"flood-limits", self._flood_limits),
                ("POST", r"flood-limits", self._set_flood_limits),
                ("GET", r"events", self._events),
                ("GET", r"files/([0-9a-f]{32})", self._file),
                ("HEAD", r"files/([0-9a-f]{32})", self._file),
                ("POST", r"chats/(-?\d{1,18})/pay", self._pay),
                ("POST", r"payments/([^/]+)/renew", self._renew),
                ("POST", r"payments/([^/]+)/subscription", self._subscription),
            )
        ]

    async def answer(self, request: HttpRequest) -> Response:
        """Answer one call; a failure is answered as `{"error": why}`."""
        path = request.path.removeprefix("/sandbox/")
        try:
            for method, pattern, route in self._routes:
                if request.method == method and (found := pattern.fullmatch(path)):
                    return await route(request, *found.groups())
        except HumanError as error:
            return Response.json({"error": str(error)}, error.status)
        return Response.json({"error": f"there is no {request.method} {request.path}"}, 404)

    def _bot(self, request: HttpRequest) -> Bot:
        """Return the bot: the one of ?token=, else the first that called."""
        token = request.argument("token") or self._world.events.default_token
        if token is None:
            raise HumanError(409, "no bot has called yet; name one with ?token=")
        if not is_token(token):
            raise HumanError(400, "token is no bot token")
        return self._bots.bot(token)

    @staticmethod
    async def _order(request: HttpRequest, kind: type[T]) -> T:
        body = await request.whole_body(BODY_LIMIT_BYTES)
        if body is None:
            raise HumanError(400, f"the body is over {BODY_LIMIT_BYTES} bytes")
        try:
            if len(body) <= SMALL_BODY_BYTES:
                return msgspec.json.decode(body, type=kind, strict=False)
            decoder = msgspec.json.Decoder(kind, strict=False)
            return await trio.to_thread.run_sync(decoder.decode, body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise HumanError(400, str(error)) from None

    async def _done(self, value: object) -> Response:
        """Answer, once the change is stored."""
        await self._world.journal.flush()
        return Response.json(value)

    def _sender(self, bot: Bot, chat_id: int, from_id: int | None) -> Object:
        """Return the person who acts in a chat, if they can. Raises HumanError."""
        if chat_id < 0:
            group = bot.groups.get(chat_id)
            if group is None:
                raise HumanError(404, "there is no such chat")
            if from_id is None:
                raise HumanError(400, "from_id is missing")
            sender = person(self._world, from_id)
            if from_id in group.banned:
                raise HumanError(400, "this user is banned from the group")
            if from_id not in group.members:
                group.members.append(from_id)
                bot.keep_group(chat_id)
            return sender
        if from_id not in {None, chat_id}:
            raise HumanError(400, "in a private chat from_id is the chat's id")
        return person(self._world, chat_id)

    def _writer(self, bot: Bot, chat_id: int, from_id: int | None) -> Object:
        """Return the person who writes to the bot, which starts it."""
        sender = self._sender(bot, chat_id, from_id)
        self._check_present(bot, chat_id)
        if chat_id in bot.groups and not may_write(bot, bot.groups[chat_id], sender["id"]):
            raise HumanError(400, "this user may not write to the group")
        if chat_id > 0:
            bot.start(chat_id)
        return sender

    @staticmethod
    def _check_present(bot: Bot, chat_id: int) -> None:
        if chat_id in bot.blocked:
            raise HumanError(400, "this user has blocked the bot")
        if chat_id in bot.groups and bot.groups[chat_id].refusal() is not None:
            raise HumanError(400, "the bot is not in this group any more")

    @staticmethod
    def _message(bot: Bot, chat_id: int, message_id: int, status: int) -> Message:
        message = bot.message(chat_id, message_id)
        if message is None:
            raise HumanError(status, f"chat {chat_id} has no message {message_id}")
        return message

    async def _add_user(self, request: HttpRequest) -> Response:
        order = await self._order(request, UserOrder)
        user_id = self._world.next_user_id() if order.id is None else order.id
        if user_id <= 0 or not order.first_name:
            raise HumanError(400, "a user has a positive id and a first_name")
        user: Object = {"id": user_id, "is_bot": False, "first_name": order.first_name}
        if order.username:
            user["username"] = order.username.removeprefix("@")
        user["language_code"] = order.language_code
        return await self._done(self._world.put_user(user))

    async def _add_chat(self, request: HttpRequest) -> Response:
        order = await self._order(request, ChatOrder)
        return await self._done(add_group(self._bot(request), order))

    async def _state(self, request: HttpRequest) -> Response:
        nobody = request.argument("token") is None and self._world.events.default_token is None
        return Response.json(self._bots.state(None if nobody else self._bot(request)))

    async def _block(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, BlockOrder)
        bot, chat_id = self._bot(request), int(chat)
        sender = self._sender(bot, chat_id, order.from_id)
        bot.set_blocked(chat_id, sender["id"], blocked=order.blocked)
        return await self._done({})

    async def _upgrade(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, UpgradeOrder)
        bot, chat_id = self._bot(request), int(chat)
        group = found_group(bot, chat_id)
        check_upgrade(group)
        sender = self._sender(bot, chat_id, order.from_id or group.members[0])
        return await self._done(bot.upgrade_group(chat_id, sender))

    async def _change_member(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, MemberOrder)
        change_member(self._bot(request), int(chat), order)
        return await self._done({})

    async def _commands(self, request: HttpRequest, chat: str) -> Response:
        bot, chat_id = self._bot(request), int(chat)
        user = person(self._world, leading_integer(request.argument("from_id") or chat))
        return await self._done({"commands": commands_for(bot, chat_id, user)})

    async def _messages(self, request: HttpRequest, chat: str) -> Response:
        bot, chat_id = self._bot(request), int(chat)
        if bot.chat(chat_id) is None:
            raise HumanError(404, "there is no such chat")
        after = leading_integer(request.argument("after") or "0")
        return await self._done({"messages": [bot.seen(message) for message in bot.messages_after(chat_id, after)]})

    async def _say(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, MessageOrder)
        content = _with_entities("text", order.text)
        if not content or units(content["text"]) > TEXT_LIMIT_UNITS:
            raise HumanError(400, f"text has 1 to {TEXT_LIMIT_UNITS} characters")
        bot, chat_id = self._bot(request), int(chat)
        if order.edit_message_id is not None:
            return await self._done(self._edit(bot, chat_id, order, content))
        if order.reply_to_message_id is not None:
            self._message(bot, chat_id, order.reply_to_message_id, 400)
        sender = self._writer(bot, chat_id, order.from_id)
        message = bot.add_message(chat_id, content, sender=sender, reply_to=order.reply_to_message_id or 0)
        return await self._done(bot.seen(message))

    def _edit(self, bot: Bot, chat_id: int, order: MessageOrder, content: Object) -> Object:
        assert order.edit_message_id is not None
        message = self._message(bot, chat_id, order.edit_message_id, 404)
        sender = self._writer(bot, chat_id, order.from_id)
        if message.own or message.body["from"]["id"] != sender["id"] or "text" not in message.body:
            raise HumanError(400, "only one's own text can be edited")
        bot.change_message(message, content)
        return bot.seen(message)

    async def _send_file(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, FileOrder)
        bot, chat_id = self._bot(request), int(chat)
        sender = self._writer(bot, chat_id, order.from_id)
        try:
            content = await trio.to_thread.run_sync(lambda: base64.b64decode(order.content_base64, validate=True))
        except binascii.Error as error:
            raise HumanError(400, f"content_base64: {error}") from None
        if len(content) > FILE_LIMIT_BYTES:
            raise HumanError(400, f"the file is over {FILE_LIMIT_BYTES} bytes")
        name = order.file_name.replace("\\", "/").rpartition("/")[2]
        upload = StoredUpload(name, order.mime_type, await self._world.blobs.store(content), len(content))
        try:
            file = await self._files.add(bot, order.kind, upload)
        except RefusalError as error:
            await self._world.blobs.remove([upload.blob])
            raise HumanError(400, error.description) from None
        media: Object = {order.kind: shown_file(file)}
        if order.caption:
            media |= _with_entities("caption", order.caption)
        return await self._done(bot.seen(bot.add_message(chat_id, media, sender=sender)))

    async def _press(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, PressOrder)
        bot, chat_id = self._bot(request), int(chat)
        message = self._message(bot, chat_id, order.message_id, 400)
        rows = message.body.get("reply_markup", {}).get("inline_keyboard", [])
        if not any(button.get("callback_data") == order.data for row in rows for button in row):
            raise HumanError(400, "that message has no such button")
        query = bot.press(self._sender(bot, chat_id, order.from_id), message, order.data)
        return await self._done({"callback_query_id": query.query_id})

    async def _callback(self, request: HttpRequest, query_id: str) -> Response:
        query = self._bot(request).queries.get(query_id)
        if query is None:
            raise HumanError(404, "there is no such callback query")
        return await self._done({"answered": query.answer is not None, **(query.answer or {})})

    async def _pay(self, request: HttpRequest, chat: str) -> Response:
        order = await self._order(request, PayOrder)
        bot, chat_id = self._bot(request), int(chat)
        invoice = find_invoice(bot, chat_id, order)
        sender = self._sender(bot, chat_id, order.from_id)
        self._check_present(bot, chat_id)
        return await self._done(await pay(bot, invoice, sender, chat_id))

    async def _renew(self, request: HttpRequest, charge_id: str) -> Response:
        return await self._done(renew(self._bot(request), charge_id))

    async def _subscription(self, request: HttpRequest, charge_id: str) -> Response:
        order = await self._order(request, SubscriptionOrder)
        bot = self._bot(request)
        bot.payments.set_canceled(subscription(bot, charge_id), canceled=order.canceled)
        return await self._done({})

    async def _requests(self, request: HttpRequest) -> Response:
        lines = self._record.after(leading_integer(request.argument("after") or "0"))
        return Response(200, lines, [(b"content-type", b"application/x-ndjson")])

    async def _add_fault(self, request: HttpRequest) -> Response:
        try:
            fault = parse_fault(await request.whole_body(BODY_LIMIT_BYTES) or b"")
        except FaultError as error:
            raise HumanError(400, str(error)) from None
        return Response.json({"id": self._faults.add(fault, request.argument("token"))})

    async def _clear_faults(self, _request: HttpRequest) -> Response:
        return Response.json({"deleted": self._faults.clear()})

    async def _flood_limits(self, _request: HttpRequest) -> Response:
        return Response.json(self._floods.limits)

    async def _set_flood_limits(self, request: HttpRequest) -> Response:
        order = await self._order(request, FloodOrder)
        try:
            return Response.json(self._floods.change(order))
        except ValueError as error:
            raise HumanError(400, str(error)) from None

    async def _events(self, request: HttpRequest) -> Response:
        token = request.argument("token")

        async def stream(send: Send) -> None:
            await self._world.events.listen(token, send)

        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        return Response(200, headers=headers, stream=stream)

    async def _file(self, request: HttpRequest, blob: str) -> Response:
        file = self._world.blobs_known.get(blob)
        if file is None:
            raise HumanError(404, "there is no such file")
        headers = list(_FILE_HEADERS)
        if not file.mime_type.startswith(_INLINE_TYPES):
            headers.append((b"content-disposition", b"attachment"))
        kind = file.mime_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", file.mime_type) else "application/octet-stream"
        return respond(request, file_content(self._world.blobs.path(blob), file.size, kind), headers)


def _with_entities(name: str, text: str) -> Object:
    """Return a text or caption as Telegram keeps it, with the entities that it finds; no field for white space only."""
    kept, _ = fix_text(text, [], may_be_empty=True)
    entities = detect_entities(kept, [])
    key = "entities" if name == "text" else f"{name}_entities"
    return {**({name: kept} if kept else {}), **({key: entities} if entities else {})}
