"""/queue, /cancel and the cancel buttons."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from doradura.telegram.errors import TokenRefusedError
from tests.doubles import HANG, refusal
from tests.wiring import LINK, USER, World

GROUP = -500


async def busy(world: World) -> None:
    """Let every worker hang on whatever comes."""
    world.slots = 1
    world.workers.usual = (HANG,)


async def test_an_empty_queue(world: World, autojump_clock: MockClock) -> None:
    """Both commands say what to do instead."""
    async with world.start() as bot:
        await world.say(bot, world.message("/queue"), world.message("/cancel"))
    assert world.telegram.texts() == [
        "Nothing is waiting. Send me a link!",
        "You have no downloads to cancel. Send me a link to start one.",
    ]


async def test_the_queue_shows_ones_own(world: World, autojump_clock: MockClock) -> None:
    """What runs, what waits and behind how many; a button each; nobody else's links."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.changes.until(lambda: world.workers.running)
        await world.say(bot, world.message(f"/download {LINK}other", user=3000))
        await world.say(bot, world.message(f"/download {LINK}<2> m4a"))
        world.storage.db.execute("UPDATE jobs SET title = 'A & B' WHERE state = 'running'")
        await world.say(bot, world.message("/queue"))
    (shown,) = [call.parameters for call in world.telegram.all("sendMessage") if call.parameters["text"][:2] == "1."]
    assert shown["text"].splitlines() == [
        "1. <b>A &amp; B</b> \N{EN DASH} mp3 320k, in progress",
        "2. <b>https://media.example/song</b> \N{EN DASH} m4a, 1 download before it",
    ]
    rows = shown["reply_markup"]["inline_keyboard"]
    assert [len(each) for each in rows] == [1, 1]
    row = [button for each in rows for button in each]
    assert [button["text"] for button in row] == ["✖ 1. A & B", "✖ 2. https://media.example/song"]
    ids = [
        found[0]
        for found in world.storage.db.execute("SELECT job_id FROM jobs WHERE user_id = ? ORDER BY place", (USER,))
    ]
    assert [button["callback_data"] for button in row] == [f"q:{job_id}" for job_id in ids]


async def test_a_long_queue_is_cut_and_says_so(world: World, autojump_clock: MockClock) -> None:
    """Ten are shown, the others are counted; a button a row."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(13)))
        await world.say(bot, world.message("/queue"))
    (shown,) = [call.parameters for call in world.telegram.all("sendMessage") if call.parameters["text"][:2] == "1."]
    assert shown["text"].splitlines()[10:] == ["… and 3 more."]
    assert [len(row) for row in shown["reply_markup"]["inline_keyboard"]] == [1] * 10


async def test_the_next_in_the_queue_is_called_so(world: World, autojump_clock: MockClock) -> None:
    """Nobody reads "0 downloads before it"."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.changes.until(lambda: world.workers.running)
        await world.say(bot, world.message(f"/download {LINK}2"), world.message("/queue"))
    assert any(text.endswith("next in the queue") for text in world.telegram.texts())


async def test_a_button_cancels_its_job_alone(world: World, autojump_clock: MockClock) -> None:
    """The press is answered, the progress message says so and has no buttons any more."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running)
        job_id = world.storage.one("SELECT job_id FROM jobs WHERE state = 'running'")
        await world.say(bot, world.press(f"c:{job_id}"))
        await world.ended()
        await world.changes.until(lambda: len(world.workers.orders) == 2)
    assert sorted(world.states()) == ["cancelled", "running"]
    assert world.telegram.all("answerCallbackQuery")[0].parameters["text"] == "Cancelled."
    (ended,) = [found for found in world.telegram.messages.values() if found["text"].startswith("✖")]
    assert ended["markup"] is None


async def test_a_second_press_is_answered_and_counts_nothing(world: World, autojump_clock: MockClock) -> None:
    """The job was cancelled once."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        job_id = world.storage.one("SELECT job_id FROM jobs")
        await world.say(bot, world.press(f"c:{job_id}"), world.press(f"c:{job_id}"))
        await world.ended()
    answers = [call.parameters["text"] for call in world.telegram.all("answerCallbackQuery")]
    assert answers == ["Cancelled.", "This download has already ended."]
    assert world.value("download_cancelled_total", format="mp3") == 1


async def test_nobody_cancels_somebody_elses_job(world: World, autojump_clock: MockClock) -> None:
    """The press is answered, the job goes on."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
        job_id = world.storage.one("SELECT job_id FROM jobs")
        await world.say(bot, world.press(f"c:{job_id}", user=3000), world.message("/cancel", user=3000))
        assert world.workers.running == 1
    assert world.states() == ["running"]
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert "somebody else's" in answer.parameters["text"]


async def test_a_group_sees_and_touches_its_own_downloads_alone(world: World, autojump_clock: MockClock) -> None:
    """/queue and /cancel in a group neither show nor end what the same person asked for in private."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}secret"))
        await world.say(bot, world.message("/queue", chat=GROUP), world.message("/cancel", chat=GROUP))
        assert world.states() == ["running"]
    assert not any("secret" in text for text in world.telegram.words_in(GROUP))
    assert [text[:7] for text in world.telegram.words_in(GROUP)] == ["Nothing", "You hav"]


async def test_a_press_while_the_file_goes_out(world: World, autojump_clock: MockClock) -> None:
    """It is too late then, and the press says so."""
    world.telegram.fail("sendAudio", "never")
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
        job_id = world.storage.one("SELECT job_id FROM jobs")
        await world.say(bot, world.press(f"c:{job_id}"))
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert "Too late" in answer.parameters["text"]
    assert world.states() == ["sending"]
    assert len(world.telegram.all("answerCallbackQuery")) == 1
    assert world.value("download_cancelled_total") == 0


async def test_a_cancel_frees_the_place_for_the_next(world: World, autojump_clock: MockClock) -> None:
    """The worker is ended at once, and the next user's job starts."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.changes.until(lambda: world.workers.running)
        await world.say(bot, world.message(f"/download {LINK}2", user=3000))
        await world.say(bot, world.message("/cancel"))
        await world.changes.until(lambda: len(world.workers.orders) == 2)
        assert world.workers.running == 1
    assert world.states() == ["cancelled", "running"]


async def test_the_list_follows_its_own_buttons(world: World, autojump_clock: MockClock) -> None:
    """A press ends its job and shows the list as it is then, in the same message, down to the last one."""
    await busy(world)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running)
        await world.say(bot, world.message("/queue"))

        def shows(at: tuple[int, int], words: str) -> bool:
            return bool(world.telegram.messages[at]["text"].startswith(words))

        (at,) = [key for key, each in world.telegram.messages.items() if each["text"].startswith("1.")]
        for left in (1, 0):
            markup = world.telegram.messages[at]["markup"]["inline_keyboard"]
            await world.say(bot, world.press(markup[0][0]["callback_data"], message_id=at[1]))
            words = "1. <b>https://media.example/song2" if left else "Nothing is waiting"
            await world.changes.until(partial(shows, at, words))
    assert world.telegram.messages[at]["text"] == "Nothing is waiting. Send me a link!"
    assert world.telegram.messages[at]["markup"] is None
    assert world.states() == ["cancelled", "cancelled"]


@pytest.mark.parametrize(("chat", "follows"), [(USER, True), (GROUP, False)])
async def test_a_button_of_a_download_that_was_forgotten(
    world: World, autojump_clock: MockClock, *, chat: int, follows: bool
) -> None:
    """In private the list is one's own and is shown anew; in a group nobody knows whose it is, and it stays."""
    async with world.start() as bot:
        await world.say(bot, world.press("q:77", chat=chat, message_id=5))
        await trio.sleep(1)  # the list is shown after the update's effects are stored
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"] == "This download has already ended."
    assert bool(world.telegram.all("editMessageText")) == follows


@pytest.mark.parametrize(
    ("chat", "presser", "follows"), [(USER, USER, True), (GROUP, USER, True), (GROUP, 3000, False)]
)
async def test_a_button_of_a_download_that_ended(
    world: World, autojump_clock: MockClock, *, chat: int, presser: int, follows: bool
) -> None:
    """An old list says that the download has ended, and becomes the list of now; another's press leaves it as it is."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}", chat=chat))
        await world.ended()
        job_id = world.storage.one("SELECT job_id FROM jobs")
        await world.say(bot, world.press(f"q:{job_id}", user=presser, chat=chat, message_id=5))
        await trio.sleep(1)  # the list is shown after the update's effects are stored
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert ("already ended" if follows else "somebody else's") in answer.parameters["text"]
    shown = [call.parameters for call in world.telegram.all("editMessageText") if call.parameters["message_id"] == 5]
    assert [each["text"] for each in shown] == ["Nothing is waiting. Send me a link!"] * follows
    assert not any("reply_markup" in each for each in shown)


async def test_a_token_that_is_refused_under_a_list_ends_the_program(world: World, autojump_clock: MockClock) -> None:
    """It is no trouble of that one message."""
    world.telegram.fail("editMessageText", refusal(401, "Unauthorized"))

    async def life() -> None:
        async with world.start() as bot:
            await world.say(bot, world.press("q:77", message_id=5))
            await trio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        await life()
    assert caught.group_contains(TokenRefusedError)
