"""The menus of commands: everybody's, the admins', and what becomes of a former admin's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trio.testing import MockClock

from doradura.chat.conversations import COMMANDS
from doradura.storage import menus
from tests.doubles import SERVER_ERROR, refusal
from tests.wiring import ADMIN, World

OPEN = ["download", "queue", "cancel", "help", "start"]
ALL = [*OPEN, "alerts", "analytics", "health", "metrics", "user"]
UNKNOWN_CHAT = refusal(400, "Bad Request: chat not found")


def scope(chat_id: int) -> dict[str, Any]:
    """The scope of one chat."""
    return {"type": "chat", "chat_id": chat_id}


def set_menus(world: World) -> list[tuple[Any, list[str]]]:
    """Every menu that was set: its scope and its commands."""
    return [
        (call.parameters.get("scope"), [command["command"] for command in call.parameters["commands"]])
        for call in world.telegram.all("setMyCommands")
    ]


def noted(world: World) -> set[int]:
    """The chats that are noted to have the admins' menu."""
    return menus.shown(world.storage.db)


async def test_only_admins_see_the_admins_commands(world: World, autojump_clock: MockClock) -> None:
    """Everybody's menu has the users' commands alone, the admin's chat the whole table, in its order."""
    async with world.start() as bot:
        await bot.menus.publish()
        await world.say(bot, world.message("/start", user=ADMIN))
    assert list(COMMANDS) == ALL
    assert set_menus(world) == [(None, OPEN), (scope(ADMIN), ALL)]
    assert noted(world) == {ADMIN}


async def test_an_admin_who_never_wrote_gets_theirs_with_the_first_message(
    world: World, autojump_clock: MockClock
) -> None:
    """Telegram knows no such chat at the start; once they write, in private, the menu is set, and once only."""
    world.telegram.fail("setMyCommands", None, UNKNOWN_CHAT)
    async with world.start() as bot:
        await bot.menus.publish()
        await world.say(bot, world.message("hello", user=ADMIN, chat=-100))
        await world.say(bot, world.message("/start"))
        assert len(set_menus(world)) == 2
        await world.say(bot, world.message("/start", user=ADMIN), world.message("/help", user=ADMIN))
    assert set_menus(world)[2:] == [(scope(ADMIN), ALL)]


async def test_a_failing_menu_keeps_nothing_from_working(world: World, autojump_clock: MockClock) -> None:
    """Whatever fails, the others are set, the admin is answered, and it is tried again with the next message."""
    refused = refusal(400, "Bad Request: BOT_COMMAND_INVALID")
    world.telegram.fail("setMyCommands", refused, refused, refused)
    async with world.start() as bot:
        await bot.menus.publish()
        await world.say(bot, world.message("/start", user=ADMIN))
        await world.say(bot, world.message("/help", user=ADMIN))
    assert len(set_menus(world)) == 4
    assert len(world.telegram.texts()) == 2


async def test_a_former_admin_loses_the_menu(world: World, autojump_clock: MockClock) -> None:
    """At the next start it is taken away; what fails then is done at the start after that."""
    async with world.start() as bot:
        await bot.menus.publish()
    world.settings = replace(world.settings, admin_ids=frozenset({77}))
    world.telegram.fail("deleteMyCommands", *[SERVER_ERROR] * 50)
    async with world.start() as bot:
        await bot.menus.publish()
    assert noted(world) == {ADMIN, 77}
    world.telegram.faults.clear()
    async with world.start() as bot:
        await bot.menus.publish()
    assert noted(world) == {77}
    assert world.telegram.all("deleteMyCommands")[-1].parameters == {"scope": scope(ADMIN)}


async def test_a_former_admin_whose_chat_is_gone_is_forgotten(world: World, autojump_clock: MockClock) -> None:
    """Telegram knows the chat no more: there is no menu to take away."""
    menus.add(world.storage.db, 55)
    world.telegram.fail("deleteMyCommands", UNKNOWN_CHAT)
    async with world.start() as bot:
        await bot.menus.publish()
    assert noted(world) == {ADMIN}
