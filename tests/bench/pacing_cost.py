"""What the budgets cost the processor: a message sent with them against one sent without any.

Our client calls a Telegram that lies in the same thread (no socket, no HTTP/1.1), under a clock that jumps over every
wait: so a thousand people are answered at 30 a second within moments, and CPU time is all there is to measure. With a
real connection a call costs several times more, so the share found here is the most that pacing can be of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import trio
from trio.testing import MockClock

from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.coordination import Coordination
from doradura.telegram.observer import SilentObserver
from doradura.telegram.pacing import Pace
from tests.bench.figures import Row, Series

TOKEN = "700003:PACINGAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BUDGETS = Pace()
NONE = Pace(bot_per_second=math.inf, chat_per_second=math.inf, group_per_minute=math.inf)
MESSAGES = 2_000
PEOPLE = 1_000
ANSWER = b'{"ok":true,"result":{"message_id":7,"date":1,"chat":{"id":5,"type":"private"},"text":"hi"}}'

Sending = Callable[[BotApi], Awaitable[None]]


async def measure(runs: int, directory: Path) -> Row:
    """Measure calls that need not wait, then a backlog in which nearly all do; turns are taken, budgets first."""
    row = Row()
    for label, sending in (("nobody waits", _one_by_one), ("a thousand wait", _all_at_once)):
        found: dict[Pace, list[float]] = {BUDGETS: [], NONE: []}
        for turn in range(runs + 1):
            for pace, taken in found.items():
                cost = await trio.to_thread.run_sync(partial(_cpu_of, sending, pace))
                if turn:  # the first of each warms up
                    taken.append(1e6 * cost / MESSAGES)
        row.compare(
            label,
            ours=Series("with budgets", found[BUDGETS], "us a message"),
            theirs=Series("without", found[NONE], "us"),
        )
    return row


def _cpu_of(sending: Sending, pace: Pace) -> float:
    """Return this thread's CPU seconds for all messages, in an event loop of its own."""

    async def work() -> float:
        async with open_bot_api(
            TOKEN,
            api_url="http://127.0.0.1:1",
            observer=SilentObserver(),
            make_transport=partial(httpx.MockTransport, _answer),
            coordination=Coordination(pace),
        ) as api:
            began = time.thread_time()
            await sending(api)
            return time.thread_time() - began

    return trio.run(work, clock=MockClock(autojump_threshold=0))


async def _answer(request: httpx.Request) -> httpx.Response:
    await request.aread()
    return httpx.Response(200, content=ANSWER)


async def _one_by_one(api: BotApi) -> None:
    """Send at a rate that the budgets allow: a turn is taken at once."""
    for number in range(MESSAGES):
        await api.send_message(1_000 + number % PEOPLE, "hello")
        await trio.sleep(0.05)


async def _all_at_once(api: BotApi) -> None:
    """Let everybody's messages wait together, as after an outage."""
    limit = trio.CapacityLimiter(PEOPLE)

    async def send(user_id: int) -> None:
        async with limit:
            await api.send_message(user_id, "hello", deadline_seconds=math.inf)

    async with trio.open_nursery() as nursery:
        for number in range(MESSAGES):
            nursery.start_soon(send, 1_000 + number % PEOPLE)
