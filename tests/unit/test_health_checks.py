"""What /health says of Telegram, measured on the parts themselves."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from doradura.health import CheckResult
from doradura.health_checks import poll_check
from doradura.telegram.holds import MANY_CHATS
from doradura.telegram.pacing import Pacer
from doradura.telegram.poller import Poller


async def check(pacer: Pacer, poller: Poller | None = None) -> CheckResult:
    """Ask the check."""
    return await poll_check(lambda: poller, pacer)


async def test_a_held_method_is_shown_as_degraded_while_it_lasts(autojump_clock: MockClock) -> None:
    """With its name and the seconds left; over, it is no fault any more."""
    pacer = Pacer()
    pacer.hold("answerCallbackQuery", until=trio.current_time() + 3600)
    await trio.sleep(20)
    found = await check(pacer)
    assert found.status == "degraded"
    assert "answerCallbackQuery for another 40 s" in str(found.message)
    assert (found.facts["held"], found.facts["held_seconds_left"]) == ("answerCallbackQuery", 40.0)
    await trio.sleep(40)
    assert (await check(pacer)).facts["held"] is None


async def test_a_hold_of_the_whole_bot_is_shown_as_degraded(autojump_clock: MockClock) -> None:
    """One chat's wait, however long, is counted and is no fault."""
    pacer = Pacer()
    for chat in range(1, MANY_CHATS):
        pacer.hold(chat, until=trio.current_time() + 3600)
    found = await check(pacer)
    assert (found.facts["held"], found.facts["chats_told_to_wait"]) == (None, MANY_CHATS - 1)
    pacer.hold(MANY_CHATS, until=trio.current_time() + 30)
    found = await check(pacer)
    assert found.status == "degraded"
    assert "messages to every chat for another 30 s" in str(found.message)
