"""Who somebody is: read with each update, and what they chose stays theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from doradura.accounts.account import Account, read_account
from doradura.chat.handling import Handling
from doradura.storage import Connection, StorageError, users
from doradura.telegram.types import User
from tests.wiring import ADMIN, LINK, USER, World


async def test_an_account_comes_with_each_update(world: World, autojump_clock: MockClock) -> None:
    """Of whoever was never seen, of an admin, of whoever chose a language since the last one; of a channel none."""
    accounts: list[Account | None] = []

    async def note(handling: Handling) -> None:
        await trio.lowlevel.checkpoint()
        accounts.append(handling.account)
        assert handling.user == (handling.account.user if handling.account else None)

    world.route = note
    async with world.start() as bot:
        await world.say(bot, world.message("new"))
        users.choose_language(world.storage.db, USER, "de")
        await world.say(bot, world.press("c:1"))
        await world.say(bot, world.message("an admin", user=ADMIN))
        await world.say(bot, world.message("a channel", chat=-100, sender_chat={"id": -100, "type": "channel"}))
    first, second, third, fourth = accounts
    assert first is not None
    assert second is not None
    assert third is not None
    assert fourth is None
    assert (first.user.id, first.language, first.is_admin, first.plan) == (USER, "en", False, "free")
    assert (second.user.id, second.language, second.is_admin) == (USER, "de", False)
    assert (third.user.id, third.language, third.is_admin) == (ADMIN, "en", True)


async def test_a_chosen_language_survives_the_next_update(world: World, autojump_clock: MockClock) -> None:
    """Telegram tells "en" with each message; what is made of them is in the language that was chosen."""
    async with world.start() as bot:
        await world.say(bot, world.message("/start"))
        users.choose_language(world.storage.db, USER, "de")
        await world.say(bot, world.message("/help"), world.message(f"/download {LINK}"))
        await world.ended()
    assert world.storage.one("SELECT language FROM jobs") == "de"
    assert users.chosen_language(world.storage.db, USER) == "de"


async def test_whoever_is_not_read_is_who_the_update_says(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails just then keeps nobody from an answer that needs none."""

    def fail(*_facts: object) -> None:
        raise StorageError("locked", reason="locked")

    async def greet(handling: Handling) -> None:
        await handling.reply(f"{handling.language} {handling.account and handling.account.is_admin}")

    monkeypatch.setattr("doradura.chat.dispatcher.read_account", fail)
    world.route = greet
    async with world.start() as bot:
        without_a_sender = replace(world.message("hello", user=ADMIN), user_id=None)
        await world.say(bot, without_a_sender)
    assert world.telegram.texts() == ["en True"]


async def test_a_choice_counts_for_what_waits_in_memory(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account is read together with its update, and once more only if accounts changed since."""
    languages: list[str] = []
    reads: list[int] = []

    def counted(db: Connection, user: User, admin_ids: frozenset[int]) -> Account:
        reads.append(user.id)
        return read_account(db, user, admin_ids)

    async def choose(handling: Handling) -> None:
        languages.append(handling.language)
        await handling.mark_handled()
        if len(languages) == 2:
            await world.storage.write(lambda db: users.choose_language(db, USER, "de"))

    monkeypatch.setattr("doradura.chat.dispatcher.read_account", counted)
    world.route = choose
    async with world.start() as bot:
        await world.say(bot, *[world.message("x") for _ in range(3)])
        await world.say(bot, world.message("y"))
    assert languages == ["en", "en", "de", "de"]
    assert reads == [USER]


async def test_what_an_older_version_stored_is_read_by_itself(world: World, autojump_clock: MockClock) -> None:
    """A row without its sender, as from before there was that column, is of whom the update names."""
    languages: list[str] = []

    async def note(handling: Handling) -> None:
        await trio.lowlevel.checkpoint()
        languages.append(handling.language)

    world.route = note
    async with world.start() as bot:
        await world.say(bot, world.message("hello"))
        users.choose_language(world.storage.db, USER, "de")
        await world.say(bot, replace(world.message("hello again"), user_id=None))
    assert languages == ["en", "de"]
