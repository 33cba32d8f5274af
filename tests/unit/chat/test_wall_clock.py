"""The wall clock is set while the bot runs, or between two lives: no update suffers."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from doradura.chat.handling import Handling
from tests.wiring import USER, World


async def test_a_clock_that_jumps_ahead_gives_up_nothing(world: World, autojump_clock: MockClock) -> None:
    """Three days ahead in the middle of an outage: what came just before is answered all the same."""
    world.telegram.down = True
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("/help")])
        world.clock.ahead_seconds = 3 * 86400
        await trio.sleep(600)
        world.telegram.down = False
        await world.handled()
    assert len(world.telegram.words_in(USER)) == 1


async def test_the_order_is_kept_when_the_clock_goes_back_over_a_restart(
    world: World, autojump_clock: MockClock
) -> None:
    """What waited from before comes first, though its clock was ahead."""
    handled: list[int] = []

    async def note(handling: Handling) -> None:
        handled.append(handling.update_id)
        await trio.lowlevel.checkpoint()

    async def hang(_handling: Handling) -> None:
        await trio.sleep_forever()

    world.route = hang
    async with world.start() as bot:
        await bot.dispatcher.store([world.message("first"), world.message("second")])
    world.clock.ahead_seconds = -3600
    async with world.start() as bot:  # killed again with one more
        await bot.dispatcher.store([world.message("third")])
    world.route = note
    async with world.start():
        await world.handled()
    assert handled == [1, 2, 3]
