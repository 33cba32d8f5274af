"""One job's attempts: which failures are tried again and when, and what its ends are."""

from __future__ import annotations

import errno
import itertools

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.job import POLICY
from doradura.media.protocol import (
    Failure,
    Metadata,
    Order,
    Result,
    SelfTest,
    WorkerLostError,
)
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.storage import jobs
from tests.doubles import HANG, TORN, made
from tests.wiring import LINK, USER, World

TIMER = Variant("mp3", "320k").grade.timer_seconds


@pytest.mark.parametrize(
    ("reason", "pauses"),
    [("network", (2, 8)), ("site_error", (2, 8)), ("tool_crash", (2, 8)), ("rate_limited", (20, 60))],
)
async def test_what_may_pass_is_tried_three_times(
    world: World, autojump_clock: MockClock, reason: str, pauses: tuple[int, int]
) -> None:
    """After exact pauses, and never a fourth time; each repeat is counted, the failure once."""
    began: list[float] = []

    def fail(_order: Order) -> Failure:
        began.append(trio.current_time())
        return Failure(reason=Reason(reason), detail="torn")

    world.workers.usual = (fail,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert [round(later - at) for at, later in itertools.pairwise(began)] == list(pauses)
    assert len(began) == POLICY.attempts == 3
    assert world.states() == ["failed"]
    assert world.value("download_retries_total", reason=reason) == world.value("download_retries_total") == 2
    assert world.value("download_failure_total", format="mp3", reason=reason) == 1
    assert world.value("download_failure_total") == 1
    assert world.value("errors_total", category="download") == 1
    assert world.value("download_duration_seconds_count", format="mp3", quality="320k") == 1
    assert world.value("site_downloads_total", site="other", outcome="failure") == 1


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.retried])
async def test_what_will_not_pass_is_tried_once(world: World, autojump_clock: MockClock, reason: Reason) -> None:
    """A final failure is told at once; only those of our doing count as errors."""
    world.workers.usual = (Failure(reason=reason, detail="no"),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert len(world.workers.orders) == 1
    assert world.value("download_failure_total", format="mp3", reason=reason) == 1
    assert world.value("errors_total", category="download") == reason.ours


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "disk"), (errno.EROFS, "disk"), (errno.EMFILE, "internal"), (errno.ENOTDIR, "internal")],
)
async def test_an_error_of_the_machine_is_called_what_it_is(
    world: World, autojump_clock: MockClock, number: int, reason: str
) -> None:
    """Only a disk's error is the disk's: too many open files, or a file in the directory's place, is another."""
    world.workers.usual = (OSError(number, "no"),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.value("download_failure_total", format="mp3", reason=reason) == 1
    assert world.suspicions == 1


async def test_what_a_worker_calls_final_is_tried_once(world: World, autojump_clock: MockClock) -> None:
    """A failure that would come again is told at once, whatever its reason: a converter that takes all memory."""
    world.workers.usual = (Failure(reason=Reason.TOOL_CRASH, detail="killed: over its memory limit", final=True),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert len(world.workers.orders) == 1
    assert world.value("download_failure_total", format="mp3", reason="tool_crash") == 1


async def test_a_second_attempt_that_works_is_a_success(world: World, autojump_clock: MockClock) -> None:
    """One failed attempt is counted as a repeat and as no failure; the message said why it took longer."""
    world.workers.follow((4.0, Failure(reason=Reason.NETWORK, detail="torn")))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.states() == ["done"]
    assert "🔁 <b>mp3 320k</b>\nThe connection was lost. I'll try again in 2 s." in world.telegram.texts(
        "editMessageText"
    )
    assert world.value("download_retries_total") == 1
    assert world.value("download_failure_total") == world.value("errors_total", category="download") == 0
    assert world.storage.one("SELECT tries FROM jobs") == 1


async def test_tries_are_bounded_over_restarts(world: World, autojump_clock: MockClock) -> None:
    """Attempts that failed before a restart count; the one it cut off does not."""
    world.workers.follow((Failure(reason=Reason.NETWORK, detail=""),), (HANG,))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: len(world.workers.orders) == 2)
    world.workers.usual = (Failure(reason=Reason.NETWORK, detail=""),)
    async with world.start():
        await world.ended()
    assert len(world.workers.orders) == 4
    assert world.states() == ["failed"]


async def test_a_job_waits_for_its_pause_without_a_place(world: World, autojump_clock: MockClock) -> None:
    """While one job pauses another one works."""
    world.slots = 1
    world.workers.follow((Failure(reason=Reason.RATE_LIMITED, detail=""),), url=f"{LINK}1")
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await world.ended()
        assert trio.current_time() < 10
        assert world.states() == ["running", "done"]
        await world.ended(2)
    assert world.states() == ["done", "done"]


async def test_the_timer_covers_the_whole_job(world: World, autojump_clock: MockClock) -> None:
    """A worker that hangs is ended at the format's deadline: a failure of ours, with a text of its own."""
    world.workers.usual = (Metadata(title="A song"), HANG)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        assert world.workers.running == 0
    assert world.states() == ["failed"]
    assert f"longer than {TIMER // 60} minutes" in world.telegram.words_in(USER)[0]
    assert world.value("download_failure_total", format="mp3", reason="deadline") == 1
    assert world.value("download_duration_seconds_sum", format="mp3", quality="320k") == pytest.approx(TIMER)
    assert world.value("errors_total", category="download") == 1


async def test_the_timer_covers_attempts_and_sending(world: World, autojump_clock: MockClock) -> None:
    """It is armed once: time spent on an attempt that failed is missing from the next, and sending counts."""
    world.workers.follow((TIMER - 100.0, Failure(reason=Reason.NETWORK, detail="")), (50.0, made()))
    world.telegram.fail("sendAudio", "never")
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        assert trio.current_time() == pytest.approx(TIMER, abs=1)
    assert world.value("download_failure_total", format="mp3", reason="telegram") == 1, "the file was ready"


async def test_a_deadline_slept_through_is_no_deadline(world: World, autojump_clock: MockClock) -> None:
    """A job whose time ran out while the whole process was stopped begins anew, and nobody is told of a failure."""

    def stopped(_order: Order) -> Failure:
        autojump_clock.jump(TIMER + 60)
        return Failure(reason=Reason.NETWORK, detail="")

    world.workers.follow((stopped, HANG), (made(),))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.states() == ["done"]
    assert len(world.workers.orders) == 2
    assert world.value("download_failure_total") == 0


async def test_the_three_ends_before_time_differ(world: World, autojump_clock: MockClock) -> None:
    """Deadline: failed. Cancel: cancelled. Shutdown: the row stays as it was. Each from the same hanging worker."""
    world.slots = 3
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await trio.sleep(TIMER - 10)
        await world.say(bot, world.message(f"/download {LINK}2"), world.message(f"/download {LINK}3", user=3000))
        await trio.sleep(20)
        await world.say(bot, world.message("/cancel"))
        await world.ended(2)
    assert world.states() == ["failed", "cancelled", "running"]
    assert world.value("download_failure_total") == world.value("download_cancelled_total") == 1
    assert world.value("download_duration_seconds_count") == 1


async def test_a_lost_worker_is_no_try(world: World, autojump_clock: MockClock) -> None:
    """A worker that goes away for reasons of its own costs the job nothing: it is done by the next one."""
    lost = WorkerLostError("the fork server died")
    world.workers.follow((lost,), (Metadata(title="x"), 1.0, lost), (lost,))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.states() == ["done"]
    assert world.storage.one("SELECT tries FROM jobs") == 0
    assert world.value("download_retries_total") == world.value("download_failure_total") == 0


async def test_a_job_that_always_loses_its_worker_ends(world: World, autojump_clock: MockClock) -> None:
    """What kills every worker is not handed to workers for ever."""
    world.workers.usual = (WorkerLostError("died"),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert len(world.workers.orders) == POLICY.lost_workers
    assert world.value("download_failure_total", format="mp3", reason="tool_crash") == 1


@pytest.mark.parametrize(
    "script",
    [
        (),
        (Failure(reason=Reason.TOOL_CRASH, detail="ffmpeg is not there"),),
        (Metadata(title="and nothing more"),),
        (SelfTest(yt_dlp="1", ffmpeg="1", guarded=True),),
    ],
)
async def test_a_worker_that_makes_no_sense_is_a_crash(
    world: World, autojump_clock: MockClock, script: tuple[Metadata | SelfTest | Failure, ...]
) -> None:
    """Silence, a foreign message or a broken tool end the attempt, as our fault; the worker is tested."""
    world.workers.usual = script
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
    assert world.value("download_failure_total", format="mp3", reason="tool_crash") == 1
    assert "failed on my side" in world.telegram.words_in(USER)[0]
    assert world.suspicions == POLICY.attempts


async def test_what_was_sent_once_is_sent_again_by_its_id(world: World, autojump_clock: MockClock) -> None:
    """A second wish for the same thing, however spelled, needs no worker and counts as a hit and a success only."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}?v=1 mp4"))
        await world.ended()
        await world.say(bot, world.message(f"/download {LINK}?v=1&utm_source=tg# mp4 720", user=3000))
        await world.ended(2)
    assert len(world.workers.orders) == 1
    (first,), (second,) = world.telegram.files_in(USER), world.telegram.files_in(3000)
    assert second["file_id"] == first["file_id"]
    for sent in (first, second):
        assert sent["text"].startswith('A song\nmp4 720p · <a href="https://media.example/song?v=1')
    assert world.value("file_cache_lookups_total", outcome="hit") == 1
    assert world.value("file_cache_lookups_total", outcome="miss") == 1
    assert world.value("download_success_total", format="mp4", quality="720p") == 2
    assert world.value("download_duration_seconds_count", format="mp4", quality="720p") == 1
    assert world.value("upload_bytes_total") == 1000
    assert world.telegram.words_in(3000) == []


async def test_what_is_sent_again_is_called_what_it_is(world: World, autojump_clock: MockClock) -> None:
    """A film that could not be made as small as asked says its own quality to the second who asks, too."""
    world.workers.usual = (made(width=1920, height=1080),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp4 480p"))
        await world.ended()
        for count, user in enumerate((3000, 4000), 2):
            await world.say(bot, world.message(f"/download {LINK} mp4 480p", user=user))
            await world.ended(count)
    for user in (USER, 3000, 4000):
        assert world.telegram.files_in(user)[0]["text"].startswith("A song\nmp4 1080p · ")


async def test_another_quality_is_another_file(world: World, autojump_clock: MockClock) -> None:
    """The same link as 128k is not served by the 320k that was sent."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp3 320k"))
        await world.ended()
        await world.say(bot, world.message(f"/download {LINK} mp3 128k"))
        await world.ended(2)
    assert [order.variant for order in world.workers.orders] == [Variant("mp3", "320k"), Variant("mp3", "128k")]


async def test_a_stale_file_id_is_forgotten(world: World, autojump_clock: MockClock) -> None:
    """When Telegram doesn't know the file any more it is fetched anew, with the progress shown, and known from then."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.telegram.file_ids = {"another"}
        world.workers.follow((10.0, made()))
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended(2)
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended(3)
    assert len(world.workers.orders) == 2
    assert world.value("file_cache_lookups_total", outcome="stale") == 1
    assert world.value("file_cache_lookups_total", outcome="hit") == 1
    assert any("looking at the link" in text for text in world.telegram.texts("editMessageText"))
    assert world.states() == ["done"] * 3
    assert world.value("deliveries_unconfirmed_total") == 0


async def test_a_known_file_whose_sending_stays_unknown(world: World, autojump_clock: MockClock) -> None:
    """It is put into the progress message; that Telegram then finds it there already is a success, not a third copy."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.telegram.fail("sendAudio", TORN)
        world.telegram.fail("editMessageMedia", TORN)
        await world.say(bot, world.message(f"/download {LINK}", user=3000))
        await world.ended(2)
    assert [call.method for call in world.telegram.called].count("sendAudio") == 2
    assert [call.method for call in world.telegram.called].count("editMessageMedia") == 2
    assert len(world.telegram.files_in(3000)) == 2
    assert world.telegram.words_in(3000) == []
    assert world.states() == ["done", "done"]


async def test_what_is_being_sent_is_not_cancelled(world: World, autojump_clock: MockClock) -> None:
    """Once the file goes out a cancel changes nothing and is told so: "cancelled" and then a file would be untrue."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
        assert jobs.cancel(world.storage.db, USER, 1) == []
        await world.ended()
    assert world.states() == ["done"]


async def test_a_cancel_recorded_just_before_the_sending(world: World, autojump_clock: MockClock) -> None:
    """When the cancel's commit comes first, no file goes out, even if nobody told the running job."""
    world.workers.usual = (10.0, made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
        assert len(jobs.cancel(world.storage.db, USER, 1)) == 1
        await world.changes.until(lambda: any("Cancelled" in text for text in world.telegram.words_in(USER)))
    assert world.states() == ["cancelled"]
    assert not world.telegram.all("sendAudio")


@pytest.mark.parametrize(("asked", "seconds", "tries"), [(1.0, 2, 3), (45.0, 90, 3), (600.0, 0, 1)])
async def test_a_site_is_left_alone_for_as_long_as_it_asks(
    world: World, autojump_clock: MockClock, asked: float, seconds: float, tries: int
) -> None:
    """Not for 20 and 60 s where it says one; for what is too long nobody waits."""
    world.workers.usual = (Failure(reason=Reason.RATE_LIMITED, detail="", retry_after_seconds=asked),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        began = trio.current_time()
        await world.ended()
        assert trio.current_time() - began == pytest.approx(seconds, abs=0.5)
    assert len(world.workers.orders) == tries


async def test_a_worker_that_names_a_foreign_file_fails_its_job(world: World, autojump_clock: MockClock) -> None:
    """Nothing is sent, nothing is tried again, and the admins are told once, with the job, however often it comes."""
    secret = world.directory / "doradura.db"
    secret.write_bytes(b"everything")
    world.workers.usual = (Result(path=str(secret), size_bytes=10, title="A song"),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"), world.message(f"/download {LINK}?2"))
        await world.ended(2)
    assert world.states() == ["failed", "failed"]
    assert len(world.workers.orders) == 2
    assert world.value("download_failure_total", format="mp3", reason="tool_crash") == 2
    assert world.telegram.all("sendAudio") == world.telegram.all("sendDocument") == []
    assert world.storage.one("SELECT count(*) FROM alert_incidents WHERE alertname = 'ForeignFile'") == 1
    assert str(secret) in world.storage.one("SELECT description FROM alert_incidents")
    assert secret.read_bytes() == b"everything"
