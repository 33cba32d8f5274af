"""Jobs over the ends of programs: shutdown, drain, and a kill at the worst instants."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.media.protocol import Failure, Metadata
from doradura.media.reasons import Reason
from doradura.storage import StorageError, jobs
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
    assert words.startswith("😕 The file may be in this chat")
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
    assert "doesn't show this in the country" in words
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
