"""/user ID: a user's downloads as an admin sees them, and the button that ends them."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from doradura.media.protocol import Metadata, Progress
from doradura.telegram.updates import RawUpdate
from tests.doubles import HANG, NEVER, TORN, made
from tests.wiring import ADMIN, LINK, USER, Bot, World

DASH = "\N{EN DASH}"
ENDED = "✖ An admin of this bot cancelled this download: <b>"


async def busy(world: World, bot: Bot, count: int) -> None:
    """Let a user have that many downloads; as many as there are places run."""
    world.workers.usual = (
        Metadata(title="A <slow> film"),
        Progress(stage="fetching", fetched_bytes=9, bytes_per_second=2000.0),
        HANG,
    )
    await world.say(bot, *(world.message(f"/download {LINK}{number} mp4 best", name="A<b>") for number in range(count)))
    await world.changes.until(lambda: world.workers.running)
    await trio.sleep(90)


async def told(world: World, bot: Bot, *updates: RawUpdate) -> None:
    """Let updates come, and let the answers that follow their effects arrive."""
    await world.say(bot, *updates)
    await trio.sleep(5)


async def press(world: World, bot: Bot, data: str, *, user: int = ADMIN, chat: int | None = None) -> str:
    """Press a button of the admin's newest message; give the answer."""
    update = world.press(data, user=user, chat=chat)
    newest = max((number for where, number in world.telegram.messages if where == ADMIN), default=1)
    raw = update.raw.replace(b'"message": {"message_id": 1,', b'"message": {"message_id": %d,' % newest)
    await told(world, bot, replace(update, raw=raw))
    answer = world.telegram.all("answerCallbackQuery")[-1].parameters
    return str(answer.get("text", ""))


def shown(world: World) -> tuple[str, list[str]]:
    """The admin's newest message: its text and its buttons' data."""
    newest = max(number for where, number in world.telegram.messages if where == ADMIN)
    found = world.telegram.messages[ADMIN, newest]
    rows = (found["markup"] or {"inline_keyboard": []})["inline_keyboard"]
    return found["text"], [button["callback_data"] for row in rows for button in row]


async def test_what_a_user_has_in_hand_is_shown(world: World, autojump_clock: MockClock) -> None:
    """What runs with its speed, what waits, since when; ten lines at most; markup of names and titles is words."""
    world.slots = 1
    async with world.start() as bot:
        await busy(world, bot, 12)
        await told(world, bot, world.message(f"/user {USER}", user=ADMIN))
        text, data = shown(world)
    lines = text.splitlines()
    assert lines[0] == f"👤 <b>A&lt;b&gt;</b> ({USER})"
    assert lines[1].startswith(f"1. <b>A &lt;slow&gt; film</b> {DASH} mp4 best, in progress · 2 kB/s, requested 1 min")
    assert lines[2].startswith(f"2. <b>https://media.example/song1</b> {DASH} mp4 best, waiting, requested 1 min")
    assert lines[11:] == ["… and 2 more."]
    assert data == [f"u:a:{USER}"]


async def test_the_button_ends_all_of_them(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After asking, and once: the user is told in each message, nobody else's ends, and the log has who did it."""
    caplog.set_level(logging.WARNING)
    world.slots = 1
    async with world.start() as bot:
        await busy(world, bot, 3)
        await world.say(bot, world.message(f"/download {LINK}group", chat=-500))
        await world.say(bot, world.message(f"/download {LINK}other", user=3000))
        await told(world, bot, world.message(f"/user {USER}", user=ADMIN))
        assert await press(world, bot, f"u:a:{USER}") == ""
        assert shown(world)[1] == [f"u:y:{USER}", f"u:n:{USER}"]
        await press(world, bot, f"u:n:{USER}")
        assert shown(world)[1] == [f"u:a:{USER}"]
        assert world.states().count("cancelled") == 0
        assert await press(world, bot, f"u:y:{USER}") == "Done. They've been told."
        await world.ended(4)
        text, data = shown(world)
        assert text.startswith("✖ Cancelled 4 downloads.")
        assert data == []
        assert await press(world, bot, f"u:y:{USER}") == "There's nothing left to cancel."
        await world.changes.until(lambda: world.workers.running)
    assert [text.startswith(ENDED) for text in world.telegram.words_in(USER)] == [True] * 3
    assert [text.startswith(ENDED) for text in world.telegram.words_in(-500)] == [True] * 1
    assert sorted(world.states()) == ["cancelled"] * 4 + ["running"]
    assert world.value("download_cancelled_total") == 4
    (first, _) = [record for record in caplog.records if record.message == "an admin ended a user's downloads"]
    assert (first.admin, first.user, first.jobs) == (ADMIN, USER, 4)  # type: ignore[attr-defined]


async def test_it_works_after_a_restart_and_is_told_by_the_next_start(world: World, autojump_clock: MockClock) -> None:
    """The button of a message from before does the same; what a kill kept from being told is told in the same words."""
    world.slots = 1
    async with world.start() as bot:
        await busy(world, bot, 2)
        await told(world, bot, world.message(f"/user {USER}", user=ADMIN))
        await press(world, bot, f"u:a:{USER}")
    world.telegram.fail("editMessageText", *[NEVER] * 3)
    async with world.start() as bot:
        await bot.dispatcher.store([world.press(f"u:y:{USER}", user=ADMIN)])
        await world.changes.until(lambda: world.states() == ["cancelled"] * 2)
    world.telegram.faults.clear()
    async with world.start():
        await world.ended(2)
    assert [text.startswith(ENDED) for text in world.telegram.words_in(USER)] == [True] * 2


async def test_what_is_being_sent_arrives(world: World, autojump_clock: MockClock) -> None:
    """It is shown and can't be ended any more."""
    world.telegram.fail("sendAudio", NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
        await told(world, bot, world.message(f"/user {USER}", user=ADMIN))
        text, data = shown(world)
        assert "being sent" in text
        assert data == []
        assert await press(world, bot, f"u:y:{USER}") == "There's nothing left to cancel."
        assert world.states() == ["sending"]


async def test_an_end_in_the_same_moment_is_told_as_what_it_was(world: World, autojump_clock: MockClock) -> None:
    """The admin's press was recorded just before the file was there: nothing is sent, and the words are of an admin."""
    world.workers.usual = (1.0, made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
        world.storage.db.execute("UPDATE jobs SET state = 'cancelled', reason = 'by_admin'")
        await world.ended()
    assert world.telegram.files_in(USER) == []
    assert [text.startswith(ENDED) for text in world.telegram.words_in(USER)] == [True] * 1


@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        ("", "Whose downloads?"),
        ("x", "Whose downloads?"),
        ("-5", "Whose downloads?"),
        ("9" * 400, "Whose downloads?"),
        (str(2**63), "Whose downloads?"),
        ("1 2", "Whose downloads?"),
        ("<b>&", "Whose downloads?"),
        ("1'; DROP TABLE jobs; --", "Whose downloads?"),
        (str(2**63 - 1), f"No user with the id {2**63 - 1}"),
        ("77", "No user with the id 77"),
        (str(ADMIN), f"👤 <b>Ann</b> ({ADMIN})\nNo downloads in progress or waiting."),
    ],
)
async def test_every_id_gets_a_sentence(world: World, autojump_clock: MockClock, rest: str, answer: str) -> None:
    """None, one that can't be, one that nobody has, and one with nothing in hand."""
    async with world.start() as bot:
        await told(world, bot, world.message("/start", user=ADMIN), world.message(f"/user {rest}", user=ADMIN))
        assert shown(world)[0].startswith(answer)


@pytest.mark.parametrize("data", ["u:", "u:y", "u:y:", "u:y:x", "u:z:1", f"u:y:{2**63}", "u:y:-1", "u:y:1:2"])
async def test_a_made_up_button_does_nothing(world: World, autojump_clock: MockClock, data: str) -> None:
    """It is answered and ends nobody's downloads."""
    async with world.start() as bot:
        await busy(world, bot, 1)
        assert "older version" in await press(world, bot, data)
    assert world.states() == ["running"]


async def test_only_admins_press_and_only_in_private(world: World, autojump_clock: MockClock) -> None:
    """Somebody who made the button up, and an admin in a group, end nothing; to others the command is unknown."""
    async with world.start() as bot:
        await busy(world, bot, 1)
        assert "Only the admins" in await press(world, bot, f"u:y:{USER}", user=USER)
        assert "Only the admins" in await press(world, bot, f"u:y:{USER}", chat=-500)
        await told(world, bot, world.message(f"/user {USER}", user=3000))
    assert world.states() == ["running"]
    assert "A &lt;slow&gt;" not in world.telegram.words_in(3000)[0]
    assert world.value("command_usage_total", command="user") == 0


async def test_a_press_on_a_message_that_is_gone_still_ends_them(world: World, autojump_clock: MockClock) -> None:
    """The list was deleted, or the answer was lost: the effect stands, once."""
    world.telegram.fail("answerCallbackQuery", TORN)
    async with world.start() as bot:
        await busy(world, bot, 1)
        await world.say(bot, world.press(f"u:y:{USER}", user=ADMIN))
        await world.ended()
    assert world.states() == ["cancelled"]
