"""Wakes are hints: with every one of them lost all work still goes on, within the period in which each part looks.

And with them it goes on at once: the same steps, without a second of the clock.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads import probes, queue_messages, supervisor
from doradura.downloads.closed_chats import note_closed
from doradura.media.protocol import Metadata
from doradura.storage import Topic, jobs
from tests.doubles import HANG, made
from tests.lost_wakes import losses, within
from tests.wiring import LINK, USER, World


@losses(Topic.QUEUE)
async def test_a_queued_job_is_shown_and_claimed(
    world: World, autojump_clock: MockClock, lost: frozenset[Topic]
) -> None:
    """And delivered, while another one runs."""
    world.workers.follow((HANG,), (made(),))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await trio.sleep(62)
        with within(world, lost, supervisor.PERIOD_SECONDS):
            await world.say(bot, world.message(f"/download {LINK}2", user=3000))
            await world.ended()
    assert world.states() == ["running", "done"]
    assert len(world.telegram.files_in(3000)) == 1


@losses(Topic.QUEUE)
async def test_a_job_that_waits_is_told_its_place(
    world: World, autojump_clock: MockClock, lost: frozenset[Topic]
) -> None:
    """All places are taken: nothing but the look at the rows shows it."""
    world.slots = 1
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"))
        await trio.sleep(62)
        with within(world, lost, queue_messages.PERIOD_SECONDS):
            await world.say(bot, world.message(f"/download {LINK}2", user=3000))
            await world.changes.until(lambda: world.telegram.words_in(3000))
    assert world.states() == ["running", "waiting"]


@losses(Topic.CANCELLED_JOBS)
@pytest.mark.parametrize("slots", [1, 2])
async def test_a_cancel_ends_what_runs_and_what_waits(
    world: World, autojump_clock: MockClock, lost: frozenset[Topic], slots: int
) -> None:
    """Each told once and counted once."""
    world.slots = slots
    world.workers.usual = (Metadata(title="Slow"), HANG)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}1"), world.message(f"/download {LINK}2"))
        await trio.sleep(62)
        with within(world, lost, supervisor.PERIOD_SECONDS):
            await world.say(bot, world.message("/cancel"))
            await world.ended(2)
        await trio.sleep(60)
    assert world.states() == ["cancelled", "cancelled"]
    assert world.value("download_cancelled_total") == 2
    assert world.value("site_downloads_total", site="other", outcome="cancelled") == 2
    assert sum(words.startswith("✖ Cancelled: ") for words in world.telegram.words_in(USER)) == 2
    assert world.workers.running == 0


@losses(Topic.CLOSED_CHATS)
async def test_a_closed_chat_ends_what_is_in_hand(
    world: World, autojump_clock: MockClock, lost: frozenset[Topic]
) -> None:
    """The job that runs and the one that waits; nobody else's, and each counted once."""
    world.slots = 2
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}0", user=3000))
        await world.say(bot, world.message(f"/download {LINK}1"))
        await world.say(bot, world.message(f"/download {LINK}2"))
        await trio.sleep(62)
        with within(world, lost, supervisor.PERIOD_SECONDS):
            await note_closed(world.storage, USER, world.clock)
            await world.ended(2)
        await trio.sleep(60)
        assert world.workers.running == 1
    assert world.states() == ["running", "failed", "failed"]
    assert world.value("download_failure_total") == 2
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 2
    assert world.storage.one("SELECT COUNT(*) FROM closed_chats") == 0
    assert world.storage.one("SELECT blocked_ms IS NOT NULL FROM users WHERE user_id = ?", USER) == 1


@losses(Topic.OFFERS)
async def test_an_offers_card_is_shown(world: World, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """And its link looked at."""
    world.workers.usual = (Metadata(title="A song"),)
    async with world.start() as bot:
        await trio.sleep(62)
        with within(world, lost, probes.PERIOD_SECONDS):
            await world.say(bot, world.message(LINK))
            await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
    assert len(world.telegram.all("sendMessage")) == 1


async def test_a_cancel_that_its_run_meets_first_is_counted_once(world: World, autojump_clock: MockClock) -> None:
    """Its wake is lost, and the file is ready before anybody looked: the run finds the row, the look finds it told."""
    world.storage.lost = set(Topic)
    world.workers.follow((Metadata(title="A song"), 0.5, made()))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
        await world.storage.write(lambda db: jobs.cancel(db, USER, world.clock()))
        cancelled_at = trio.current_time()
        await world.ended()
        assert trio.current_time() - cancelled_at < 1
        await trio.sleep(60)
    assert world.value("download_cancelled_total") == 1
    assert [words for words in world.telegram.words_in(USER) if words.startswith("✖")] == ["✖ Cancelled: <b>A song</b>"]
    assert world.telegram.files_in(USER) == []


async def test_an_untold_cancel_of_a_life_before_is_not_counted(world: World, autojump_clock: MockClock) -> None:
    """It is told by the next start, which looks at the same rows; that life counted it, or ended with its counters."""
    world.slots = 1
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.changes.until(lambda: world.workers.running)
    await world.storage.write(lambda db: jobs.cancel(db, USER, world.clock()))
    async with world.start():
        await world.ended()
        await trio.sleep(60)
    assert world.value("download_cancelled_total") == 0
    assert sum(words.startswith("✖") for words in world.telegram.words_in(USER)) == 1
