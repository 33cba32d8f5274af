"""Jobs over the ends of programs: shutdown, drain, and a kill at the worst instants."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.closed_chats import note_closed
from doradura.media.protocol import Failure, Metadata
from doradura.media.reasons import Reason
from doradura.storage import StorageError, Topic, chats, jobs
from doradura.telegram.errors import TokenRefusedError
from tests.doubles import HANG, NEVER, TORN, made, refusal
from tests.wiring import LINK, USER, World


async def test_a_shutdown_leaves_the_job_to_the_next_start(world: World, autojump_clock: MockClock) -> None:
    """Cut off, a job keeps its row and counts as no try; the next program finishes it in the same message."""
    world.workers.follow((Metadata(title="A song"), HANG))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.storage.one("SELECT title FROM jobs"))
        await trio.sleep(1)
        assert world.storage.one("SELECT worker_pid FROM jobs") == 4321
    assert world.states() == ["running"]
    assert world.value("download_failure_total") == world.value("download_duration_seconds_count") == 0
    assert world.value("download_cancelled_total") == world.value("download_success_total") == 0

    async with world.start():
        assert [(stray.pid, stray.start_time) for stray in world.strays] == [(4321, 99)]
        assert world.storage.one("SELECT tries FROM jobs") == 0
        await world.ended()
    assert world.states() == ["done"]
    assert len(world.telegram.files_in(USER)) == 1
    assert len(world.telegram.all("sendMessage")) == 1
    assert world.value("queue_wait_time_seconds_count") == 1


async def test_a_drain_finishes_what_runs_and_claims_nothing_more(world: World, autojump_clock: MockClock) -> None:
    """After `stop` the running job goes on to its end, the waiting one waits for the next start."""
    world.slots = 1
    world.workers.usual = (20.0, made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running == 1)
        bot.supervisor.stop()
        await world.ended()
        await trio.sleep(100)
        assert world.states() == ["done", "waiting"]
        await world.storage.write(lambda db: jobs.cancel(db, USER, 1))
        await trio.sleep(1)
        assert world.storage.one("SELECT told FROM jobs WHERE state = 'cancelled'") == 0
    async with world.start():
        await world.ended(2)
    assert any(words.startswith("✖ Cancelled: <b>") for words in world.telegram.words_in(USER))


async def test_a_drain_is_over_when_the_last_job_has_ended(world: World, autojump_clock: MockClock) -> None:
    """The supervisor's `run` returns then, and not before."""
    world.workers.usual = (20.0, made())
    async with world.start() as bot:

        def is_running() -> bool:
            return any(task.name.endswith(".Supervisor.run") for task in bot.nursery.child_tasks)

        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running == 1)
        bot.supervisor.stop()
        await trio.sleep(10)
        assert is_running()
        await world.ended()
        await trio.sleep(1)
        assert not is_running()


async def test_a_drain_ends_what_is_cancelled_and_what_is_for_a_closed_chat(
    world: World, autojump_clock: MockClock
) -> None:
    """After `stop` their rows are looked at as long as anything runs."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2", user=3000))
        await world.changes.until(lambda: world.workers.running == 2)
        bot.supervisor.stop()
        await trio.sleep(60)
        await world.storage.write(lambda db: jobs.cancel(db, USER, 1))
        await world.ended()
        await note_closed(world.storage, 3000, world.clock)
        await world.ended(2)
        assert world.workers.running == 0
    assert world.states() == ["cancelled", "failed"]
    assert world.value("download_cancelled_total") == world.value("download_failure_total") == 1


async def test_each_life_has_its_jobs_under_its_own_id(world: World, autojump_clock: MockClock) -> None:
    """A job that a kill cut off is the next life's from its claim on; the link that was looked at, from its taking."""
    world.workers.usual = (HANG,)
    found = []
    for life in range(2):
        async with world.start() as bot:
            if life == 0:
                await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"{LINK}2", user=3000))
            await world.changes.until(lambda: world.workers.running == 2)
            await trio.sleep(7)
            assert len(world.workers.orders) == 2 * (life + 1)
            found.append([world.storage.one(f"SELECT instance FROM {table}") for table in ("jobs", "offers")])
    assert found[0][0] == found[0][1] != found[1][0] == found[1][1]
    assert all(found[0] + found[1])


async def test_a_database_of_before_instances_is_taken_up(world: World, autojump_clock: MockClock) -> None:
    """What an older version had in hand is nobody's by its rows: a job, one that was being sent, and a look."""
    world.workers.usual = (Metadata(title="A song"), HANG)
    world.telegram.fail("sendAudio", NEVER)
    world.workers.follow((made(),), url=f"{LINK}1")
    async with world.start() as bot:
        for number, text in enumerate((f"/download {LINK}1", f"/download {LINK}2", f"{LINK}3")):
            await world.say(bot, world.message(text, user=2000 + number))
        await world.changes.until(
            lambda: (
                world.states() == ["sending", "running"]
                and world.storage.one("SELECT COUNT(worker_pid) FROM jobs") == 2
                and world.storage.one("SELECT worker_pid FROM offers")
            )
        )
    for table in ("jobs", "offers"):
        world.storage.db.execute(f"UPDATE {table} SET instance = NULL")
    world.telegram.faults.clear()
    world.workers.usual = (Metadata(title="A song"), made())
    async with world.start():
        assert len(world.strays) == 3
        await world.ended(2)
        await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
    assert world.states() == ["done", "done"]
    assert [order.url for order in world.workers.orders].count(f"{LINK}1") == 1
    assert len(world.telegram.files_in(2000)) == len(world.telegram.files_in(2001)) == 1


async def test_a_chat_that_closed_before_a_kill(world: World, autojump_clock: MockClock) -> None:
    """The row was stored and nobody had looked at it: the next start ends what is in hand for that chat, once."""
    world.slots = 1
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2", user=3000))
        await world.changes.until(lambda: world.workers.running)
    await note_closed(world.storage, 3000, world.clock)
    async with world.start():
        await world.changes.until(lambda: "failed" in world.states())
        await trio.sleep(60)
    assert world.states() == ["running", "failed"]
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 1
    assert world.storage.one("SELECT COUNT(*) FROM closed_chats") == 0


async def test_a_chat_that_opens_again_before_anybody_looked(world: World, autojump_clock: MockClock) -> None:
    """Its downloads go on: there is nobody to spare them from."""
    world.workers.usual = (20.0, made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await trio.sleep(10)
        world.storage.lost = {Topic.CLOSED_CHATS}
        await note_closed(world.storage, USER, world.clock)
        await world.storage.write(lambda db: chats.opened(db, USER))
        await world.ended()
    assert world.states() == ["done"]
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is None


@pytest.mark.parametrize("instant", [NEVER, TORN])
async def test_a_kill_while_sending_puts_the_file_into_the_progress_message(
    world: World, autojump_clock: MockClock, instant: str | Exception
) -> None:
    """The next start edits the file that is still on disk into the message, without a download and with the counter."""
    world.telegram.fail("sendAudio", instant)
    world.telegram.fail("editMessageMedia", NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
        await trio.sleep(3)
    assert world.states() == ["sending"]
    sent = len(world.telegram.files_in(USER))
    before = world.value("deliveries_unconfirmed_total")
    world.telegram.faults.clear()

    async with world.start():
        await world.ended()
    assert world.states() == ["done"]
    assert len(world.workers.orders) == 1
    assert len(world.telegram.all("sendAudio")) == 1
    assert len(world.telegram.files_in(USER)) == sent + 1
    assert world.telegram.words_in(USER) == []
    assert world.value("deliveries_unconfirmed_total") == before + 1
    assert list((world.directory / "jobs").iterdir()) == []


async def test_a_kill_while_sending_that_lost_the_file_downloads_again(world: World, autojump_clock: MockClock) -> None:
    """Without the file on disk the job is done anew, and still goes into the progress message."""
    world.telegram.fail("sendAudio", NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
    (file,) = (world.directory / "jobs").rglob("media.mp3")
    file.unlink()
    async with world.start():
        await world.ended()
    assert len(world.workers.orders) == 2
    assert [call.method for call in world.telegram.called if call.files] == ["sendAudio", "editMessageMedia"]
    assert len(world.telegram.files_in(USER)) == 1


async def test_a_file_that_may_be_there_is_never_said_not_to_be(world: World, autojump_clock: MockClock) -> None:
    """Its answer was lost and the edit was refused: that much is said, by the next start too, and nothing offered."""
    world.telegram.fail("sendAudio", TORN)
    world.telegram.fail("editMessageMedia", refusal(413, "Request Entity Too Large"))
    world.telegram.fail("editMessageText", NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.states() == ["failed"])
    world.telegram.faults.clear()
    async with world.start():
        await world.ended()
    (words,) = world.telegram.words_in(USER)
    assert words.startswith("😕 The file may already be in this chat")
    assert [call.parameters.get("reply_markup") for call in world.telegram.all("editMessageText")][-1] is None
    assert len(world.telegram.files_in(USER)) == 1


async def test_an_end_that_was_not_told_is_told_by_the_next_start(world: World, autojump_clock: MockClock) -> None:
    """A kill between recording a failure and telling it loses no answer, and counts nothing twice."""
    world.workers.follow((4.0, Failure(reason=Reason.GEO, detail="")))
    world.telegram.fail("editMessageText", None, NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.states() == ["failed"])
    assert world.storage.one("SELECT told FROM jobs") == 0
    async with world.start():
        await world.ended()
    (words,) = world.telegram.words_in(USER)
    assert "isn't available in the country" in words
    assert world.value("download_failure_total") == 1


async def test_a_job_of_a_format_that_is_no_more_ends_alone(world: World, autojump_clock: MockClock) -> None:
    """A row that an older version stored, and whose format is gone, fails without taking the program with it."""
    async with world.start() as bot:
        world.workers.usual = (HANG,)
        await world.say(bot, world.message(f"/download {LINK}1"))
    world.storage.db.execute("UPDATE jobs SET variant = 'ogg:320k', message_id = NULL")
    world.workers.usual = (made(),)
    async with world.start() as bot:
        await world.ended()
        await world.say(bot, world.message(f"/download {LINK}2"))
        await world.ended(2)
    assert world.states() == ["failed", "done"]
    assert any("it is noted" in text for text in world.telegram.words_in(USER))


async def test_a_known_file_cut_off_by_a_kill_goes_into_the_progress_message(
    world: World, autojump_clock: MockClock
) -> None:
    """Sent by its id or uploaded: what may have arrived is not sent as a new message."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.telegram.fail("sendAudio", NEVER)
        await world.say(bot, world.message(f"/download {LINK}", user=3000))
        await world.changes.until(lambda: len(world.telegram.all("sendAudio")) == 2)
    async with world.start():
        await world.ended(2)
    assert len(world.workers.orders) == 1
    assert [call.method for call in world.telegram.called].count("editMessageMedia") == 1
    assert len(world.telegram.files_in(3000)) == 1
    assert world.value("deliveries_unconfirmed_total") == 1


async def test_a_refused_token_ends_the_program_and_no_job(world: World, autojump_clock: MockClock) -> None:
    """A token that was changed in the middle: the file waits on the disk and goes out after the next start."""
    world.telegram.fail("sendAudio", refusal(401, "Unauthorized"))

    async def life() -> None:
        async with world.start() as bot:
            await world.say(bot, world.message(f"/download {LINK}"))
            await trio.sleep(3600)

    with pytest.raises(ExceptionGroup) as caught:
        await life()
    assert caught.group_contains(TokenRefusedError)
    assert world.states() == ["sending"]
    async with world.start():
        await world.ended()
    assert world.states() == ["done"]


async def test_a_delivery_is_recorded_though_the_database_fails_for_long(
    world: World, autojump_clock: MockClock
) -> None:
    """A file that was sent and is not recorded would be sent again: its end is written until it is stored."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
        world.storage.faults.extend([StorageError("disk is full")] * 12)
        await world.ended()
    async with world.start():
        await trio.sleep(60)
    assert world.states() == ["done"]
    assert len(world.telegram.all("sendAudio")) == 1
