"""Sent once, where that can be known: what becomes of a file when Telegram answers badly, late or not at all."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.delivery import Delivery, Sent
from doradura.telegram.client import open_bot_api
from doradura.telegram.errors import (
    BadRequestError,
    ForbiddenError,
    TooLargeError,
    UnconfirmedError,
    WrongFileIdError,
)
from doradura.telegram.media import Media
from doradura.telegram.observer import SilentObserver
from tests.doubles import BLOCKED, DOWN, GARBAGE, NEVER, RATE_LIMITED, SERVER_ERROR, TOKEN, TORN, Fault, ok, refusal
from tests.wiring import USER, World

KNOWN = Media(kind="audio", file="file-9")
NOTHING_HERE = refusal(400, "Bad Request: message to edit not found")


async def send(world: World, *, maybe_sent: bool = False, card: bool = True) -> Sent:
    """Send a known file, with a progress message in the chat or none."""
    world.telegram.file_ids.add("file-9")

    async def hand_over() -> int | None:
        return message_id

    async with open_bot_api(
        TOKEN, observer=SilentObserver(), draw=lambda: 1.0, make_transport=world.telegram.transport
    ) as api:
        message_id = (await api.send_message(USER, "progress")).message_id if card else None
        return await Delivery(api, world.metrics).send(
            USER, KNOWN, reply_to=5, hand_over=hand_over, maybe_sent=maybe_sent, size_bytes=10
        )


async def test_a_file_is_sent_as_a_reply(world: World, autojump_clock: MockClock) -> None:
    """Without trouble it is one request, and the file id comes back."""
    assert await send(world) == Sent("file-9", in_progress_message=False)
    (call,) = world.telegram.all("sendAudio")
    assert call.parameters["reply_parameters"]["message_id"] == 5
    assert world.value("deliveries_unconfirmed_total") == 0


@pytest.mark.parametrize(
    ("faults", "seconds"),
    [
        ([RATE_LIMITED], 4.0),
        ([SERVER_ERROR] * 3, 0.25 + 0.5 + 1.0),
        ([DOWN] * 2, 0.25 + 0.5),
        ([SERVER_ERROR] * 30, 130.75),
    ],
)
async def test_what_was_surely_not_sent_is_sent_again(
    world: World, autojump_clock: MockClock, faults: list[Fault], seconds: float
) -> None:
    """After a 429, a 500 or no connection the file waits and then goes out once, however long that takes."""
    world.telegram.fail("sendAudio", *faults)
    assert await send(world) == Sent("file-9", in_progress_message=False)
    assert trio.current_time() == pytest.approx(seconds, abs=0.1)
    assert len(world.telegram.files_in(USER)) == 1
    assert world.telegram.words_in(USER) == ["progress"]
    assert world.value("deliveries_unconfirmed_total") == 0


async def test_the_chat_shows_that_something_comes(world: World, autojump_clock: MockClock) -> None:
    """While a file goes out its chat action is repeated every four seconds, and its failure is nobody's business."""
    world.telegram.fail("sendAudio", RATE_LIMITED, RATE_LIMITED)
    world.telegram.fail("sendChatAction", BLOCKED)
    await send(world)
    actions = world.telegram.all("sendChatAction")
    assert [call.parameters["action"] for call in actions] == ["upload_voice"] * len(actions)
    assert len(actions) >= 2


@pytest.mark.parametrize("fault", [TORN, GARBAGE])
async def test_a_file_whose_answer_is_lost_goes_into_the_progress_message(
    world: World, autojump_clock: MockClock, fault: Fault
) -> None:
    """It is not sent again: the edit can be repeated without harm. Counted."""
    world.telegram.fail("sendAudio", fault)
    assert await send(world) == Sent("file-9", in_progress_message=True)
    assert len(world.telegram.all("sendAudio")) == 1
    assert world.telegram.words_in(USER) == []
    assert world.value("deliveries_unconfirmed_total") == 1


async def test_the_edit_is_repeated_through_an_outage(world: World, autojump_clock: MockClock) -> None:
    """Even one that may have been done is done again, not replaced by another sending."""
    world.telegram.fail("sendAudio", TORN)
    world.telegram.fail("editMessageMedia", TORN, *[DOWN] * 60)
    assert (await send(world)).in_progress_message
    assert trio.current_time() > 120
    assert len(world.telegram.all("sendAudio")) == 1


async def test_a_silent_telegram_ends_the_first_sending_as_unknown(world: World, autojump_clock: MockClock) -> None:
    """No answer within the call's time is the same as a lost answer."""
    world.telegram.fail("sendAudio", NEVER)
    assert (await send(world)).in_progress_message
    assert len(world.telegram.all("sendAudio")) == 1


async def test_without_a_progress_message_it_is_sent_once_more(world: World, autojump_clock: MockClock) -> None:
    """A repeat is possible only here, and counted."""
    world.telegram.fail("sendAudio", TORN)
    assert await send(world, card=False) == Sent("file-9", in_progress_message=False)
    assert len(world.telegram.all("sendAudio")) == 2
    assert world.value("deliveries_unconfirmed_total") == 1


async def test_with_the_progress_message_deleted_it_is_sent_once_more(world: World, autojump_clock: MockClock) -> None:
    """A message the user deleted can't take the file."""
    world.telegram.fail("sendAudio", TORN)
    world.telegram.fail("editMessageMedia", NOTHING_HERE)
    assert await send(world) == Sent("file-9", in_progress_message=False)
    assert len(world.telegram.all("sendAudio")) == 2


async def test_unknown_for_the_second_time_is_an_error(world: World, autojump_clock: MockClock) -> None:
    """It is not sent a third time."""
    world.telegram.fail("sendAudio", TORN, TORN)
    with pytest.raises(UnconfirmedError):
        await send(world, card=False)
    assert len(world.telegram.all("sendAudio")) == 2


async def test_a_sending_cut_off_by_a_kill_begins_with_the_edit(world: World, autojump_clock: MockClock) -> None:
    """What may be with the user already is not sent as a new message."""
    assert (await send(world, maybe_sent=True)).in_progress_message
    assert world.telegram.all("sendAudio") == []
    assert world.value("deliveries_unconfirmed_total") == 1


async def test_a_file_that_is_there_already_is_a_success(world: World, autojump_clock: MockClock) -> None:
    """An edit whose answer was lost was done: "not modified" is its answer."""
    world.telegram.fail("editMessageMedia", TORN)
    assert await send(world, maybe_sent=True) == Sent("", in_progress_message=True)
    assert world.telegram.all("sendAudio") == []


@pytest.mark.parametrize("maybe_sent", [False, True])
async def test_an_answer_of_another_shape_is_an_answer(
    world: World, autojump_clock: MockClock, *, maybe_sent: bool
) -> None:
    """Telegram said ok: the file is there, whatever else it said, and is not sent again."""
    world.telegram.fail("editMessageMedia" if maybe_sent else "sendAudio", ok(result=True))
    assert await send(world, maybe_sent=maybe_sent) == Sent("", in_progress_message=maybe_sent)
    assert len(world.telegram.all("sendAudio")) == (0 if maybe_sent else 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (BLOCKED, ForbiddenError),
        (refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"), WrongFileIdError),
        (refusal(400, "Bad Request: CHAT_WRITE_RESTRICTED"), BadRequestError),
        (httpx.Response(413, text="<html>too large</html>"), TooLargeError),
    ],
)
async def test_what_no_repeat_mends_is_raised_as_it_is(
    world: World, autojump_clock: MockClock, answer: httpx.Response, error: type[Exception]
) -> None:
    """Not wrapped in a group, and after one request."""
    world.telegram.fail("sendAudio", answer)
    with pytest.raises(error):
        await send(world)
    assert len(world.telegram.all("sendAudio")) == 1


async def test_cancelled_it_leaves_at_once(world: World, autojump_clock: MockClock) -> None:
    """A deadline that ends in the middle of an outage is not held up."""
    world.telegram.down = True
    with trio.move_on_after(500) as scope:
        await send(world, card=False)
    assert scope.cancelled_caught
    assert trio.current_time() == 500
