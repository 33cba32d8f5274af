"""The faults of the matrix, and how a conversation goes with one of them in it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

import httpx
import trio

from doradura.chat.router import HANDLED_UPDATES
from doradura.media.protocol import Metadata
from doradura.storage import menus
from doradura.telegram.observer import SilentObserver
from doradura.telegram.poller import Poller
from tests.doubles import CUT, DOWN, GARBAGE, LATE, NEVER, RATE_LIMITED, SERVER_ERROR, TORN, Fault, made, refusal
from tests.wiring import ADMIN, LINK, USER, World, raw_update

FAULTS: dict[str, Fault] = {
    "400": refusal(400, "Bad Request: who knows"),
    "not modified": refusal(400, "Bad Request: message is not modified: specified new message content"),
    "not found": refusal(400, "Bad Request: message to edit not found"),
    "can't parse": refusal(400, "Bad Request: can't parse entities: Unsupported start tag"),
    "wrong file": refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"),
    "too old": refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"),
    "403": refusal(403, "Forbidden: bot was blocked by the user"),
    "no chat": refusal(400, "Bad Request: chat not found"),
    "413": refusal(413, "Request Entity Too Large"),
    "429": RATE_LIMITED,
    "500": SERVER_ERROR,
    "502": httpx.Response(502, html="<html>Bad Gateway</html>"),
    "garbage": GARBAGE,
    "cut before": DOWN,
    "cut after": TORN,
    "silence": NEVER,
    "late": LATE,
    "cut body": CUT,
}
CLOSED = (FAULTS["403"], FAULTS["no chat"])
"""What says that a chat takes nothing any more, whatever the call."""
PATIENCE_SECONDS = 900.0
Conversation = Callable[[World, str, Fault], Awaitable[str]]


async def download(world: World, method: str, fault: Fault) -> str:
    """A user asks for a file; gives what stands in the chat at the end."""
    world.workers.usual = (Metadata(title="Song"), 5.0, made())
    async with world.start() as bot:
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


async def video(world: World, method: str, fault: Fault) -> str:
    """A user asks for a film."""
    async with world.start() as bot:
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message(f"/download {LINK} mp4")])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


async def lost_answer(world: World, method: str, fault: Fault) -> str:
    """A file is sent and its answer lost, so it is put into the progress message, and that meets the fault."""
    async with world.start() as bot:
        world.telegram.fail("sendAudio", TORN)
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


async def report(world: World, method: str, fault: Fault) -> str:
    """An admin asks for a report that has a picture."""
    world.drawings.picture = b"picture"
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message("/analytics", user=ADMIN)])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world, ADMIN)


async def checkout(world: World, method: str, fault: Fault) -> str:
    """A payer's bank asks whether to charge: nothing is sold, so the answer is no, with the reason."""
    asked = {"from": {"id": USER, "first_name": "Ann"}, "currency": "XTR", "total_amount": 5, "invoice_payload": "x"}
    async with world.start() as bot:
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([raw_update(1, {"pre_checkout_query": {"id": "pc1", **asked}})])
        await trio.sleep(PATIENCE_SECONDS)
    said = [call for call in world.telegram.done if call.method == "answerPreCheckoutQuery" and call.at <= 10]
    return "; ".join([seen(world), "told that nothing is sold" if said else "not charged, without a word"])


async def start(world: World, method: str, fault: Fault) -> str:
    """The bot starts; a /start waits at Telegram, and one who is no admin any more still has the admins' menu."""
    await world.storage.write(lambda db: menus.add(db, 77))
    message = json.loads(world.message("/start").raw)
    world.telegram.updates.append(message)
    world.telegram.fail(method, fault)
    async with world.start() as bot:
        poller = Poller(
            bot.api,
            store=bot.dispatcher.store,
            allowed_updates=HANDLED_UPDATES,
            observer=SilentObserver(),
            draw=lambda: 1.0,
        )
        bot.nursery.start_soon(bot.menus.publish)
        bot.nursery.start_soon(poller.run)
        await trio.sleep(PATIENCE_SECONDS)
    done = [call for call in world.telegram.done if not call.parameters.get("scope")]
    shown = [] if any(call.method == "setMyCommands" for call in done) else ["no menu"]
    taken = any(call.method == "deleteMyCommands" for call in world.telegram.done)
    return "; ".join([seen(world), *shown, *([] if taken else ["the former admin's menu"])])


async def again(world: World, method: str, fault: Fault) -> str:
    """The same file a second time, sent by its file_id."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.telegram.messages.clear()
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


async def press(world: World, method: str, fault: Fault) -> str:
    """A link alone, and a press on one of its formats."""
    world.workers.usual = (Metadata(title="Song"), 5.0, made())
    async with world.start() as bot:
        await bot.dispatcher.store([world.message(LINK)])
        await world.changes.until(lambda: bool(world.telegram.messages))
        await trio.sleep(60)
        (stands,) = world.telegram.messages.values()
        data = stands["markup"]["inline_keyboard"][0][0]["callback_data"]
        world.telegram.fail(method, fault)
        if method == "answerCallbackQuery" and fault in CLOSED:
            # The job's message is sent at the same time as the answer: which of them learns it first is chance.
            world.telegram.blocked_by.add(USER)
        await bot.dispatcher.store([world.press(data)])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


def seen(world: World, chat_id: int = USER) -> str:
    """What stands in a chat in the end: how many files, and the first words of each text."""
    files = len(world.telegram.files_in(chat_id))
    texts = [re.sub(r"<[^>]*>", "", text).split("\n")[0][:60].strip() for text in world.telegram.words_in(chat_id)]
    parts = [*(["the file"] if files == 1 else [f"the file {files} times"] if files else []), *texts]
    return "; ".join(parts) or "nothing"


CONVERSATIONS: dict[str, tuple[Conversation, tuple[str, ...]]] = {
    "a download": (download, ("sendMessage", "editMessageText", "sendChatAction", "sendAudio", "deleteMessage")),
    "the same again": (again, ("sendAudio",)),
    "a pressed format": (press, ("answerCallbackQuery", "editMessageText", "sendMessage")),
    "a film": (video, ("sendVideo",)),
    "a file whose answer was lost": (lost_answer, ("editMessageMedia",)),
    "a report with a picture": (report, ("sendPhoto", "sendChatAction")),
    "a payment": (checkout, ("answerPreCheckoutQuery",)),
    "a start": (start, ("getMe", "deleteWebhook", "getUpdates", "setMyCommands", "deleteMyCommands")),
}
"""What is done, and the methods that meet a fault in it."""
