"""Which conversation answers, in private and in groups, and what is counted."""

from __future__ import annotations

import dataclasses

import pytest
from trio.testing import MockClock

from doradura.chat.conversations import COMMANDS
from doradura.media.formats import FORMATS
from doradura.telegram.updates import RawUpdate
from tests.doubles import refusal
from tests.wiring import LINK, USER, World, raw_update

GROUP = -100123


def membership(world: World, status: str, *, chat: int = USER) -> RawUpdate:
    """The update of somebody blocking the bot, or letting it in again."""
    world.last_update += 1
    user = {"id": USER, "first_name": "Ann"}
    bot = {"id": 4242, "first_name": "Dora", "is_bot": True}
    change = {
        "chat": {"id": chat, "type": "private" if chat > 0 else "supergroup"},
        "from": user,
        "date": 1,
        "old_chat_member": {"status": "member", "user": bot},
        "new_chat_member": {"status": status, "user": bot},
    }
    return raw_update(world.last_update, {"my_chat_member": change})


async def test_start_says_hello_by_name(world: World, autojump_clock: MockClock) -> None:
    """The name is shown as it is, whatever it has in it."""
    async with world.start() as bot:
        await world.say(bot, world.message("/start", name="<b>Tom & Co"))
    assert world.telegram.texts()[0].startswith("👋 Hi &lt;b&gt;Tom &amp; Co!")
    assert world.value("command_usage_total", command="start") == world.value("command_usage_total") == 1
    assert world.value("updates_total", type="message") == 1
    assert world.value("update_handling_seconds_count") == 1
    assert world.storage.one("SELECT COUNT(*) FROM users") == 1


async def test_help_names_every_command_and_format(world: World, autojump_clock: MockClock) -> None:
    """What the table of commands and the table of formats have is there."""
    async with world.start() as bot:
        await world.say(bot, world.message("/help"))
    (text,) = world.telegram.texts()
    assert [word for word in COMMANDS if f"/{word} " in text] == ["download", "queue", "cancel", "help", "start"]
    for fmt in FORMATS.values():
        assert fmt.word in text
        for quality in fmt.qualities:
            assert quality == "default" or quality in text


@pytest.mark.parametrize("command", ["/nonsense", "/downlaod x", "/start@other_bot"])
async def test_what_is_no_command_of_ours(world: World, autojump_clock: MockClock, command: str) -> None:
    """In private it is answered, and an unknown one counts as "other"; another bot's is a text without a link."""
    async with world.start() as bot:
        await world.say(bot, world.message(command))
    (text,) = world.telegram.texts()
    other = "@other" in command
    assert ("I don't know that command" in text) is not other
    assert world.value("command_usage_total", command="other") == world.value("command_usage_total") == (not other)


async def test_a_group_hears_only_what_is_meant_for_the_bot(world: World, autojump_clock: MockClock) -> None:
    """Links, talk, photos, other bots' and unknown commands are passed over there."""
    async with world.start() as bot:
        for text in (LINK, "hello", "/start@other_bot", "/nonsense"):
            await world.say(bot, world.message(text, chat=GROUP))
        photo = [{"file_id": "x", "file_unique_id": "x"}]
        await world.say(bot, world.message(None, chat=GROUP, photo=photo))
        assert world.telegram.called == []
        await world.say(bot, world.message("/help@dora_bot", chat=GROUP))
    (reply,) = world.telegram.called
    assert reply.parameters["chat_id"] == GROUP
    assert reply.parameters["reply_parameters"]["message_id"] == world.last_update


async def test_a_download_in_a_group_goes_to_the_group(world: World, autojump_clock: MockClock) -> None:
    """The file is a reply there, and the job is that user's."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download@dora_bot {LINK}", chat=GROUP))
        await world.ended()
    assert len(world.telegram.files_in(GROUP)) == 1
    assert world.telegram.files_in(USER) == []
    assert world.storage.one("SELECT user_id FROM jobs") == USER


async def test_an_attachment_is_answered_and_a_notice_is_not(world: World, autojump_clock: MockClock) -> None:
    """A photo gets an answer, a photo whose caption has a link is that link, a pinned message is no wish."""
    photo = [{"file_id": "x", "file_unique_id": "x"}]
    async with world.start() as bot:
        await world.say(bot, world.message(None, photo=photo))
        await world.say(bot, world.message(None, pinned_message={"message_id": 1}))
        await world.say(bot, world.message(None, photo=photo, caption=f"look: {LINK}"))
        await world.changes.until(lambda: len(world.telegram.texts()) == 2)
    assert "I only work with links so far" in world.telegram.texts()[0]
    assert world.storage.one("SELECT url FROM offers") == LINK


async def test_other_bots_are_not_answered(world: World, autojump_clock: MockClock) -> None:
    """Two bots that answer each other would never stop."""
    async with world.start() as bot:
        await world.say(bot, world.message("/start", user=7, is_bot=True))
    assert world.telegram.called == []
    assert world.storage.one("SELECT COUNT(*) FROM users") == 0


@pytest.mark.parametrize(
    "data", ["z:1", "", "o", "c", "c:", "o:::", "o:1:mp3", f"o:{'9' * 40}:mp3:320k", f"c:{'9' * 40}"]
)
async def test_every_press_is_answered(world: World, autojump_clock: MockClock, data: str) -> None:
    """Whatever a button of another version or a changed client sends, the button stops turning, at once."""
    async with world.start() as bot:
        await world.say(bot, world.press(data))
        assert world.storage.one("SELECT tries FROM inbox") == 0
    (answer,) = world.telegram.called
    assert answer.method == "answerCallbackQuery"
    assert answer.parameters["callback_query_id"] == "q1"
    assert 0 < len(answer.parameters["text"]) <= 200


async def test_a_press_too_late_to_answer_is_done(world: World, autojump_clock: MockClock) -> None:
    """Telegram's "query is too old" is no fault of anybody's."""
    world.telegram.fail(
        "answerCallbackQuery", refusal(400, "Bad Request: query is too old and response timeout expired")
    )
    async with world.start() as bot:
        await world.say(bot, world.press("c:1"))
    assert len(world.telegram.called) == 1


async def test_blocking_and_coming_back(world: World, autojump_clock: MockClock) -> None:
    """A block ends what runs and what waits and is noted; a return takes the note away; neither counts as activity."""
    world.slots = 1
    world.workers.usual = ("hang",)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running)
        actions = world.storage.one("SELECT SUM(actions) FROM activity")
        await world.say(bot, membership(world, "kicked"))
        await world.changes.until(lambda: world.states() == ["failed", "failed"])
        assert world.storage.one("SELECT blocked_ms FROM users") is not None
        await world.say(bot, membership(world, "member"))
        assert world.storage.one("SELECT blocked_ms FROM users") is None
        assert world.storage.one("SELECT SUM(actions) FROM activity") == actions
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 2
    assert world.value("updates_total", type="my_chat_member") == 2


async def test_leaving_a_group_blocks_nobody(world: World, autojump_clock: MockClock) -> None:
    """Only a private chat says that its user does not want the bot."""
    async with world.start() as bot:
        await world.say(bot, world.message("/start"), membership(world, "kicked", chat=GROUP))
    assert world.storage.one("SELECT blocked_ms FROM users") is None


async def test_whoever_starts_a_bot_without_admins_is_told_their_id(world: World, autojump_clock: MockClock) -> None:
    """With what to set; where there are admins, and in a group, nobody is."""
    async with world.start() as bot:
        await world.say(bot, world.message("/start"))
    world.settings = dataclasses.replace(world.settings, admin_ids=frozenset())
    async with world.start() as bot:
        await world.say(bot, world.message("/start"))
    with_admins, without = world.telegram.texts()
    assert "DORADURA_ADMIN_IDS" not in with_admins
    assert f"<code>DORADURA_ADMIN_IDS={USER}</code>" in without
