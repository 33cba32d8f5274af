"""The paces of sites: which looks may begin, who waits for one, and what the waiting are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.board import rounded
from doradura.downloads.paces import PaceError, SitePaces, checked
from doradura.media.protocol import FINDING_FILE, Failure, Metadata, Order
from doradura.media.reasons import Reason
from doradura.settings import SitePace, read_settings
from doradura.storage import jobs
from tests.doubles import BOT_ID, TOKEN, made
from tests.jobs import new_job
from tests.wiring import EPOCH_SECONDS, World

VIDEO = "https://www.youtube.com/watch?v="
OTHER = "https://media.example/"


def paced(world: World, setting: str) -> None:
    """Start the bot with this pace from now on."""
    world.settings = read_settings(
        {
            "DORADURA_TELEGRAM_TOKEN": TOKEN,
            "DORADURA_DATA_DIR": str(world.directory),
            "DORADURA_SITE_PACE": setting,
        }
    )


def begun(world: World) -> list[float]:
    """Return when each job was started, in seconds of Trio's clock."""
    rows = world.storage.db.execute("SELECT started_ms FROM jobs WHERE started_ms IS NOT NULL ORDER BY started_ms")
    return [row[0] / 1000 - EPOCH_SECONDS for row in rows]


def buckets(world: World, setting: str = "youtube=12/10") -> SitePaces:
    """Return the buckets of a setting."""
    paced(world, setting)
    return SitePaces(world.settings.site_pace, bot_id=BOT_ID, clock=world.clock)


async def test_a_burst_and_then_a_steady_rate(world: World, autojump_clock: MockClock) -> None:
    """Ten at once, then one in twelve seconds: 300 an hour, and the burst once more after two minutes."""
    paces, db = buckets(world), world.storage.db
    assert paces.left(db, "youtube") == 10
    for _ in range(10):
        paces.take(db, "youtube")
    assert paces.left(db, "youtube") == 0
    await trio.sleep(11.9)
    assert paces.left(db, "youtube") == 0
    await trio.sleep(0.1)
    assert paces.left(db, "youtube") == 1
    await trio.sleep(500)
    assert paces.left(db, "youtube") == 10
    taken = 0
    for _ in range(3600):
        while paces.left(db, "youtube"):
            paces.take(db, "youtube")
            taken += 1
        await trio.sleep(1)
    assert taken == 10 + 299


async def test_a_clock_that_was_set_back_makes_nobody_wait_for_long(world: World, autojump_clock: MockClock) -> None:
    """The bucket is at most empty, whatever was stored."""
    paces, db = buckets(world), world.storage.db
    paces.take(db, "youtube")
    world.clock.ahead_seconds = -86_400
    assert paces.left(db, "youtube") == 0
    paces.take(db, "youtube")
    await trio.sleep(12)
    assert paces.left(db, "youtube") == 0
    await trio.sleep(12)
    assert paces.left(db, "youtube") == 1


async def test_jobs_wait_in_the_queue_and_are_told(world: World, autojump_clock: MockClock) -> None:
    """Two start at once, the third when the site may be asked again. It holds no slot: another site's job passes it."""
    paced(world, "youtube=60/2")
    world.workers.usual = (1.0, made())
    async with world.start() as bot:
        for number in range(4):
            await world.say(bot, world.message(f"/download {VIDEO}{number}"))
        await world.say(bot, world.message(f"/download {OTHER}song"))
        await trio.sleep(30)
        assert world.states().count("done") == 3
        assert world.states()[0] == "done", "the other site's job is not held up"
        texts = world.telegram.words_in(2000)
        told = [text.partition("; ")[2] for text in texts if "I ask youtube" in text]
        begins = "this download starts by itself in about"
        assert told in ([f"{begins} {soon} s.", f"{begins} 2 min."] for soon in (30, 40))  # as of the last ten seconds
        assert bot.supervisor.in_hand == 0
        await world.ended(5)
    assert begun(world)[:3] == pytest.approx([0, 0, 1], abs=5)
    assert begun(world)[3:] == pytest.approx([60, 120], abs=6)


async def test_nobody_gives_a_slot_up_for_a_job_that_could_not_start(world: World, autojump_clock: MockClock) -> None:
    """Who waits for a site's pace does not wait for a slot."""
    paced(world, "youtube=36000/1")
    world.slots = 1
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {VIDEO}1", user=3000))
        await world.ended()
        world.workers.usual = (300.0, made())
        await world.say(bot, world.message(f"/download {OTHER}long"))
        await world.say(bot, world.message(f"/download {VIDEO}2", user=3000))
        await trio.sleep(200)
        assert bot.supervisor.in_hand == 1
        assert len(world.workers.orders) == 2
        assert world.storage.one("SELECT SUM(given_up) FROM jobs") == 0


async def test_without_a_pace_nothing_waits(world: World, autojump_clock: MockClock) -> None:
    """A site that the setting does not name has no limit."""
    paced(world, "tiktok=60/1")
    world.slots = 30
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {VIDEO}{number}") for number in range(20)))
        await world.ended(20)
        assert trio.current_time() < 100


async def test_another_start_goes_on_with_the_same_bucket(world: World, autojump_clock: MockClock) -> None:
    """The site has been asked, whoever asks now. What a kill cut off needs another look."""
    paced(world, "youtube=60/1")
    world.workers.follow((trio.Event(),))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {VIDEO}1"))
        await world.changes.until(lambda: world.workers.running == 1)
    async with world.start():
        await trio.sleep(50)
        assert world.states() == ["waiting"]
        await world.ended()
        assert trio.current_time() >= 60


def finds(order: Order) -> Metadata:
    """Do what a probe's child does: leave a finding."""
    (Path(order.directory) / FINDING_FILE).write_bytes(b"{}")
    return Metadata(title="A song")


async def card_known(world: World) -> list[str]:
    """Wait until the card is known, and return the callback data of its buttons."""
    await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
    card: dict[str, Any] = next(iter(world.telegram.messages.values()))
    return [button["callback_data"] for row in card["markup"]["inline_keyboard"] for button in row]


async def test_a_card_and_its_download_are_one_look(world: World, autojump_clock: MockClock) -> None:
    """The probe took it, so the job starts at once although the bucket is empty."""
    paced(world, "youtube=600/1")
    world.workers.follow((finds,))
    world.workers.usual = (Metadata(title="A song", kept=True), made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"{VIDEO}1"))
        (button, *_) = await card_known(world)
        await world.say(bot, world.press(button))
        await world.ended()
        assert trio.current_time() < 20
        assert buckets(world, "youtube=600/1").left(world.storage.db, "youtube") == 0


async def test_a_finding_that_does_not_serve_costs_a_look(world: World, autojump_clock: MockClock) -> None:
    """The child has asked the site all the same; who comes next waits for it."""
    paced(world, "youtube=60/3")
    world.workers.follow((finds,))
    world.workers.usual = (Metadata(title="A song", kept=True), Metadata(title="A song"), made())
    async with world.start() as bot:
        await world.say(bot, world.message(f"{VIDEO}1"))
        (button, *_) = await card_known(world)
        await world.say(bot, world.press(button))
        await world.ended()
        assert buckets(world, "youtube=60/3").left(world.storage.db, "youtube") == 1


async def test_another_attempt_costs_a_look(world: World, autojump_clock: MockClock) -> None:
    """It does not wait for the site's pace again, but those after it do."""
    paced(world, "youtube=600/4")
    world.workers.follow((Failure(reason=Reason.NETWORK, detail=""),))
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {VIDEO}1"))
        await world.ended()
        assert world.states() == ["done"]
        assert buckets(world, "youtube=600/4").left(world.storage.db, "youtube") == 2


async def test_a_file_that_was_sent_before_needs_no_look(world: World, autojump_clock: MockClock) -> None:
    """It is sent by its file_id at once, with an empty bucket."""
    paced(world, "youtube=600/1")
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {VIDEO}1"))
        await world.ended()
        await world.say(bot, world.message(f"/download {VIDEO}1"))
        await world.ended(2)
        assert trio.current_time() < 60
    assert world.states() == ["done", "done"]
    assert len(world.workers.orders) == 1


async def test_a_probe_leaves_the_looks_to_those_who_wait(world: World, autojump_clock: MockClock) -> None:
    """With an empty bucket, or one that the queue needs, a card stays as it is, with its buttons."""
    paced(world, "youtube=600/1")
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {VIDEO}1"))
        await world.ended()
        await world.say(bot, world.message(f"{VIDEO}2"))
        await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
    assert [order.task for order in world.workers.orders] == ["download"]
    card = list(world.telegram.messages.values())[-1]
    assert card["text"] == f"{VIDEO}2\nPick a format:"
    assert card["markup"]["inline_keyboard"]


async def test_a_probe_counts_the_jobs_that_wait(world: World, autojump_clock: MockClock) -> None:
    """Of two looks that are left, one is for the job in the queue and one for the probe."""
    paces, db = buckets(world, "youtube=600/2"), world.storage.db
    jobs.add(db, new_job(job_id=1, site="youtube"), 0)
    assert paces.probe(db, "youtube", ())
    assert not paces.probe(db, "youtube", ())
    assert paces.left(db, "youtube") == 1


async def test_how_long_each_waits(world: World, autojump_clock: MockClock) -> None:
    """The queue's order decides; a job with a finding, of another site or of a file that was sent does not wait."""
    paces, db = buckets(world, "youtube=60/1"), world.storage.db
    given: tuple[dict[str, Any], ...] = ({}, {"offer_id": 7}, {"offer_id": 8}, {"site": "other"}, {})
    for job_id, more in enumerate(given, start=1):
        jobs.add(db, new_job(job_id=job_id, user_id=job_id, **{"site": "youtube", **more}), 0)
    assert paces.waits(db, [7]) == {3: 60.0, 5: 120.0}
    paces.take(db, "youtube")
    assert paces.waits(db, [7]) == {1: 60.0, 3: 120.0, 5: 180.0}
    claimed = [jobs.claim(db, 0, instance=1, only=paces.claimable(db, [7])) for _ in range(3)]
    assert [job.job_id for job in claimed if job is not None] == [2, 4]


@pytest.mark.parametrize(("seconds", "shown"), [(0.1, 10), (10, 10), (11, 20), (60, 60), (61, 120), (3000, 3000)])
def test_a_wait_is_rounded_up(seconds: float, shown: int) -> None:
    """Each change is an edit of a message."""
    assert rounded(seconds) == shown


@pytest.mark.parametrize("site", ["youtub", "other"])
def test_a_site_that_is_not_told_apart_is_refused(site: str) -> None:
    """A misspelled name would mean no limit."""
    with pytest.raises(
        PaceError, match=f"names {site}, which is not a site that the bot tells apart; there are youtube"
    ):
        checked([SitePace(site, 12, 10)])
