"""Jobs from the queue to their end, with the real supervisor, board, delivery and Telegram client."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from doradura.downloads.closed_chats import note_closed
from doradura.downloads.stages import Stage
from doradura.media.protocol import Failure, Metadata, Order, Progress
from doradura.media.reasons import Reason
from doradura.storage import Change, StorageError, jobs
from tests.doubles import (
    BLOCKED,
    GARBAGE,
    HANG,
    RATE_LIMITED,
    SERVER_ERROR,
    Fault,
    Step,
    made,
    ok,
    refusal,
)
from tests.wiring import ADMIN, LINK, USER, World

YOUTUBE = "https://www.youtube.com/watch?v=abc"


@pytest.mark.parametrize("by", ["chat", "cancel"])
async def test_a_job_that_is_ended_while_it_is_claimed(world: World, autojump_clock: MockClock, by: str) -> None:
    """It is out of the queue and does not run yet: it ends all the same, is told once and counted once."""
    claimed, going_on = trio.Event(), trio.Event()
    write = world.storage.write

    async def slow_write(change: Change[Any]) -> Any:
        value = await write(change)
        match value:
            case (jobs.Job(state="running"), bool()):  # as `Supervisor._claim` writes it
                claimed.set()
                await going_on.wait()
        return value

    world.storage.write = slow_write  # type: ignore[method-assign]
    world.workers.follow((HANG,))
    async with world.start() as bot, trio.open_nursery() as nursery:
        await world.say(bot, world.message(f"/download {LINK}"))
        with trio.fail_after(60):
            await claimed.wait()
        if by == "chat":
            nursery.start_soon(note_closed, world.storage, USER, world.clock)
        else:
            nursery.start_soon(world.storage.write, lambda db: jobs.cancel(db, USER, world.clock()))
        await trio.testing.wait_all_tasks_blocked()
        going_on.set()
        await world.ended()
        await trio.sleep(60)
        assert world.workers.running == 0
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == (by == "chat")
    assert world.value("download_failure_total") == (by == "chat")
    assert world.value("download_cancelled_total") == (by == "cancel")
    assert sum(words.startswith("✖ Cancelled: ") for words in world.telegram.words_in(USER)) <= (by == "cancel")


async def test_one_job_end_to_end(world: World, autojump_clock: MockClock) -> None:
    """A job shows its stages in one message, sends its file once, takes the message away, and is counted exactly."""
    world.workers.follow(
        (
            Metadata(title="Tom & <Jerry>", extraction_seconds=2.0),
            4.0,
            Progress(stage="fetching", fetched_bytes=500_000, total_bytes=1_000_000, bytes_per_second=250_000.0),
            4.0,
            Progress(stage="converting", fetched_bytes=1_000_000),
            4.0,
            made(1000, title="Tom & <Jerry>", performer="MGM", duration_seconds=9.6),
        )
    )
    world.telegram.fail("sendAudio", SERVER_ERROR, SERVER_ERROR, SERVER_ERROR)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()

    assert world.telegram.texts("sendMessage") == ["📥 <b>mp3 320k</b> \N{EN DASH} I have your link."]
    assert world.telegram.texts("editMessageText") == [
        "🔎 <b>mp3 320k</b> \N{EN DASH} looking at the link…",
        "⬇️ <b>Tom &amp; &lt;Jerry&gt;</b> (mp3 320k)\n▓▓▓▓▓░░░░░ 50 %\n500 kB of 1.0 MB · 250 kB/s · about 2 s left",
        "⚙️ <b>Tom &amp; &lt;Jerry&gt;</b> (mp3 320k)\nConverting…",
        "⬆️ <b>Tom &amp; &lt;Jerry&gt;</b> (mp3 320k)\nSending…",
    ]
    (file,) = world.telegram.files_in(USER)
    assert world.telegram.words_in(USER) == []
    assert (file["kind"], file["parameters"]["title"], file["parameters"]["performer"]) == (
        "audio",
        "Tom & <Jerry>",
        "MGM",
    )
    assert file["parameters"]["duration"] == 10
    assert len(world.telegram.all("sendAudio")[-1].files["upload"]) == 1000
    assert world.states() == ["done"]
    assert list((world.directory / "jobs").iterdir()) == []

    value = world.value
    assert value("download_success_total", format="mp3", quality="320k") == value("download_success_total") == 1
    assert value("site_downloads_total", site="other", outcome="success") == value("site_downloads_total") == 1
    assert value("format_requests_total", format="mp3", plan="free") == 1
    assert value("download_duration_seconds_count", format="mp3", quality="320k") == 1
    assert value("download_duration_seconds_sum", format="mp3", quality="320k") == pytest.approx(12 + 0.25 + 0.5 + 1)
    assert value("upload_duration_seconds_count", kind="audio") == 1
    assert value("download_size_bytes_sum", kind="audio") == value("upload_bytes_total") == 1000
    assert value("download_bytes_total") == 1_000_000
    assert value("extraction_duration_seconds_sum") == 2.0
    assert value("queue_wait_time_seconds_count", plan="free") == 1
    assert value("file_cache_lookups_total", outcome="miss") == value("file_cache_lookups_total") == 1
    assert value("downloads_in_progress") == 0
    for never in ("download_failure_total", "download_cancelled_total", "download_retries_total"):
        assert value(never) == 0
    assert value("deliveries_unconfirmed_total") == 0


async def test_a_telling_goes_on_for_as_long_as_telegram_is_down(world: World, autojump_clock: MockClock) -> None:
    """Ten minutes without Telegram cost nobody a file or an answer: both arrive, once, when it is back."""
    world.workers.follow((1.0, made()), url=f"{LINK}1")
    world.workers.follow((Failure(reason=Reason.GONE, detail="404"),), url=f"{LINK}2")
    world.telegram.down = True
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2", user=3000))
        await trio.sleep(600)
        assert world.states() == ["sending", "failed"]
        assert world.telegram.messages == {}
        world.telegram.down = False
        await world.ended(2)
    assert len(world.telegram.files_in(USER)) == 1
    assert world.telegram.words_in(USER) == []
    assert len(world.telegram.words_in(3000)) == 1
    assert "no longer exists" in world.telegram.words_in(3000)[0]
    assert world.states() == ["done", "failed"]
    assert world.value("deliveries_unconfirmed_total") == 0


async def test_a_user_who_blocked_the_bot_is_not_worked_for(world: World, autojump_clock: MockClock) -> None:
    """A 403 for a file ends that job and all waiting ones of that user, each counted, and no other user's."""
    world.slots = 1
    world.workers.usual = (5.0, made())
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(3)))
        await world.say(bot, world.message(f"/download {LINK}", user=3000))
        world.telegram.blocked_by.add(USER)
        await world.ended(4)
    assert world.states() == ["done", "failed", "failed", "failed"]
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 3
    assert world.value("errors_total", category="download") == 0
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is not None
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", 3000) is None
    assert len(world.workers.orders) == 2


async def test_a_group_that_threw_the_bot_out_blocks_no_user(world: World, autojump_clock: MockClock) -> None:
    """A 403 from a group is that group's: the same user's job in the private chat is done."""
    world.slots = 1
    world.workers.usual = (1.0, made())
    world.telegram.blocked_by.add(-77)
    async with world.start() as bot:
        await world.say(
            bot,
            world.message(f"/download {LINK}1", chat=-77),
            world.message(f"/download {LINK}2"),
            world.message("/help"),
        )
        await world.ended(2)
    assert world.states() == ["failed", "done"]
    assert world.storage.one("SELECT blocked_ms FROM users WHERE user_id = ?", USER) is None


async def test_no_more_than_the_slots_at_once(world: World, autojump_clock: MockClock) -> None:
    """Twenty jobs, with retries among them, never have more workers than there are places."""
    world.slots = 3
    world.workers.usual = (7.0, made())
    world.workers.follow(*[(1.0, Failure(reason=Reason.NETWORK, detail="torn"))] * 8)
    async with world.start() as bot:
        updates = [world.message(f"/download {LINK}{n}", user=3000 + n % 4) for n in range(20)]
        await world.say(bot, *updates)
        await world.ended(20)
    assert world.workers.most == 3
    assert world.workers.running == 0
    assert world.states() == ["done"] * 20


async def test_users_take_turns(world: World, autojump_clock: MockClock) -> None:
    """Ten links of one user do not stand before another user's first."""
    world.slots = 1
    world.workers.usual = (10.0, made())
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(10)))
        await world.say(bot, world.message(f"/download {LINK}other", user=3000))
        await world.ended(11)
    assert [order.url for order in world.workers.orders].index(f"{LINK}other") == 1


async def test_a_cancel_while_waiting_and_while_running(world: World, autojump_clock: MockClock) -> None:
    """A cancelled job ends at once whatever it was at, is told and counted once, and is no failure."""
    world.slots = 1
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running == 1)
        await world.say(bot, world.message("/cancel"))
        await world.ended(2)
        assert world.workers.running == 0
    assert world.states() == ["cancelled", "cancelled"]
    assert sorted(world.telegram.words_in(USER)) == [
        *["✖ Cancelled 2 downloads."],
        *[f"✖ Cancelled: <b>{LINK}{number}</b>" for number in (1, 2)],
    ]
    assert world.value("download_cancelled_total", format="mp3") == 2
    assert world.value("site_downloads_total", site="other", outcome="cancelled") == 2
    assert world.value("download_failure_total") == world.value("download_duration_seconds_count") == 0
    assert list((world.directory / "jobs").iterdir()) == []


async def test_the_end_of_a_job_is_stored_however_long_that_takes(world: World, autojump_clock: MockClock) -> None:
    """With the database failing nothing is claimed, no running job fails of it, and what was sent is recorded once."""
    world.workers.usual = (Metadata(title="A song"), 5.0, made())
    world.slots = 1
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.changes.until(lambda: world.workers.running == 1)
        world.storage.fault = StorageError("disk full", reason="full")
        await trio.sleep(60)
        assert world.states() == ["running", "waiting"]
        assert world.telegram.files_in(USER) == []
        world.storage.fault = None
        await world.ended(2)
    assert world.states() == ["done", "done"]
    assert len(world.telegram.files_in(USER)) == 2
    assert world.value("download_failure_total") == 0


async def test_a_fault_in_one_job_ends_it_alone(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is that job's failure, logged with its traceback and told; the next job is done."""
    boom: tuple[Step, ...] = (ZeroDivisionError("boom"),)
    world.workers.follow(boom)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.ended()
        await world.say(bot, world.message(f"/download {LINK}2"))
        await world.ended(2)
    assert world.states() == ["failed", "done"]
    assert any("it is noted" in text for text in world.telegram.words_in(USER))
    assert world.value("download_failure_total", format="mp3", reason="internal") == 1
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


@pytest.mark.parametrize("answer", [RATE_LIMITED, SERVER_ERROR, GARBAGE])
async def test_the_failure_text_waits_for_telegram(world: World, autojump_clock: MockClock, answer: Fault) -> None:
    """Whatever Telegram answers instead, the user is told in the end, in one message."""
    world.workers.follow((4.0, Failure(reason=Reason.PRIVATE, detail="")))
    world.telegram.fail("editMessageText", None, *[answer] * 40)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    (words,) = world.telegram.words_in(USER)
    assert "private or restricted" in words


async def test_a_deleted_progress_message_is_replaced_at_the_end(world: World, autojump_clock: MockClock) -> None:
    """While working nothing is forced on a user who deleted the message; how it ended is said anew."""
    world.workers.follow((10.0, Progress(stage="converting"), 10.0, Failure(reason=Reason.GONE, detail="")))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: len(world.telegram.messages) == 1)
        await trio.sleep(5)
        world.telegram.messages.clear()
        await world.ended()
    assert len(world.telegram.texts("sendMessage")) == 2
    assert len(world.telegram.words_in(USER)) == 1


async def test_a_quick_job_leaves_no_progress_message(world: World, autojump_clock: MockClock) -> None:
    """A job that ends while its first message is still on the way takes that message away all the same."""
    world.workers.follow((made(),))
    world.telegram.fail("sendMessage", SERVER_ERROR, SERVER_ERROR)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert len(world.telegram.files_in(USER)) == 1
    assert world.telegram.words_in(USER) == []


async def test_a_site_that_takes_us_for_a_robot_is_left_alone(world: World, autojump_clock: MockClock) -> None:
    """Its breaker opens once for all jobs under way, the admin is told once, its jobs wait, other sites' go on."""
    world.slots = 2
    world.workers.follow(*[(5.0, Failure(reason=Reason.BOT_CHECK, detail="confirm"))] * 2)
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {YOUTUBE}{n}", user=3000 + n) for n in range(3)))
        await world.ended(2)
        assert world.value("site_breaker_open", site="youtube") == 1
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended(3)
        assert sorted(world.states()) == ["done", "failed", "failed", "waiting"]
        assert world.telegram.words_in(ADMIN) == [
            (
                "🟠 youtube takes the bot for a robot. Its downloads are paused for 10 minutes. "
                "If this keeps happening, set DORADURA_COOKIES_FILE or DORADURA_DOWNLOAD_PROXY."
            )
        ]
        began = trio.current_time()
        await world.ended(4)
        assert 580 < trio.current_time() - began < 620
    assert sorted(world.states()) == ["done", "done", "failed", "failed"]
    assert world.value("site_breaker_open", site="youtube") == 0
    assert world.storage.one("SELECT COUNT(*) FROM site_breakers") == 0
    assert world.value("errors_total", category="download") == 2


async def test_a_site_for_browsers_is_not_paused(world: World, autojump_clock: MockClock) -> None:
    """A pause would change nothing, and links that need no browser go on. The admins are told once, with the cause."""
    wanted = Failure(reason=Reason.BOT_CHECK, detail="no wall stands: words", lacks="browser", final=True)
    world.workers.usual = (wanted,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {YOUTUBE}1"), world.message(f"{YOUTUBE}2"))
        await world.ended()
        await world.changes.until(lambda: world.value("link_looks_total") == 1)
        await trio.sleep(1)
    assert world.value("site_breaker_open", site="youtube") == 0
    assert len(world.workers.orders) == 2
    assert [world.value("download_failure_total", format=each, reason="bot_check") for each in ("mp3", "none")] == [
        1,
        1,
    ]
    assert world.storage.one("SELECT count(*) FROM alert_incidents WHERE alertname = 'BrowserWanted'") == 1
    assert "youtube. no wall stands: words" in world.storage.one("SELECT description FROM alert_incidents")
    assert all("browsers" in text for text in world.telegram.words_in(USER))


async def test_a_breaker_that_cannot_be_stored_ends_no_job(world: World, autojump_clock: MockClock) -> None:
    """The job whose failure opens a breaker is told although the breaker's write fails."""
    world.workers.follow((5.0, Failure(reason=Reason.BOT_CHECK, detail="")))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {YOUTUBE}"))
        await world.changes.until(lambda: world.workers.running)
        await trio.sleep(1)
        world.storage.faults.extend([None, StorageError("busy", reason="locked")])
        await world.ended()
    assert world.states() == ["failed"]
    assert "robot" in world.telegram.words_in(USER)[0]


async def test_a_blocked_user_learns_nothing_and_nothing_is_tried_again(
    world: World, autojump_clock: MockClock
) -> None:
    """A 403 while telling marks the user, counts as told, and the program goes on."""
    world.workers.follow((1.0, Failure(reason=Reason.GONE, detail="")))
    world.telegram.fail("editMessageText", BLOCKED)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.storage.one("SELECT blocked_ms FROM users") is not None
    assert len(world.telegram.all("editMessageText")) == 1


async def test_a_telling_holds_no_place(world: World, autojump_clock: MockClock) -> None:
    """While one user can't be told yet, the next job works."""
    world.slots = 1
    world.workers.follow((Failure(reason=Reason.GONE, detail=""),))
    world.telegram.down = True
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(2)))
        await trio.sleep(30)
        assert len(world.workers.orders) == 2


async def test_a_chat_told_to_wait_keeps_nobody_elses_file_back(world: World, autojump_clock: MockClock) -> None:
    """The others go on, nothing more is fetched for that chat, and in the end all of its files come."""
    told = refusal(429, "Too Many Requests: retry after 3600", retry_after=3600)
    world.workers.usual = (5.0, made())
    world.telegram.fail("sendAudio", told)
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(14)))
        await trio.sleep(120)
        fetched = len(world.workers.orders)
        assert fetched <= 5
        asked = trio.current_time()
        await world.say(bot, world.message(f"/download {LINK}other", user=3000))
        await world.ended()
        assert trio.current_time() - asked < 20
        assert len(world.telegram.files_in(3000)) == 1
        await trio.sleep(2000)
        assert len(world.workers.orders) == fetched + 1
        await world.ended(15)
    assert 3600 < trio.current_time() < 3800
    assert world.states() == ["done"] * 15
    assert len(world.telegram.files_in(USER)) == 14
    assert world.value("download_failure_total") == 0


async def test_a_chat_told_to_wait_lets_go_of_its_place_for_sending(world: World, autojump_clock: MockClock) -> None:
    """More files than there are places for sending were fetched before it was told so: they wait by themselves."""
    world.slots = 12
    world.workers.usual = (5.0, made())
    world.telegram.fail("sendAudio", refusal(429, "Too Many Requests", retry_after=3600))
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(12)))
        await trio.sleep(30)
        assert len(world.workers.orders) == 12
        await world.say(bot, world.message(f"/download {LINK}other", user=3000))
        await world.ended()
        assert trio.current_time() < 60
        assert len(world.telegram.files_in(3000)) == 1


async def test_a_cancel_recorded_before_a_failure_is_what_is_told(world: World, autojump_clock: MockClock) -> None:
    """The press was answered with "cancelled": the failure that came after it is neither told nor counted."""

    def fail(_order: Order) -> Failure:
        jobs.cancel(world.storage.db, USER, 1)
        return Failure(reason=Reason.GONE, detail="")

    world.workers.follow((fail,))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.telegram.words_in(USER) == [f"✖ Cancelled: <b>{LINK}</b>"]
    assert world.value("download_failure_total") == 0


async def test_an_odd_answer_to_a_telling_is_an_answer(world: World, autojump_clock: MockClock) -> None:
    """Telegram said ok: the user was told, and is not told again for ever."""
    world.workers.follow((5.0, Failure(reason=Reason.GONE, detail="")))
    refused = refusal(400, "Bad Request: nothing of this kind")
    world.telegram.fail("sendMessage", refused, refused, ok(result=True))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        await trio.sleep(100)
    assert len(world.telegram.all("sendMessage")) == 3


async def test_a_fault_in_the_telling_ends_it_alone(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in the words for an end is logged and counted; other jobs go on."""

    def stage(_self: object, _job: jobs.Job, _stage: Stage) -> tuple[str, None]:
        raise ZeroDivisionError

    world.workers.follow((5.0, Failure(reason=Reason.GONE, detail="")))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.changes.until(lambda: world.workers.running)
        monkeypatch.setattr("doradura.chat.progress.ProgressTexts.stage", stage)
        await world.ended()
        monkeypatch.undo()
        assert world.value("errors_total", category="internal") == 2
    told = [record.message for record in caplog.records if record.exc_info]
    assert told == ["progress not shown", "a job's outcome can't be shown"]


async def test_those_who_wait_see_their_place_change(world: World, autojump_clock: MockClock) -> None:
    """When a job before theirs has ended, the message of a waiting one says so within seconds."""
    world.slots = 1
    world.workers.usual = ("hang",)
    async with world.start() as bot:
        for number in range(3):
            await world.say(bot, world.message(f"/download {LINK}{number}", user=USER + number))
        await world.changes.until(
            lambda: any("1 download before" in text for text in world.telegram.words_in(USER + 2))
        )
        await world.say(bot, world.message("/cancel", user=USER + 1))
        with trio.fail_after(30):
            await world.changes.until(lambda: any("is next" in text for text in world.telegram.words_in(USER + 2)))


async def test_those_who_wait_are_told_their_places_after_a_restart(world: World, autojump_clock: MockClock) -> None:
    """What a process before this one told them is old; one whose message it could not note gets a new one."""
    world.slots = 1
    world.workers.usual = (1000.0,)
    links = [f"{LINK}{number}" for number in range(4)]
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {link}") for link in links))
        await trio.sleep(60)
    before = world.telegram.words_in(USER)
    assert [text for text in before if "2 downloads before yours" in text]
    lost = world.storage.one("SELECT MAX(job_id) FROM jobs")
    world.storage.db.execute("UPDATE jobs SET message_id = NULL WHERE job_id = ?", (lost,))
    world.storage.db.execute("UPDATE jobs SET state = 'cancelled', told = 1 WHERE url = ?", (links[1],))
    async with world.start():
        await trio.sleep(60)
    after = world.telegram.words_in(USER)
    assert len(after) == len(before) + 1, "one message more, for the one that was lost"
    assert [text for text in after[len(before) :] if "1 download before yours" in text]
    assert world.storage.one("SELECT message_id FROM jobs WHERE job_id = ?", lost) == world.telegram.last_id
