"""Parts that others still call when they are cancelled already: in what order a cancelled tree ends is chance."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from doradura.downloads.stages import Working
from doradura.storage import jobs, offers
from tests.jobs import new_offer
from tests.wiring import LINK, USER, World


async def test_calls_to_parts_that_have_ended(world: World, autojump_clock: MockClock) -> None:
    """A job's task, a handler or a press that comes after the end leaves rows for the next start, and no error."""
    async with world.start() as bot:
        world.workers.follow((3600.0,))
        await world.say(bot, world.message(f"/download {LINK}"))
    job_id = world.storage.one("SELECT job_id FROM jobs")
    job = world.job(job_id)
    before = (len(world.telegram.called), len(world.workers.orders))
    bot.board.drop(job_id)
    bot.board.progress_message(job).show(Working())
    await world.storage.write(lambda db: offers.add(db, new_offer(offer_id=1, user_id=USER, chat_id=USER, url=LINK), 1))
    await world.storage.write(lambda db: jobs.cancel(db, USER, 1))
    await trio.sleep(60)
    assert (len(world.telegram.called), len(world.workers.orders)) == before
