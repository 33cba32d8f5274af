"""A report with a picture, when the picture fails or Telegram does."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.charts import ChartError
from tests.doubles import GARBAGE, NEVER, TORN, Fault, ok, refusal
from tests.unit.chat.test_reports import PICTURE, answers, asked, downloads
from tests.wiring import World


@pytest.mark.parametrize("refused", [refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"), refusal(413, "too large")])
async def test_a_refused_picture_leaves_the_words(
    world: World, autojump_clock: MockClock, refused: httpx.Response
) -> None:
    """What Telegram takes no photo of is told in words."""
    world.drawings.picture = PICTURE
    world.telegram.fail("sendPhoto", refused)
    async with world.start() as bot:
        await downloads(world, bot)
        assert "<code>▁" in await asked(world, bot, "/analytics", count=2)


async def test_a_failed_drawing_leaves_the_words(world: World, autojump_clock: MockClock) -> None:
    """A child that crashes or takes too long costs the picture, not the report."""
    world.drawings.picture = ChartError("no picture within 20 s")
    async with world.start() as bot:
        await downloads(world, bot)
        assert "<code>▁" in await asked(world, bot, "/analytics")
    assert world.telegram.all("sendPhoto") == []


@pytest.mark.parametrize("lost", [TORN, GARBAGE, NEVER])
async def test_a_picture_that_may_be_there_is_told_in_words_besides(
    world: World, autojump_clock: MockClock, lost: Fault
) -> None:
    """A picture is never sent twice, and whoever asked has the figures."""
    world.drawings.picture = PICTURE
    world.telegram.fail("sendPhoto", lost)
    async with world.start() as bot:
        await downloads(world, bot)
        assert "<code>▁" in await asked(world, bot, "/analytics", count=2)
        await trio.sleep(3600)
    assert len(world.telegram.all("sendPhoto")) == 1
    assert len(answers(world)) == 2


async def test_an_odd_answer_to_a_picture_is_an_answer(world: World, autojump_clock: MockClock) -> None:
    """Telegram said ok: the picture is there, and the words stand below it."""
    world.drawings.picture = PICTURE
    world.telegram.fail("sendPhoto", ok({"message": "odd"}))
    async with world.start() as bot:
        await downloads(world, bot)
        await asked(world, bot, "/analytics")
        await trio.sleep(3600)
    assert len(answers(world)) == 1
