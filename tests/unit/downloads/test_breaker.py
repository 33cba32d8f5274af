"""Pauses of sites that take the bot for a robot."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, SiteBreakers
from doradura.storage import StorageError
from tests.wiring import World


async def pause(breakers: SiteBreakers, site: str = "youtube") -> int:
    """Trip, store, and wait the pause out."""
    seconds = breakers.trip(site)
    assert seconds is not None
    await breakers.keep(site)
    await trio.sleep(seconds)
    return seconds


async def test_a_pause_is_longer_each_time_in_a_row(world: World, autojump_clock: MockClock) -> None:
    """Ten minutes, doubling, up to six hours."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    assert [await pause(breakers) for _ in range(8)] == [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]
    assert (FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS) == (600, 21600)


async def test_a_site_is_paused_exactly_so_long(world: World, autojump_clock: MockClock) -> None:
    """The metric and the queue see the same; other sites are not concerned."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    breakers.trip("youtube")
    await trio.sleep(599.9)
    assert breakers.paused() == ("youtube",)
    assert world.value("site_breaker_open", site="youtube") == world.value("site_breaker_open") == 1
    await trio.sleep(0.2)
    assert breakers.paused() == ()
    assert world.value("site_breaker_open") == 0


async def test_jobs_that_had_begun_before_change_nothing(world: World, autojump_clock: MockClock) -> None:
    """While a site is paused neither a failure makes it longer nor a success makes it shorter."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    breakers.trip("youtube")
    await breakers.keep("youtube")
    await trio.sleep(5)
    assert breakers.trip("youtube") is None
    await breakers.reset("youtube")
    assert breakers.paused() == ("youtube",)
    assert world.storage.one("SELECT failures FROM site_breakers") == 1


async def test_a_trial_that_works_closes_it(world: World, autojump_clock: MockClock) -> None:
    """After the pause a success forgets the failures before; so the next pause is a first one."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    await pause(breakers)
    await pause(breakers)
    await breakers.reset("youtube")
    assert world.storage.one("SELECT COUNT(*) FROM site_breakers") == 0
    assert breakers.trip("youtube") == 600


async def test_a_restart_knows_the_pauses(world: World, autojump_clock: MockClock) -> None:
    """A new process asks a paused site nothing, and counts on from the failures before."""
    first = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    await pause(first)
    assert first.trip("youtube") == 1200
    await first.keep("youtube")
    second = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    await second.load()
    assert second.paused() == ("youtube",)
    await trio.sleep(1200)
    assert second.trip("youtube") == 2400


@pytest.mark.parametrize("ahead_seconds", [-7 * 86400, 86400])
async def test_a_wall_clock_that_is_set_makes_no_pause_longer(
    world: World, autojump_clock: MockClock, ahead_seconds: float
) -> None:
    """A pause lasts as long as was said, whatever the clock does; over a restart never more than the longest."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    breakers.trip("youtube")
    world.clock.ahead_seconds = ahead_seconds
    await trio.sleep(599)
    assert breakers.paused() == ("youtube",)
    await trio.sleep(2)
    assert breakers.paused() == ()
    breakers.trip("youtube")
    await breakers.keep("youtube")
    world.clock.ahead_seconds = 2 * ahead_seconds
    after = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    await after.load()
    await trio.sleep(LONGEST_PAUSE_SECONDS + 1)
    assert after.paused() == ()


async def test_sites_that_are_not_told_apart_are_not_paused(world: World, autojump_clock: MockClock) -> None:
    """One unknown site's check must not pause every unknown site."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    assert breakers.trip("other") is None
    assert breakers.paused() == ()


async def test_a_pause_stands_when_it_cannot_be_stored(world: World, autojump_clock: MockClock) -> None:
    """The caller learns of the failure; the site is left alone all the same."""
    breakers = SiteBreakers(world.storage, world.metrics, clock=world.clock)
    breakers.trip("youtube")
    world.storage.fault = StorageError("full", reason="full")
    with pytest.raises(StorageError):
        await breakers.keep("youtube")
    assert breakers.paused() == ("youtube",)
