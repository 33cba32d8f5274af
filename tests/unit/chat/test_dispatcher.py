"""The inbox at work: order, tries, restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from doradura.chat.dispatcher import CONCURRENT_CHATS, IN_HAND_OF_A_CHAT, IN_MEMORY, LOOK_SECONDS
from doradura.chat.handling import Handling
from doradura.storage import Change, Connection, StorageError, inbox, jobs
from doradura.storage.inbox import NewUpdate
from doradura.telegram.errors import TokenRefusedError
from doradura.telegram.poller import UpdatesNotStoredError
from doradura.telegram.updates import RawUpdate, read_batch
from tests.doubles import BLOCKED, NEVER, TORN, made, refusal
from tests.wiring import LINK, USER, World, raw_update

Route = Callable[[Handling], Awaitable[None]]


async def test_a_chats_updates_keep_their_order(world: World, autojump_clock: MockClock) -> None:
    """Two updates of one chat are never handled at once; those of other chats don't wait for them."""
    began: list[tuple[int, int, float]] = []
    inside: set[int] = set()

    async def slow(handling: Handling) -> None:
        assert handling.chat_id not in inside
        inside.add(handling.chat_id)
        began.append((handling.chat_id, handling.update_id, trio.current_time()))
        await trio.sleep(2)
        inside.remove(handling.chat_id)

    world.route = slow
    async with world.start() as bot:
        await world.say(bot, *(world.message("x", user=chat) for _ in range(3) for chat in (1, 2)))
        assert trio.current_time() == 6
    for chat in (1, 2):
        mine = [(update, at) for at_chat, update, at in began if at_chat == chat]
        assert mine == sorted(mine)
        assert [at for _, at in mine] == [0, 2, 4]


async def test_so_many_chats_at_once_and_so_many_updates_in_memory(world: World, autojump_clock: MockClock) -> None:
    """More chats than places take turns; more updates than fit wait in the database; all are handled."""
    inside: list[int] = []
    most = 0

    async def slow(handling: Handling) -> None:
        nonlocal most
        inside.append(handling.chat_id)
        most = max(most, len(inside))
        await trio.sleep(1)
        inside.remove(handling.chat_id)

    world.route = slow
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("x", user=n + 1) for n in range(IN_MEMORY + 100)])
        await trio.sleep(0.5)
        assert len(bot.dispatcher._held) == IN_MEMORY
        await world.handled()
    assert most == CONCURRENT_CHATS
    assert world.value("updates_total", type="message") == IN_MEMORY + 100


async def test_a_poison_update_goes_by(world: World, autojump_clock: MockClock) -> None:
    """After three tries it is marked failed, its sender is told, and the next update of the chat is handled."""
    tries: list[int] = []

    async def poisoned(handling: Handling) -> None:
        tries.append(handling.update_id)
        if handling.update_id == 1:
            raise ZeroDivisionError("boom")
        await bot.router.route(handling)

    world.route = poisoned
    async with world.start() as bot:
        await world.say(bot, world.message("/start"), world.message("/start"), failed=1)
    assert tries == [1, 1, 1, 2]
    assert [text[:10] for text in world.telegram.texts()] == ["Something ", "👋 Hi Ann! "[:10]]
    assert world.storage.one("SELECT error FROM inbox WHERE update_id = 1") == "ZeroDivisionError('boom')"
    assert world.value("errors_total", category="internal") == 3
    assert world.value("updates_total", type="message") == 1


async def test_a_poison_press_is_answered(world: World, autojump_clock: MockClock) -> None:
    """The button stops turning, and says what happened."""

    async def poisoned(_handling: Handling) -> None:
        raise ZeroDivisionError

    world.route = poisoned
    async with world.start() as bot:
        await world.say(bot, world.press("c:1"), failed=1)
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"].startswith("Something went wrong")


def _tried_since(world: World, tries: int) -> bool:
    return bool(world.storage.one("SELECT tries FROM inbox") > tries)


async def test_tries_are_counted_over_restarts(world: World, autojump_clock: MockClock) -> None:
    """An update that kills its handler each time goes by at the third try, whenever those were."""

    async def poisoned(_handling: Handling) -> None:
        raise ZeroDivisionError

    world.route = poisoned
    for _ in range(2):
        async with world.start() as bot:
            if not world.last_update:
                await bot.dispatcher.store([world.message("/start")])
            await world.changes.until(partial(_tried_since, world, world.storage.one("SELECT tries FROM inbox")))
    assert world.storage.one("SELECT tries FROM inbox") == 2
    async with world.start():
        await world.handled(failed=1)


async def test_a_failing_database_is_no_try(world: World, autojump_clock: MockClock) -> None:
    """An update waits until its effects can be stored, for as long as that takes, and happens once then."""
    async with world.start() as bot:
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        world.storage.fault = StorageError("disk full", reason="full")
        await trio.sleep(600)
        assert world.storage.one("SELECT tries FROM inbox") == 0
        world.storage.fault = None
        await world.handled()
        await world.ended()
    assert world.states() == ["done"]
    assert world.value("errors_total", category="internal") == 0


async def test_a_batch_that_cannot_be_stored_is_an_error(world: World, autojump_clock: MockClock) -> None:
    """Then the poll confirms nothing, and Telegram brings it again."""
    async with world.start() as bot:
        world.storage.fault = StorageError("disk full", reason="full")
        with pytest.raises(UpdatesNotStoredError, match="disk full"):
            await bot.dispatcher.store([world.message("/start")])
        world.storage.fault = None
    assert world.storage.one("SELECT COUNT(*) FROM inbox") == 0


async def test_an_outage_of_telegram_is_no_try(world: World, autojump_clock: MockClock) -> None:
    """A reply waits until Telegram is back and comes once."""
    world.telegram.down = True
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("/help")])
        await trio.sleep(600)
        assert world.storage.one("SELECT tries FROM inbox") == 0
        world.telegram.down = False
        await world.handled()
    assert len(world.telegram.words_in(USER)) == 1


async def test_nobody_waits_for_an_answer_a_day_late(world: World, autojump_clock: MockClock) -> None:
    """After 24 hours without Telegram an update that stored nothing is done."""
    world.telegram.down = True
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("/help")])
        await world.handled()
    assert 24 * 3600 < trio.current_time() < 24 * 3600 + 300


async def test_whoever_blocked_the_bot_is_not_answered(world: World, autojump_clock: MockClock) -> None:
    """A 403 to a reply is the end of that update, no try and no error."""
    world.telegram.fail("sendMessage", BLOCKED)
    async with world.start() as bot:
        await world.say(bot, world.message("/help"))
    assert len(world.telegram.called) == 1
    assert world.storage.one("SELECT tries FROM inbox") == 0
    assert world.value("errors_total", category="internal") == 0


async def test_a_refused_reply_is_poison_and_not_for_ever(world: World, autojump_clock: MockClock) -> None:
    """What Telegram refuses for the text's own sake is tried three times."""
    world.telegram.fail("sendMessage", *[refusal(400, "Bad Request: message is too long")] * 4)
    async with world.start() as bot:
        await world.say(bot, world.message("/help"), failed=1)
    assert len(world.telegram.called) == 4


async def test_a_repeated_update_has_no_second_effect(world: World, autojump_clock: MockClock) -> None:
    """The same id again, while waiting, when done, in the same batch or after a restart, is one job and one reply."""
    again = world.message(f"/download {LINK}")
    async with world.start() as bot:
        await world.say(bot, again, again)
        await world.ended()
        await world.say(bot, again)
        await trio.sleep(60)
    async with world.start() as bot:
        await world.say(bot, again)
        await trio.sleep(60)
    assert world.states() == ["done"]
    assert len(world.telegram.files_in(USER)) == 1
    assert world.value("updates_total", type="message") == 1


async def test_a_kill_between_the_effect_and_the_reply(world: World, autojump_clock: MockClock) -> None:
    """The effect stands and is not done again; the job goes on in the next program."""
    world.telegram.fail("sendMessage", NEVER)
    world.workers.usual = (5.0, made())
    async with world.start() as bot:
        await bot.dispatcher.store([world.message(f"/download {LINK}")])
        await world.changes.until(lambda: world.telegram.called)
    async with world.start():
        await world.handled()
        await world.ended()
    assert world.states() == ["done"]
    assert len(world.telegram.files_in(USER)) == 1


async def test_a_kill_before_the_effect(world: World, autojump_clock: MockClock) -> None:
    """An update that was stored and not handled is handled by the next start."""
    async with world.start() as bot:
        bot.dispatcher.stop()
        await bot.dispatcher.store([world.message("/cancel"), world.message("/start")])
        await trio.sleep(60)
        assert world.telegram.called == []
    async with world.start():
        await world.handled()
    assert len(world.telegram.words_in(USER)) == 2


async def test_a_stop_waits_for_what_is_in_hand_only(world: World, autojump_clock: MockClock) -> None:
    """The update being handled comes to its end, the next one of the chat waits for the next start."""
    handled: list[int] = []

    async def slow(handling: Handling) -> None:
        await trio.sleep(5)
        handled.append(handling.update_id)

    world.route = slow
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("a"), world.message("b")])
        await trio.sleep(1)
        bot.dispatcher.stop()
        await trio.sleep(60)
    assert handled == [1]
    assert world.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'") == 1


async def test_a_stop_does_not_wait_for_an_outage(world: World, autojump_clock: MockClock) -> None:
    """An update that waits for the database is left to the next start at once, not after its pause."""
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("/cancel")])
        world.storage.fault = StorageError("locked", reason="locked")
        await trio.sleep(200)
        bot.dispatcher.stop()
        await wait_all_tasks_blocked()
        assert bot.dispatcher._lanes == {}
    assert world.storage.one("SELECT state FROM inbox") == "waiting"


async def test_a_malformed_update_goes_by_at_once(world: World, autojump_clock: MockClock) -> None:
    """A shape that is not the Bot API's is counted, marked, and keeps nobody waiting."""
    odd = raw_update(77, {"message": {"chat": {"id": USER, "type": "private"}, "message_id": "seven"}})
    async with world.start() as bot:
        await world.say(bot, odd, world.message("/start"), failed=1)
        assert trio.current_time() == 0
    assert len(world.telegram.words_in(USER)) == 1
    assert world.value("errors_total", category="telegram") == 1
    assert world.value("updates_total", type="message") == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"update_id": 5, "message": {"text": "\xff\xfe"}}',
        b'{"update_id": 5, "message": {"chat": {"id": 99999999999999999999999999}}}',
        b'{"update_id": 5, "message": {"chat": {"id": -9223372036854775809}, "date": 1, "message_id": 1}}',
        b'{"update_id": 5, "message": null}',
        b'{"update_id": 5}',
    ],
)
async def test_no_update_keeps_its_batch_from_being_stored(world: World, autojump_clock: MockClock, raw: bytes) -> None:
    """Bytes that are no text and ids that are no ids are found out later; else the poll would never go on."""
    odd = read_batch([msgspec.Raw(raw)]).updates
    assert len(odd) == 1
    async with world.start() as bot:
        await bot.dispatcher.store([*odd, world.message("/start")])
        await world.changes.until(lambda: not world.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"))
    assert len(world.telegram.words_in(USER)) == 1


HUGE = [2**62 + 1, 2**63, -(2**63) - 1, 10**40]


def update_with(number: int) -> dict[str, dict[str, object]]:
    """Updates of every kind that carry a number where an id stands."""
    user, chat = {"id": USER, "first_name": "A"}, {"id": USER, "type": "private"}
    message = {"message_id": 1, "date": 1, "chat": chat, "from": user, "text": "/start"}
    group = {"id": -5, "type": "group"}
    member = {"status": "kicked", "user": user}
    return {
        "user": {"message": {**message, "from": {**user, "id": number}}},
        "chat": {"message": {**message, "chat": {**chat, "id": number}}},
        "message": {"message": {**message, "message_id": number}},
        "topic": {"message": {**message, "chat": group, "message_thread_id": number, "is_topic_message": True}},
        "moved to": {"message": {**message, "chat": group, "migrate_to_chat_id": number}},
        "moved from": {"message": {**message, "chat": group, "migrate_from_chat_id": number}},
        "edited": {"edited_message": {**message, "text": LINK, "message_id": number}},
        "press": {"callback_query": {"id": "1", "from": {**user, "id": number}, "data": "c:1", "message": message}},
        "pressed": {
            "callback_query": {
                "id": "1",
                "from": user,
                "data": "c:1",
                "message": {**message, "chat": chat, "message_id": number},
            }
        },
        "member": {
            "my_chat_member": {
                "chat": {**chat, "id": number},
                "from": user,
                "date": 1,
                "old_chat_member": member,
                "new_chat_member": member,
            }
        },
        "subscription": {"subscription": {"user": {**user, "id": number}, "invoice_payload": "x", "state": "active"}},
        "payer": {
            "pre_checkout_query": {
                "id": "1",
                "from": {**user, "id": number},
                "currency": "XTR",
                "total_amount": 1,
                "invoice_payload": "x",
            }
        },
    }


@pytest.mark.parametrize("number", HUGE)
async def test_ids_too_large_to_be_stored_are_a_counted_refusal(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """Wherever in an update one stands: the update goes by at once, without a traceback, and the next is answered."""
    odd = [raw_update(1000 + index, content) for index, content in enumerate(update_with(number).values())]
    async with world.start() as bot:
        await world.say(bot, *odd, world.message("/start"), failed=len(odd))
        assert trio.current_time() == 0
    assert len(world.telegram.words_in(USER)) == 1
    assert world.value("errors_total", category="telegram") == len(odd)
    assert world.value("errors_total", category="internal") == 0
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("number", [2**62, -(2**62), 2**53])
async def test_ids_that_can_be_stored_are(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """The largest that is taken for an id is one for every table it may come to."""
    odd = [raw_update(1000 + index, content) for index, content in enumerate(update_with(number).values())]
    async with world.start() as bot:
        await world.say(bot, *odd)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_kind_nobody_reads_is_done(world: World, autojump_clock: MockClock) -> None:
    """An update of a kind that came later than this program is passed over."""
    odd = raw_update(77, {"hologram": {"chat": {"id": USER}}})
    async with world.start() as bot:
        await world.say(bot, odd)
    assert world.value("updates_total", type="other") == 1


async def test_a_pre_checkout_waits_for_nobody(world: World, autojump_clock: MockClock) -> None:
    """Telegram gives ten seconds: it is handled at once though all places are taken."""
    at: dict[str, float] = {}

    async def slow(handling: Handling) -> None:
        if handling.update.pre_checkout_query is not None:
            at["asked"] = trio.current_time()
        else:
            await trio.sleep(100)

    def asked() -> RawUpdate:
        query = {"id": "1", "from": {"id": 1, "first_name": "A"}, "currency": "XTR", "total_amount": 1}
        return raw_update(9999, {"pre_checkout_query": {**query, "invoice_payload": "p"}})

    world.route = slow
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("x", user=n + 1) for n in range(CONCURRENT_CHATS + 5)])
        await trio.sleep(1)
        await bot.dispatcher.store([asked()])
        await trio.sleep(1)
        assert at == {"asked": 1.0}
        bot.dispatcher.stop()


async def test_a_reply_may_be_repeated_an_effect_not(world: World, autojump_clock: MockClock) -> None:
    """When the answer to a reply is lost the words may come twice; the cancel they tell of happened once."""
    world.workers.usual = ("hang",)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
        await trio.sleep(5)
        world.telegram.fail("sendMessage", TORN)
        await world.say(bot, world.message("/cancel"))
        await world.ended()
        await world.changes.until(lambda: world.telegram.texts().count("✖ Cancelled 1 download.") == 2)
    assert world.value("download_cancelled_total") == 1
    assert jobs.depth(world.storage.db) == 0


async def test_a_fault_after_the_effect_does_not_undo_it(world: World, autojump_clock: MockClock) -> None:
    """What was committed is done: no second try, no word of trouble, but an error for a person to look at."""

    async def half(handling: Handling) -> None:
        await handling.commit(lambda _db: None)
        raise ZeroDivisionError

    world.route = half
    async with world.start() as bot:
        await world.say(bot, world.message("/start"))
        await wait_all_tasks_blocked()
    assert world.telegram.called == []
    assert world.value("errors_total", category="internal") == 1
    assert world.value("updates_total", type="message") == 1


async def test_a_backlog_of_one_chat_at_the_start_keeps_nobody_waiting(world: World, autojump_clock: MockClock) -> None:
    """Hundreds of updates of a chat that Telegram holds back wait in the database, not in the others' places."""
    order: list[int] = []

    async def held_back(handling: Handling) -> None:
        order.append(handling.chat_id)
        if handling.chat_id == 66:
            await trio.sleep(3600)

    backlog = [world.message("x", user=66) for _ in range(IN_MEMORY + 100)] + [world.message("y", user=77)]
    world.storage.db.execute("BEGIN")
    new = [
        NewUpdate(
            update_id=raw.update_id,
            arrival=n,
            kind=raw.kind,
            chat_id=raw.chat_id or 0,
            user_id=raw.user_id,
            raw=raw.raw.decode(),
        )
        for n, raw in enumerate(backlog)
    ]
    inbox.add(world.storage.db, new, 1)
    world.storage.db.execute("COMMIT")
    world.route = held_back
    async with world.start():
        await world.changes.until(lambda: 77 in order)
        assert trio.current_time() < 60


async def test_a_refused_token_ends_the_program_and_no_update(world: World, autojump_clock: MockClock) -> None:
    """401 travels, so that the program can stop with its sentence; the update waits for the next start."""
    world.telegram.fail("sendMessage", refusal(401, "Unauthorized"))

    async def life() -> None:
        async with world.start() as bot:
            await world.say(bot, world.message("/help"))

    with pytest.raises(ExceptionGroup) as caught:
        await life()
    assert caught.group_contains(TokenRefusedError)
    assert world.storage.one("SELECT state FROM inbox") == "waiting"


async def test_a_command_is_counted_once_however_often_it_is_tried(world: World, autojump_clock: MockClock) -> None:
    """An outage repeats the answering, not the use."""
    world.telegram.fail("sendMessage", *[refusal(500, "Internal Server Error")] * 300)
    async with world.start() as bot:
        await world.say(bot, world.message("/help"))
    assert world.value("command_usage_total", command="help") == 1


async def test_a_look_that_finds_a_chat_full_is_made_again(world: World, autojump_clock: MockClock) -> None:
    """A chat that is full when the inbox is asked, and not any more when it answers, goes on without a pause."""
    look = world.storage.read

    async def slow_look(query: Change[object]) -> object:
        found = await look(query)
        if getattr(query, "func", None) is inbox.waiting:
            await trio.sleep(3)
        return found

    async def work(handling: Handling) -> None:
        await trio.sleep(1)

    count = 3 * IN_HAND_OF_A_CHAT
    world.route = work
    async with world.start() as bot:
        world.storage.read = slow_look  # type: ignore[assignment]
        await bot.dispatcher.store([world.message("x", user=5) for _ in range(count)])
        began = trio.current_time()
        await world.handled()
        assert trio.current_time() - began < count + LOOK_SECONDS / 2


async def test_an_answer_is_not_sent_again_because_it_was_not_stored(world: World, autojump_clock: MockClock) -> None:
    """The database fails after the reply: however often the update is tried, it is answered and counted once."""
    replied = trio.Event()

    async def replies(handling: Handling) -> None:
        calls.append(handling.update_id)
        await handling.reply("once")
        replied.set()

    calls: list[int] = []
    world.route = replies
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("x")])
        with trio.fail_after(5):
            world.storage.faults.extend([StorageError("locked", reason="locked")] * 8)
            await replied.wait()
        await world.handled()
    assert world.telegram.words_in(USER) == ["once"]
    assert calls == [1]


async def test_what_a_try_before_has_said_is_not_said_again(world: World, autojump_clock: MockClock) -> None:
    """A conversation cut off between two replies says only the second in its next try, and gets the first's message."""
    messages: list[int] = []

    async def replies(handling: Handling) -> None:
        messages.append((await handling.reply("first")).message_id)
        if len(messages) < 3:
            raise StorageError("locked", reason="locked")
        await handling.reply("second")

    world.route = replies
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("x")])
        await world.handled()
    assert world.telegram.words_in(USER) == ["first", "second"]
    assert len(set(messages)) == 1


@pytest.mark.parametrize("words", [["an answer"], []], ids=["answered", "not answered"])
async def test_a_damaged_database_keeps_nobody_waiting(
    world: World, autojump_clock: MockClock, words: list[str]
) -> None:
    """What it can't store goes by after three tries: once answered, or told of the trouble; the chat's next comes."""
    tries: list[int] = []

    async def damaged(handling: Handling) -> None:
        tries.append(handling.update_id)
        if handling.update_id == 1:
            for text in words:
                await handling.reply(text)
            raise StorageError("malformed", reason="corrupt")
        await handling.reply("the next")

    world.route = damaged
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("x"), world.message("y")])
        await trio.sleep(LOOK_SECONDS * 10)
    assert tries == [1, 1, 1, 2]
    assert len(world.telegram.words_in(USER)) == 2
    assert world.telegram.words_in(USER)[-1] == "the next"
    assert world.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'") == 1


async def test_effects_that_were_stored_are_not_stored_again(world: World, autojump_clock: MockClock) -> None:
    """A commit that was told as failed may be there after all, when a file that was lost comes back."""
    commit = world.storage.write
    tries: list[int] = []

    async def lost_after_all(change: Change[object]) -> object:
        value = await commit(change)
        raise StorageError("the file was moved away", reason="lost") if value == "effect" else AssertionError(value)

    async def effect(handling: Handling) -> None:
        tries.append(handling.update_id)

        def change(db: Connection) -> str:
            db.execute("INSERT INTO admin_menus (bot_id, chat_id) VALUES (1, ?)", (len(tries),))
            return "effect"

        if len(tries) == 1:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(world.storage, "write", lost_after_all)
                await handling.commit(change)
        await handling.commit(change)

    world.route = effect
    async with world.start() as bot:
        await world.say(bot, world.message("x"))
        await trio.sleep(LOOK_SECONDS * 3)
        assert bot.dispatcher._held == {}
    assert tries == [1, 1]
    assert world.storage.one("SELECT COUNT(*) FROM admin_menus") == 1
