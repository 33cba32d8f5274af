"""The conversations: their commands and buttons, each with its text, and no two that are called the same."""

from __future__ import annotations

from dataclasses import fields

import pytest
from trio.testing import MockClock

from doradura.chat.conversation import Command
from doradura.chat.conversations import BUTTONS, COMMANDS, CONVERSATIONS, Conversations
from doradura.chat.menus import CommandMenus
from doradura.chat.texts import LACKING, Catalogues, languages
from tests.wiring import ADMIN, World


def test_no_command_and_no_button_is_in_two_conversations() -> None:
    """Else one of them would never be answered."""
    assert len(COMMANDS) == sum(len(each.COMMANDS) for each in CONVERSATIONS)
    assert len(BUTTONS) == sum(len(each.BUTTONS) for each in CONVERSATIONS)
    assert len(CONVERSATIONS) == len(fields(Conversations))


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_has_its_text_in_every_language(word: str) -> None:
    """What describes it in the menu and in /help: `about.<word>` in each catalogue."""
    without = [
        language for language in languages() if Catalogues().for_language(language).plain(f"about.{word}") == LACKING
    ]
    assert not without, f"/{word} has no text about.{word} in {', '.join(without)} (doradura/chat/locale)"


async def test_a_command_without_its_text_stops_nothing(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The menus are set, with three dots in its place, and the log names the text."""

    async def nothing(*_facts: object) -> None:
        raise AssertionError

    table = {**COMMANDS, "job": Command("job", nothing, admin=True)}
    async with world.start() as bot:
        menus = CommandMenus(bot.api, world.storage, Catalogues(), frozenset({ADMIN}), table)
        await menus.publish()
    *_, last = world.telegram.all("setMyCommands")
    assert last.parameters["commands"][-1] == {"command": "job", "description": LACKING}
    (record,) = caplog.records
    assert (record.levelname, record.msg, vars(record)["key"]) == ("ERROR", "text lacking", "about.job")
    caplog.clear()
