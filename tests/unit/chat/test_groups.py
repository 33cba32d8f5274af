"""The bot in a group: what it answers, whose the buttons are, and a group that closes or moves."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from trio.testing import MockClock

from doradura.media.reasons import Reason
from doradura.storage import chats, jobs, offers
from doradura.telegram.updates import RawUpdate
from tests.doubles import BOT_ID, refusal
from tests.jobs import new_job, new_offer
from tests.wiring import LINK, USER, World, raw_update

GROUP = -100123
MOVED = -100999
BOT = {"id": BOT_ID, "first_name": "Dora", "is_bot": True}


def mention(text: str, name: str = "@dora_bot") -> list[dict[str, Any]]:
    """The entity Telegram makes of a name, in UTF-16 units."""
    offset = len(text[: text.index(name)].encode("utf-16-le")) // 2
    return [{"type": "mention", "offset": offset, "length": len(name)}]


def said(message_id: int, sender: dict[str, Any], text: str) -> dict[str, Any]:
    """A message that another one answers."""
    chat = {"id": GROUP, "type": "supergroup"}
    return {"message_id": message_id, "date": 1, "chat": chat, "from": sender, "text": text}


def change(world: World, before: str, after: str, *, chat: int = GROUP) -> RawUpdate:
    """The update of what the bot is in a chat."""
    world.last_update += 1
    return raw_update(
        world.last_update,
        {
            "my_chat_member": {
                "chat": {"id": chat, "type": "supergroup" if chat < 0 else "private"},
                "from": {"id": USER, "first_name": "Ann"},
                "date": 1,
                "old_chat_member": {"status": before, "user": BOT},
                "new_chat_member": {"status": after, "user": BOT},
            }
        },
    )


@pytest.mark.parametrize("text", [f"@dora_bot {LINK}", f"😀 this one {LINK} please, @Dora_Bot!"])
async def test_a_mention_anywhere_is_meant_for_the_bot(world: World, autojump_clock: MockClock, text: str) -> None:
    """The link is offered to whoever wrote; offsets count UTF-16 units and case does not matter."""
    name = "@Dora_Bot" if "@Dora_Bot" in text else "@dora_bot"
    async with world.start() as bot:
        await world.say(bot, world.message(text, chat=GROUP, entities=mention(text, name)))
        await world.changes.until(lambda: world.telegram.texts("editMessageText"))
    assert world.storage.one("SELECT url FROM offers WHERE user_id = ? AND chat_id = ?", USER, GROUP) == LINK


async def test_another_name_that_begins_alike_is_not_the_bot(world: World, autojump_clock: MockClock) -> None:
    """Nor is the bot's name without Telegram's mark."""
    async with world.start() as bot:
        text = f"@dora_bot2 {LINK}"
        await world.say(bot, world.message(text, chat=GROUP, entities=mention(text, "@dora_bot2")))
        await world.say(bot, world.message(f"@dora_bot {LINK}", chat=GROUP))
    assert world.telegram.called == []


async def test_replies_to_the_bot_are_meant_for_it(world: World, autojump_clock: MockClock) -> None:
    """A reply to somebody else's message is not."""
    ann = {"id": 7, "first_name": "Bob"}
    async with world.start() as bot:
        await world.say(bot, world.message(LINK, chat=GROUP, reply_to_message=said(1, ann, "hm")))
        assert world.telegram.called == []
        await world.say(bot, world.message("thanks", chat=GROUP, reply_to_message=said(1, BOT, "hm")))
    assert "I didn't see a link" in world.telegram.texts()[0]


async def test_a_mention_alone_means_the_message_it_answers(world: World, autojump_clock: MockClock) -> None:
    """Somebody posted a link, somebody else calls the bot under it."""
    async with world.start() as bot:
        answered = said(1, {"id": 7, "first_name": "Bob"}, f"see {LINK}")
        update = world.message("@dora_bot", chat=GROUP, entities=mention("@dora_bot"), reply_to_message=answered)
        await world.say(bot, update)
        await world.changes.until(lambda: world.telegram.texts("editMessageText"))
    assert world.storage.one("SELECT user_id FROM offers WHERE url = ?", LINK) == USER


async def test_nobody_is_stored_for_an_anonymous_admin(world: World, autojump_clock: MockClock) -> None:
    """They are told to write as themselves; a channel's post that Telegram forwards is passed over."""
    channel = {"id": GROUP, "type": "supergroup", "title": "Us"}
    async with world.start() as bot:
        await world.say(
            bot, world.message(f"/download {LINK}", chat=GROUP, user=1087968824, is_bot=True, sender_chat=channel)
        )
        await world.say(
            bot,
            world.message("/help", chat=GROUP, user=777000, sender_chat=channel, is_automatic_forward=True),
        )
    (text,) = world.telegram.texts()
    assert "I can't see who you are" in text
    assert world.storage.one("SELECT COUNT(*) FROM users") == world.storage.one("SELECT COUNT(*) FROM jobs") == 0


async def test_a_topic_keeps_what_was_asked_in_it(world: World, autojump_clock: MockClock) -> None:
    """Progress and file go into the topic; the thread of a mere reply is none that can be sent to."""
    async with world.start() as bot:
        command = f"/download {LINK} mp3 320k"
        await world.say(bot, world.message(command, chat=GROUP, message_thread_id=5, is_topic_message=True))
        await world.ended()
        await world.say(bot, world.message("/queue", chat=GROUP, message_thread_id=6))
    sent = {call.method: call.parameters.get("message_thread_id") for call in world.telegram.called}
    assert str(sent["sendAudio"]) == "5"
    assert [call.parameters.get("message_thread_id") for call in world.telegram.all("sendMessage")] == [5, None]


async def test_only_who_asked_may_press(world: World, autojump_clock: MockClock) -> None:
    """Another one's press is answered kindly and starts nothing."""
    async with world.start() as bot:
        text = f"@dora_bot {LINK}"
        await world.say(bot, world.message(text, chat=GROUP, entities=mention(text)))
        offer = world.storage.one("SELECT offer_id FROM offers")
        await world.say(bot, world.press(f"o:{offer}:mp3:320k", user=7, chat=GROUP))
        assert world.storage.one("SELECT COUNT(*) FROM jobs") == 0
        await world.say(bot, world.press(f"o:{offer}:mp3:320k", chat=GROUP))
    assert "somebody else's link" in world.telegram.all("answerCallbackQuery")[0].parameters["text"]
    assert world.storage.one("SELECT user_id FROM jobs WHERE chat_id = ?", GROUP) == USER


async def test_added_to_a_group_it_says_what_to_do(world: World, autojump_clock: MockClock) -> None:
    """Once: being made an administrator later is no coming."""
    async with world.start() as bot:
        await world.say(bot, change(world, "left", "member"))
        await world.say(bot, change(world, "member", "administrator"))
    (text,) = world.telegram.texts()
    assert "@dora_bot LINK" in text


@pytest.mark.parametrize("how", ["update", "refusal"])
async def test_thrown_out_of_a_group(world: World, autojump_clock: MockClock, how: str) -> None:
    """Its downloads end and nothing more is sent there; the user is not taken for one who blocks the bot."""
    world.workers.follow(["hang"])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}", chat=GROUP))
        await world.changes.until(lambda: world.workers.running)
        await world.changes.until(lambda: world.telegram.all("sendMessage"))
        if how == "update":
            await world.say(bot, change(world, "member", "kicked"))
        else:
            world.telegram.fail("sendMessage", refusal(403, "Forbidden: bot was kicked from the supergroup chat"))
            await world.say(bot, world.message("/queue", chat=GROUP))
        called = len(world.telegram.called)
        await world.ended()
    assert [(job, world.storage.one("SELECT reason FROM jobs")) for job in world.states()] == [
        ("failed", "user_blocked")
    ]
    assert world.telegram.called[called:] == []
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is None


async def test_a_refused_reply_in_private_is_a_block(world: World, autojump_clock: MockClock) -> None:
    """Noted though the update itself shows life; the next message takes it back."""
    async with world.start() as bot:
        world.telegram.blocked_by.add(USER)
        await world.say(bot, world.message("/help"))
        await world.changes.until(lambda: world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER))
        world.telegram.blocked_by.clear()
        await world.say(bot, world.message("/start"))
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is None


async def test_a_refused_offer_is_a_block(world: World, autojump_clock: MockClock) -> None:
    """The offers' own sending goes the same way."""
    async with world.start() as bot:
        world.telegram.blocked_by.add(USER)
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER))
    assert world.storage.one("SELECT state FROM offers") == "failed"


async def test_a_refused_progress_message_ends_the_download(world: World, autojump_clock: MockClock) -> None:
    """Nobody waits for what cannot be shown to anybody."""
    world.workers.follow(["hang"])
    async with world.start() as bot:
        world.telegram.blocked_by.add(USER)
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.storage.one("SELECT reason FROM jobs") == "user_blocked"
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is not None


@pytest.mark.parametrize("side", ["to", "from"])
async def test_a_group_that_moves_takes_its_offers_along(world: World, autojump_clock: MockClock, side: str) -> None:
    """Either of Telegram's two notices is enough; messages of the old group are not edited in the new."""
    offer = new_offer(offer_id=9, user_id=USER, chat_id=GROUP, reply_to=3, url=LINK, message_id=4, state="known")
    await world.storage.write(lambda db: offers.add(db, offer, 1))
    where, other = (GROUP, MOVED) if side == "to" else (MOVED, GROUP)
    notice: dict[str, Any] = {f"migrate_{side}_chat_id": other}
    async with world.start() as bot:
        await world.say(bot, world.message(None, chat=where, **notice))
        await world.say(bot, world.message(None, chat=where, **notice))
        assert await world.storage.read(chats.migrations) == {GROUP: MOVED}
        await world.say(bot, world.press("o:9:mp3:320k", chat=MOVED))
        await world.ended()
    moved = await world.storage.read(lambda db: offers.get(db, 9))
    assert moved is not None
    assert (moved.chat_id, moved.message_id, moved.reply_to) == (MOVED, None, None)
    assert len(world.telegram.files_in(MOVED)) == 1


async def test_a_group_that_mutes_the_bot_is_no_fault(world: World, autojump_clock: MockClock) -> None:
    """What may not be answered there is over at once, counts as no error, and ends nothing else of the group's."""
    muted = refusal(400, "Bad Request: not enough rights to send text messages to the chat")
    async with world.start() as bot:
        world.telegram.fail("sendMessage", muted)
        await world.say(bot, world.message("/help", chat=GROUP))
        assert len(world.telegram.all("sendMessage")) == 1
        await world.say(bot, world.message("/help", chat=GROUP))
    assert len(world.telegram.words_in(GROUP)) == 1
    assert world.storage.one("SELECT MAX(tries) FROM inbox") == 0
    assert world.value("errors_total", category="internal") == 0


async def test_migrations_give_the_last_id(world: World, autojump_clock: MockClock) -> None:
    """A group that moved twice is reached at once, and jobs of the first id too; a ring does not hang."""
    await world.storage.write(lambda db: jobs.add(db, new_job(user_id=2, chat_id=-1, reply_to=3), 1))
    for old, new in ((-1, -2), (-2, -3), (-4, -5), (-5, -4)):
        await world.storage.write(partial(chats.migrated, old_id=old, new_id=new, now_ms=1))
    ends = await world.storage.read(chats.migrations)
    assert (ends[-1], ends[-2]) == (-3, -3)
    job = world.job(1)
    assert (job.chat_id, job.reply_to) == (-3, None)


async def test_a_block_in_private_leaves_the_groups_downloads(world: World, autojump_clock: MockClock) -> None:
    """What waits for a group is wanted there still."""
    for job_id, chat in ((1, USER), (2, GROUP)):
        new = new_job(job_id=job_id, user_id=USER, chat_id=chat, cache_key=str(job_id))
        await world.storage.write(partial(jobs.add, job=new, now_ms=1))
    await world.storage.write(lambda db: chats.closed(db, USER, 1))
    closed, ended = await world.storage.write(lambda db: chats.end_closed(db, 1, Reason.USER_BLOCKED))
    assert (closed, [job.job_id for job in ended]) == ([USER], [1])
    assert (world.job(1).state, world.job(2).state) == ("failed", "waiting")


@pytest.mark.parametrize("command", ["/help", "/start"])
async def test_a_group_is_told_what_is_passed_over(world: World, autojump_clock: MockClock, command: str) -> None:
    """There the bot is asked by name, a command or a reply."""
    async with world.start() as bot:
        await world.say(bot, world.message(command, chat=GROUP))
    (text,) = world.telegram.texts()
    assert "@dora_bot LINK" in text
    assert "only when I'm asked" in text
