"""The faults of the matrix, and how a conversation goes with one of them in it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import httpx
import trio

from doradura.downloads.protocol import Metadata
from tests.doubles import DOWN, GARBAGE, NEVER, RATE_LIMITED, SERVER_ERROR, TORN, Fault, made, refusal
from tests.wiring import LINK, USER, World

FAULTS: dict[str, Fault] = {
    "400": refusal(400, "Bad Request: who knows"),
    "not modified": refusal(400, "Bad Request: message is not modified: specified new message content"),
    "not found": refusal(400, "Bad Request: message to edit not found"),
    "can't parse": refusal(400, "Bad Request: can't parse entities: Unsupported start tag"),
    "wrong file": refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"),
    "too old": refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"),
    "403": refusal(403, "Forbidden: bot was blocked by the user"),
    "413": refusal(413, "Request Entity Too Large"),
    "429": RATE_LIMITED,
    "500": SERVER_ERROR,
    "502": httpx.Response(502, html="<html>Bad Gateway</html>"),
    "garbage": GARBAGE,
    "cut before": DOWN,
    "cut after": TORN,
    "silence": NEVER,
}
PATIENCE_SECONDS = 3600.0
Conversation = Callable[[World, str, Fault], Awaitable[str]]


async def download(world: World, method: str, fault: Fault) -> str:
    """A user asks for a file; gives what stands in the chat at the end."""
    world.workers.usual = (Metadata(title="Song"), 5.0, made())
    async with world.start() as bot:
        world.telegram.fail(method, fault)
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


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
        await bot.dispatcher.store([world.press(data)])
        await trio.sleep(PATIENCE_SECONDS)
    return seen(world)


def seen(world: World) -> str:
    """What a user sees in the end: how many files, and the first words of each text."""
    files = len(world.telegram.files_in(USER))
    texts = [re.sub(r"<[^>]*>", "", text).split("\n")[0][:60].strip() for text in world.telegram.words_in(USER)]
    parts = [*(["the file"] if files == 1 else [f"the file {files} times"] if files else []), *texts]
    return "; ".join(parts) or "nothing"


CONVERSATIONS: dict[str, tuple[Conversation, tuple[str, ...]]] = {
    "a download": (download, ("sendMessage", "editMessageText", "sendChatAction", "sendAudio", "deleteMessage")),
    "the same again": (again, ("sendAudio",)),
    "a pressed format": (press, ("answerCallbackQuery", "editMessageText", "sendMessage")),
}
"""What is done, and the methods that meet a fault in it."""
