"""Worker slots shared among users: who gives one up, when, and what becomes of the job that does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from doradura.downloads.closed_chats import note_closed
from doradura.downloads.sharing import Sharing
from doradura.downloads.worker_slots import ONLY_SLOT_RUN_SECONDS
from doradura.media.protocol import Failure, Metadata, Progress
from doradura.media.reasons import Reason
from doradura.storage import StorageError, charges, jobs
from doradura.storage.conditions import ALL
from tests.doubles import HANG, NEVER, Script, made
from tests.wiring import LINK, USER, Bot, World

OTHER, THIRD = 3000, 4000
SLOW: Script = (Metadata(title="Slow"), Progress(stage="fetching", fetched_bytes=2000, bytes_per_second=2000.0), HANG)
QUICK: Script = (Metadata(title="Quick"), 3.0, made())
LONG_SECONDS = 600.0
LONG: Script = (Metadata(title="Long"), LONG_SECONDS, made())


def links(world: World, count: int, *, user: int = USER, script: Script = SLOW, runs: int = 60) -> list[str]:
    """Return so many links of a user's, which take that long each time."""
    found = [f"{LINK}/{user}/{number}" for number in range(count)]
    for link in found:
        world.workers.follow(*[script] * runs, url=link)
    return found


async def ask(world: World, bot: Bot, found: list[str], *, user: int = USER, chat: int | None = None) -> None:
    """Let a user ask for links."""
    await world.say(bot, *(world.message(f"/download {link}", user=user, chat=chat) for link in found))


async def fill(world: World, bot: Bot, count: int = 50) -> list[str]:
    """Let one user hold every slot, with the others waiting."""
    found = links(world, count)
    await ask(world, bot, found)
    await world.changes.until(lambda: world.workers.running == min(count, world.slots))
    return found


async def small_file(world: World, bot: Bot, user: int = OTHER, name: str = "small") -> float:
    """Let somebody ask for a small file; return the seconds until it is there."""
    began, there = trio.current_time(), len(world.telegram.files_in(user))
    link = f"{LINK}/{name}/{user}"
    world.workers.follow(QUICK, url=link)
    await ask(world, bot, [link], user=user)
    await world.changes.until(lambda: len(world.telegram.files_in(user)) > there)
    return trio.current_time() - began


def gave_up(world: World) -> list[str]:
    """The links whose jobs gave their slot up."""
    rows = world.storage.db.execute("SELECT url FROM jobs WHERE given_up > 0 ORDER BY url")
    return [row[0] for row in rows]


@pytest.mark.parametrize(("places", "seconds", "alone"), [(2, 30, 0), (2, 30, 600), (1, 90, 0), (1, 90, 600)])
async def test_another_users_small_file_comes_soon(
    world: World, autojump_clock: MockClock, places: int, seconds: float, alone: float
) -> None:
    """One user holds every slot with slow links and has 48 more: whether since now or for long, others get on."""
    world.slots = places
    async with world.start() as bot:
        await fill(world, bot)
        await trio.sleep(alone)
        assert await small_file(world, bot) < seconds
        assert await small_file(world, bot, name="another") < seconds
        assert await small_file(world, bot, user=THIRD) < seconds
    assert world.workers.most == places
    assert world.value("download_failure_total") == world.value("download_retries_total") == 0
    assert world.storage.one("SELECT MAX(tries) FROM jobs") == 0
    assert world.storage.one("SELECT COUNT(*) FROM jobs WHERE user_id = ?", USER) == 50
    assert world.storage.one("SELECT COUNT(*) FROM jobs WHERE user_id = ? AND state = 'cancelled'", USER) == 0


async def test_the_youngest_gives_its_place_up_and_is_done_in_the_end(world: World, autojump_clock: MockClock) -> None:
    """Its message says so, its files are gone, it counts as no try; then it begins anew and its file comes once."""
    old, young = found = links(world, 2, runs=1)
    async with world.start() as bot:
        await ask(world, bot, found[:1])
        await trio.sleep(5)
        await ask(world, bot, found[1:2])
        await trio.sleep(5)
        (directory,) = [Path(order.directory) for order in world.workers.orders if order.url == young]
        (directory / "half.part").write_bytes(b"half")
        world.workers.follow((100.0, made()), url=f"{LINK}/other")
        await ask(world, bot, [f"{LINK}/other"], user=OTHER)
        await world.changes.until(lambda: gave_up(world) == [young])
        job_id = world.storage.one("SELECT job_id FROM jobs WHERE url = ?", young)
        assert not directory.exists()
        await trio.sleep(15)
        waits = "others were waiting, so this one lets them go first. It's next and starts over by itself."
        assert sum(waits in text for text in world.telegram.words_in(USER)) == 1
        assert world.job(job_id).state == "waiting"
        world.workers.usual = (1.0, made())
        await world.ended(2)
    assert sorted(order.url for order in world.workers.orders).count(young) == 2
    assert [order.url for order in world.workers.orders].count(old) == 1
    assert len(world.telegram.files_in(USER)) == 1
    assert (world.job(job_id).state, world.job(job_id).tries) == ("done", 0)
    assert world.value("download_success_total") == 2
    assert world.value("download_retries_total") == world.value("download_failure_total") == 0


async def test_nobody_gives_anything_up_while_nobody_else_waits(world: World, autojump_clock: MockClock) -> None:
    """All slots for one user, in private and in a group: that is still one user, who waits for nobody."""
    async with world.start() as bot:
        await fill(world, bot, 4)
        await ask(world, bot, links(world, 3, user=77), chat=-500)
        await trio.sleep(600)
        assert gave_up(world) == []
        assert len(world.workers.orders) == 2


async def test_one_user_in_several_chats_is_one_user(world: World, autojump_clock: MockClock) -> None:
    """A slot for the private chat and one for a group: both are theirs, and one is given up."""
    async with world.start() as bot:
        await ask(world, bot, links(world, 1))
        await ask(world, bot, links(world, 1, user=77), chat=-500)
        await world.changes.until(lambda: world.workers.running == 2)
        assert await small_file(world, bot) < 30
        assert len(gave_up(world)) == 1


async def test_two_users_with_a_place_each_both_keep_it(world: World, autojump_clock: MockClock) -> None:
    """Nobody holds more than half: who comes third waits for the first end."""
    world.workers.usual = (900.0, made())
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/a"])
        await ask(world, bot, [f"{LINK}/b"], user=OTHER)
        assert 890 < await small_file(world, bot, user=THIRD) < 920
    assert gave_up(world) == []


@pytest.mark.parametrize("places", [1, 2, 3])
async def test_several_who_fill_the_places_all_come_to_an_end(
    world: World, autojump_clock: MockClock, places: int
) -> None:
    """Three users with long downloads: none is interrupted for ever, and the work done in vain stays in bounds."""
    world.slots = places
    async with world.start() as bot:
        for user in (USER, OTHER, THIRD):
            await ask(world, bot, links(world, 4, user=user, script=LONG), user=user)
        await world.ended(12)
        seconds = trio.current_time()
    assert world.states() == ["done"] * 12
    assert seconds < 4 * 12 * LONG_SECONDS / places


@pytest.mark.parametrize("places", [1, 2])
async def test_a_job_that_is_always_interrupted_ends_some_day(
    world: World, autojump_clock: MockClock, places: int
) -> None:
    """Somebody new comes every minute for two hours: what gave its slot up keeps it longer each time."""
    world.slots = places
    async with world.start() as bot:
        await ask(world, bot, links(world, places, script=LONG))
        for number in range(120):
            world.workers.follow((20.0, made()), url=f"{LINK}/n/{number}")
            await ask(world, bot, [f"{LINK}/n/{number}"], user=5000 + number)
            await trio.sleep(60)
        done = world.storage.one("SELECT COUNT(*) FROM jobs WHERE user_id = ? AND state = 'done'", USER)
        assert done == places
        await world.ended(120 + places)
    assert set(world.states()) == {"done"}


async def test_one_place_at_a_time_is_given_up(world: World, autojump_clock: MockClock) -> None:
    """A worker takes a while to end: the slot that it leaves is waited for before another is asked for."""
    world.workers.leaving_seconds = 20.0
    async with world.start() as bot:
        found = await fill(world, bot, 4)
        await trio.sleep(100)
        world.workers.follow(SLOW, url=f"{LINK}/other")
        await ask(world, bot, [f"{LINK}/other"], user=OTHER)
        await trio.sleep(60)
        assert gave_up(world) == [found[1]]


async def test_a_result_that_is_there_is_kept_while_the_worker_leaves(world: World, autojump_clock: MockClock) -> None:
    """The file came just before the slot would have been given up."""
    world.slots = 1
    world.workers.leaving_seconds = 30.0
    world.workers.follow((50.0, made()), url=f"{LINK}/first")
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/first"])
        await trio.sleep(3)
        await ask(world, bot, [f"{LINK}/second"], user=OTHER)
        await world.ended(2)
    assert gave_up(world) == []
    assert len(world.workers.orders) == 2


@pytest.mark.parametrize("at", ["converting", "sending"])
async def test_what_is_nearly_done_is_not_thrown_away(world: World, autojump_clock: MockClock, at: str) -> None:
    """A file that has come in is converted and sent, whoever waits."""
    world.slots = 1
    world.workers.follow((Progress(stage="converting"), 300.0, made()), url=f"{LINK}/first")
    if at == "sending":
        world.workers.by_url.clear()
        world.workers.follow((1.0, made()), url=f"{LINK}/first")
        world.telegram.fail("sendAudio", NEVER)
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/first"])
        await trio.sleep(3)
        await ask(world, bot, [f"{LINK}/second"], user=OTHER)
        await world.ended(2)
    assert gave_up(world) == []
    assert [order.url for order in world.workers.orders] == [f"{LINK}/first", f"{LINK}/second"]
    assert world.states() == ["done", "done"]


@asynccontextmanager
async def interrupted(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Bot, int, trio.Event]]:
    """Start the program, with a job that is about to be queued again once the event is set."""
    began, go_on = trio.Event(), trio.Event()
    world.slots = 1
    async with world.start() as bot:
        remove = bot.workspace.remove

        async def slow(number: int) -> None:
            began.set()
            await go_on.wait()
            await remove(number)

        await trio.sleep(3)  # between two charges of the running jobs
        await fill(world, bot, 1)
        await ask(world, bot, [f"{LINK}/other"], user=OTHER)
        monkeypatch.setattr(bot.workspace, "remove", slow)
        await began.wait()
        yield bot, world.storage.one("SELECT job_id FROM jobs WHERE user_id = ?", USER), go_on


async def test_a_cancel_in_the_same_moment_stands(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The press was recorded: the job is not queued again, and its end is told and counted once."""
    async with interrupted(world, monkeypatch) as (bot, job_id, go_on):
        await world.say(bot, world.press(f"c:{job_id}"))
        go_on.set()
        await world.ended(2)
    assert world.job(job_id).state == "cancelled"
    assert world.telegram.words_in(USER) == ["✖ Cancelled: <b>Slow</b>"]
    assert world.value("download_cancelled_total") == 1
    assert [order.url for order in world.workers.orders].count(world.job(job_id).url) == 1


async def test_a_chat_that_closes_in_the_same_moment_ends_the_job(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes the file: it is not fetched again. The whole time in the slot is charged, once."""
    async with interrupted(world, monkeypatch) as (_, job_id, go_on):
        await note_closed(world.storage, USER, world.clock)
        go_on.set()
        await world.ended(2)
    assert (world.job(job_id).state, world.job(job_id).reason) == ("failed", "user_blocked")
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 1
    assert world.storage.one("SELECT used_ms FROM jobs WHERE job_id = ?", job_id) == ONLY_SLOT_RUN_SECONDS * 1000


async def test_a_job_of_a_chat_that_closes_does_not_take_a_free_slot(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot that it gave up is free again long before its outcome is stored, and it is not claimed once more."""
    async with interrupted(world, monkeypatch) as (bot, job_id, go_on):
        remove = bot.workspace.remove

        async def slower(number: int) -> None:
            await trio.sleep(1)
            await remove(number)

        monkeypatch.setattr(bot.workspace, "remove", slower)
        await world.changes.until(lambda: world.telegram.files_in(OTHER))
        await note_closed(world.storage, USER, world.clock)
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        await world.ended(2)
        await trio.sleep(60)
        assert world.workers.running == 0
    assert [order.url for order in world.workers.orders].count(world.job(job_id).url) == 1
    assert world.value("download_failure_total", format="mp3", reason="user_blocked") == 1
    assert world.value("download_cancelled_total") == 0


async def test_a_kill_in_the_same_moment_loses_nothing(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start finishes both, in the messages they have."""
    async with interrupted(world, monkeypatch):
        pass
    assert world.storage.one("SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'running')") == 2
    world.workers.by_url.clear()
    async with world.start():
        await world.ended(2)
    assert world.states() == ["done", "done"]
    assert len(world.telegram.files_in(USER)) == len(world.telegram.files_in(OTHER)) == 1
    assert list((world.directory / "jobs").iterdir()) == []


async def test_a_failing_database_puts_it_off(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is queued again once that can be stored, and not before its files are gone."""
    async with interrupted(world, monkeypatch) as (_, job_id, go_on):
        world.storage.fault = StorageError("disk full", reason="full")
        go_on.set()
        await trio.sleep(60)
        assert world.job(job_id).state == "running"
        world.storage.fault = None
        await world.changes.until(lambda: world.job(job_id).given_up)
        world.workers.by_url.clear()
        await world.ended(2)
    assert world.states() == ["done", "done"]


class Used:
    """A run that has used so much of its slot since it was asked last."""

    def __init__(self, *used_ms: int) -> None:
        self._used_ms = list(used_ms)

    def take_uncharged_ms(self) -> int:
        return self._used_ms.pop(0)


async def test_what_could_not_be_charged_is_charged_later_though_its_job_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One job ends while the charge of both fails: both are charged all of it once the database works, and once."""
    running = {1: Used(300, 20, 0), 2: Used(400)}
    charged: list[tuple[int, int]] = []
    faults = [StorageError("disk full", reason="full")]

    class Charging:
        async def write(self, change: Callable[[None], None]) -> None:
            if faults:
                del running[2]
                raise faults.pop()
            change(None)

    monkeypatch.setattr(charges, "use", lambda _db, job_id, used_ms: charged.append((job_id, used_ms)))
    sharing = Sharing(
        cast("Any", Charging()),
        *cast("Any", (None, None, running, None)),
        held_chats=tuple,
        claimable=lambda: lambda _db: ALL,
    )
    for _ in range(3):
        await sharing._charge()
    assert charged == [(1, 320), (2, 400)]


async def test_nothing_is_given_up_while_the_program_drains(world: World, autojump_clock: MockClock) -> None:
    """Nobody would take the slot."""
    async with world.start() as bot:
        await fill(world, bot, 4)
        await ask(world, bot, [f"{LINK}/other"], user=OTHER)
        bot.supervisor.stop()
        await trio.sleep(600)
        assert gave_up(world) == []


async def test_a_link_alone_is_looked_at_though_all_places_are_held(world: World, autojump_clock: MockClock) -> None:
    """A probe needs no worker slot, so it is answered while another user holds all of them."""
    world.slots = 1
    async with world.start() as bot:
        await fill(world, bot, 3)
        world.workers.follow((2.0, Metadata(title="A small film", has_video=True)), url=f"{LINK}/look")
        await world.say(bot, world.message(f"{LINK}/look", user=OTHER))
        with trio.fail_after(90):
            await world.changes.until(lambda: any("A small film" in text for text in world.telegram.words_in(OTHER)))


async def test_retries_of_one_user_do_not_stand_before_others(world: World, autojump_clock: MockClock) -> None:
    """Twenty links that fail and are tried again: another's first download waits for one of them at most."""
    world.slots = 1
    torn: Script = (12.0, Failure(reason=Reason.NETWORK, detail="torn"))
    async with world.start() as bot:
        await ask(world, bot, links(world, 20, script=torn))
        await trio.sleep(120)
        assert await small_file(world, bot) < 45
        await world.ended(21)
    assert world.workers.most == 1


async def test_a_retry_that_waits_for_a_place_says_so(world: World, autojump_clock: MockClock) -> None:
    """The promise to try again in 2 s is not left standing while somebody else holds the slot."""
    world.slots = 1
    world.workers.follow((1.0, Failure(reason=Reason.NETWORK, detail="torn")), url=f"{LINK}/torn")
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/torn"])
        await ask(world, bot, links(world, 1, user=OTHER), user=OTHER)
        await trio.sleep(20)
        assert any("yours is next" in text for text in world.telegram.words_in(USER))


async def test_a_job_whose_file_may_be_there_stays_so(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched anew after a sending that a kill cut off, it gives its slot up: the file still goes into the message."""
    world.slots = 1
    world.telegram.fail("sendAudio", NEVER)
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/first"])
        await world.changes.until(lambda: world.telegram.all("sendAudio"))
    for file in (world.directory / "jobs").rglob("media.mp3"):
        file.unlink()
    world.workers.follow(SLOW, url=f"{LINK}/first")
    async with world.start() as bot:
        await world.changes.until(lambda: world.workers.running)
        assert await small_file(world, bot) < 90
        await world.ended(2)
    assert gave_up(world) == [f"{LINK}/first"]
    assert [call.method for call in world.telegram.called if call.files][-1] == "editMessageMedia"


async def test_health_tells_of_those_who_wait(world: World, autojump_clock: MockClock) -> None:
    """How many users hold no slot although they want one, and for how long."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await ask(world, bot, [f"{LINK}/a"])
        await ask(world, bot, [f"{LINK}/b"], user=OTHER)
        await world.changes.until(lambda: world.workers.running == 2)
        await ask(world, bot, [f"{LINK}/c"], user=THIRD)
        await ask(world, bot, [f"{LINK}/d"])
        await trio.sleep(100)
        users, waited = bot.supervisor._worker_slots.longest_wait()
        assert (users, round(waited, -1)) == (1, 100)


async def test_the_places_of_many_are_told_by_charge(world: World, autojump_clock: MockClock) -> None:
    """While a job runs, its user's others move behind those of whoever came meanwhile."""
    world.slots = 1
    async with world.start() as bot:
        await fill(world, bot, 3)
        await trio.sleep(600)
        await ask(world, bot, links(world, 3, user=OTHER), user=OTHER)
        await trio.sleep(11)
        first = [world.job(number).user_id for number in jobs.first_waiting(world.storage.db, 10)]
        assert first == [OTHER, USER, OTHER, USER, OTHER]
