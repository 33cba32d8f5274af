"""Progress messages: how often they are edited, and that the id of each is kept."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.board import EDIT_INTERVAL_SECONDS, Board, ProgressMessage
from doradura.downloads.stages import (
    Accepted,
    Cancelled,
    Converting,
    Failed,
    Sending,
    Stage,
    Starting,
    Waiting,
    Working,
)
from doradura.media.reasons import Reason
from doradura.storage import StorageError
from doradura.storage.jobs import Job
from doradura.telegram.client import open_bot_api
from doradura.telegram.errors import ForbiddenError
from doradura.telegram.observer import SilentObserver
from doradura.telegram.types import Keyboard
from tests.doubles import BLOCKED, SERVER_ERROR, TOKEN, TORN
from tests.jobs import running_job
from tests.wiring import LINK, USER, World

JOB = running_job(user_id=USER, chat_id=USER, reply_to=5, url=LINK, cache_key=LINK, state="waiting")


class Words:
    """A presenter whose text is the stage's name."""

    def stage(self, job: Job, stage: Stage) -> tuple[str, Keyboard | None]:  # noqa: ARG002 - as the protocol has it
        if isinstance(stage, Converting) and not stage.title:
            raise ZeroDivisionError
        return type(stage).__name__, None


@asynccontextmanager
async def board_of(world: World) -> AsyncIterator[Board]:
    """A running board."""
    async with (
        open_bot_api(
            TOKEN, observer=SilentObserver(), draw=lambda: 1.0, make_transport=world.telegram.transport
        ) as api,
        trio.open_nursery() as nursery,
    ):
        broke = world.metrics.errors.labels(category="internal").inc
        board = Board(api, world.storage, Words(), clock=world.clock, broke=broke)
        await nursery.start(board.run)
        yield board
        nursery.cancel_scope.cancel()


def stands(world: World) -> list[str]:
    """Return the texts in the chat."""
    return world.telegram.words_in(USER)


async def shown(world: World, message: ProgressMessage, stage: Stage) -> None:
    """Show a stage and wait until the message has its text."""
    message.show(stage)
    await world.changes.until(lambda: stands(world) == [type(stage).__name__])


async def test_edits_keep_their_pace_and_show_the_latest(world: World, autojump_clock: MockClock) -> None:
    """However often a stage changes there is an edit in three seconds at most, and it shows the last one."""
    async with board_of(world) as board:
        message = board.progress_message(JOB)
        for _ in range(40):
            message.show(Working())
            await trio.sleep(0.1)
            message.show(Converting("x"))
            await trio.sleep(0.1)
        message.show(Sending("x"))
        await trio.sleep(10)
    times = [call.at for call in world.telegram.called]
    assert len(times) == 4
    assert [later - at for at, later in itertools.pairwise(times)] == pytest.approx([EDIT_INTERVAL_SECONDS] * 3)
    assert world.telegram.texts() == ["Accepted"]
    assert world.telegram.texts("editMessageText")[-1] == "Sending"


async def test_the_same_text_is_not_sent_again(world: World, autojump_clock: MockClock) -> None:
    """A stage that reads as before costs no request."""
    async with board_of(world) as board:
        message = board.progress_message(JOB)
        for _ in range(5):
            message.show(Working())
            await trio.sleep(5)
    assert len(world.telegram.called) == 2


async def test_a_first_message_says_what_stays_true(world: World, autojump_clock: MockClock) -> None:
    """This holds until its id is stored, since a kill before that leaves the message for ever. Then it is edited."""
    async with board_of(world) as board:
        board.progress_message(JOB).show(Waiting(8))
        await world.changes.until(lambda: stands(world))
        assert stands(world) == ["Accepted"]
        await world.changes.until(lambda: stands(world) == ["Waiting"])
    assert len(world.telegram.texts()) == 1


async def test_a_first_message_that_fails_waits_for_the_next_change(world: World, autojump_clock: MockClock) -> None:
    """A message whose answer never came may exist, so it is not sent again before the next change."""
    async with board_of(world) as board:
        message = board.progress_message(JOB)
        world.telegram.fail("sendMessage", *[TORN] * 100)
        message.show(Working())
        await trio.sleep(60)
        tried = len(world.telegram.all("sendMessage"))
        await trio.sleep(60)
        assert len(world.telegram.all("sendMessage")) == tried
        world.telegram.faults.clear()
        message.show(Sending("x"))
        await world.changes.until(lambda: stands(world)[-1] == "Sending")


async def test_the_message_is_remembered(world: World, autojump_clock: MockClock) -> None:
    """The message's id is stored in the job's row, again and again if the database fails."""
    world.storage.db.execute(
        "INSERT INTO jobs (job_id, user_id, chat_id, url, cache_key, site, variant, plan, language, state,"
        " place, created_ms) VALUES (1, 1, 1, '', '', '', '', '', '', 'waiting', 0, 0)"
    )
    world.storage.faults.extend([StorageError("busy")] * 3)
    async with board_of(world) as board:
        board.progress_message(JOB).show(Accepted())
        await world.changes.until(lambda: world.storage.one("SELECT message_id FROM jobs") == world.telegram.last_id)
        assert await board.progress_message(JOB).hand_over() == world.telegram.last_id
    assert len(world.telegram.called) == 1


async def test_settling_waits_for_the_call_on_its_way(world: World, autojump_clock: MockClock) -> None:
    """A first message that is still being sent is neither cancelled nor forgotten: `hand_over` returns its id."""
    world.telegram.fail("sendMessage", SERVER_ERROR, SERVER_ERROR)
    async with board_of(world) as board:
        message = board.progress_message(JOB)
        message.show(Working())
        await world.changes.until(lambda: world.telegram.called)
        assert await message.hand_over() == world.telegram.last_id
        message.show(Sending("x"))
        await trio.sleep(30)
    assert stands(world) == ["Accepted"]


async def test_removing_takes_the_message_away(world: World, autojump_clock: MockClock) -> None:
    """Also one that is sent in that moment; a message that never showed anything removes nothing."""
    async with board_of(world) as board:
        await board.progress_message(JOB).remove()
        assert world.telegram.called == []
        board.drop(JOB.job_id)
        message = board.progress_message(JOB)
        message.show(Working())
        await trio.lowlevel.checkpoint()
        await message.remove()
    assert stands(world) == []


async def test_the_end_comes_at_once_in_the_old_message(world: World, autojump_clock: MockClock) -> None:
    """The pause between edits delays progress, but never the outcome."""
    async with board_of(world) as board:
        await shown(world, board.progress_message(JOB), Working())
        before = trio.current_time()
        await board.progress_message(JOB).show_outcome(Cancelled())
        assert trio.current_time() == before
    assert stands(world) == ["Cancelled"]
    assert len(world.telegram.texts()) == 1


async def test_the_end_makes_a_new_message_where_the_old_is_gone(world: World, autojump_clock: MockClock) -> None:
    """As a reply to the message that asked."""
    async with board_of(world) as board:
        await shown(world, board.progress_message(JOB), Working())
        world.telegram.messages.clear()
        board.progress_message(JOB).show(Sending("x"))
        await trio.sleep(10)
        assert stands(world) == []
        assert await board.progress_message(JOB).hand_over() is None
        await board.progress_message(JOB).show_outcome(Failed(Reason.GONE))
    assert stands(world) == ["Failed"]
    assert world.telegram.all("sendMessage")[-1].parameters["reply_parameters"]["message_id"] == 5


async def test_what_telegram_refuses_ends_no_progress_message(world: World, autojump_clock: MockClock) -> None:
    """After a refused edit the next change is shown. A refusal of the outcome is raised to the caller."""
    async with board_of(world) as board:
        message = board.progress_message(JOB)
        await shown(world, message, Working())
        world.telegram.fail("editMessageText", BLOCKED)
        message.show(Converting("x"))
        await trio.sleep(5)
        assert stands(world) == ["Working"]
        await shown(world, message, Sending("x"))
        world.telegram.fail("editMessageText", BLOCKED)
        with pytest.raises(ForbiddenError):
            await message.show_outcome(Failed(Reason.GONE))


async def test_a_fault_in_the_words_ends_no_progress_message(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A presenter that raises is logged with its traceback and counted, and the next stage is shown."""
    async with board_of(world) as board:
        board.progress_message(JOB).show(Converting(""))
        await trio.sleep(5)
        await shown(world, board.progress_message(JOB), Working())
    assert [record.message for record in caplog.records if record.exc_info] == ["progress not shown"]
    assert world.value("errors_total", category="internal") == 1


async def test_a_restart_goes_on_in_the_same_message(world: World, autojump_clock: MockClock) -> None:
    """A job that knows its message is shown there by the next program."""
    async with board_of(world) as board:
        await shown(world, board.progress_message(JOB), Working())
    async with board_of(world) as board:
        await shown(world, board.progress_message(replace(JOB, message_id=world.telegram.last_id)), Sending("x"))
    assert len(world.telegram.texts()) == 1


async def test_what_was_to_start_and_waits_says_so(world: World, autojump_clock: MockClock) -> None:
    """If somebody else took the worker slot, the message says that the job waits and not that it starts."""
    async with board_of(world) as board:
        board.progress_message(JOB).show(Starting())
        await world.changes.until(lambda: stands(world) == ["Starting"])
        board.show_positions([JOB.job_id], 1)
        await trio.sleep(5)
        assert stands(world) == ["Starting"]
        board.show_positions([JOB.job_id], 0)
        await world.changes.until(lambda: stands(world) == ["Waiting"])
