"""What the client makes of the budgets: which calls wait, which edits are merged, and what is given up."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from doradura.telegram import errors
from doradura.telegram.client import BotApi
from doradura.telegram.coordination import Coordination
from doradura.telegram.holds import MANY_CHATS
from doradura.telegram.media import Media, Upload
from doradura.telegram.pacing import EVERY_CHAT, Priority
from doradura.telegram.types import Button
from tests.wiring import without_threads_and_chance


def edits(telegram: Any) -> list[tuple[float, str]]:
    """Each text edit that went out: seconds since the first request, and its text."""
    return [
        (at, asked.parameters["text"])
        for at, asked in zip(telegram.times, telegram.asked, strict=True)
        if asked.method == "editMessageText"
    ]


async def use_up(api: BotApi, chat_id: int) -> None:
    """Send what a chat's burst allows."""
    for _ in range(20):
        await api.send_message(chat_id, "x")


async def test_only_what_puts_something_into_a_chat_waits_for_its_budget(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """The twenty-first message waits a second; actions, deletions and a pressed button's answer do not."""
    await use_up(api, 5)
    telegram.last = make.ok(True)
    await api.send_chat_action(5)
    await api.delete_message(5, 7)
    await api.answer_callback_query("1")
    assert telegram.times == [0.0] * 23
    telegram.last = make.ok(make.message)
    await api.send_message(5, "late")
    assert telegram.times[-1] == 1.0


async def test_waiting_edits_of_a_message_are_merged(
    api: BotApi, telegram: Any, seen: Any, autojump_clock: MockClock
) -> None:
    """Three wait: the newest goes out, once, and the older ones count as done at once; another message's are apart."""
    done: list[tuple[str, float]] = []

    async def edit(message_id: int, text: str) -> None:
        await api.edit_message_text(5, message_id, text)
        done.append((text, round(trio.current_time(), 3)))

    await use_up(api, 5)
    async with trio.open_nursery() as nursery:
        for message_id, text in ((7, "10 %"), (7, "20 %"), (8, "else"), (7, "30 %")):
            nursery.start_soon(edit, message_id, text)
            await trio.testing.wait_all_tasks_blocked()
    assert sorted(edits(telegram)) == [(1.0, "else"), (2.0, "30 %")]
    assert sorted(done) == [("10 %", 0.0), ("20 %", 0.0), ("30 %", 2.0), ("else", 1.0)]


async def test_an_older_edit_never_lands_after_a_newer_one(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """The old one failed and would be repeated: the new one goes in its place. One on its way is waited for."""

    async def slow() -> Any:
        await trio.sleep(4)
        return make.ok(make.message)

    telegram.steps = [make.refusal(500, "Internal Server Error: restart"), slow]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.edit_message_text, 5, 7, "old")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(api.edit_message_text, 5, 7, "newer")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(api.edit_message_text, 5, 7, "newest")
    assert edits(telegram) == [(0.0, "old"), (0.0, "newer"), (4.0, "newest")]


async def test_alerts_pass_replies_and_progress_goes_last(
    api: BotApi, telegram: Any, autojump_clock: MockClock
) -> None:
    """In the order of their worth, when the chat has to wait."""
    await use_up(api, 5)
    async with trio.open_nursery() as nursery:
        kinds: tuple[Priority, ...] = ("progress", "reply", "alert")
        for priority in kinds:
            nursery.start_soon(lambda kind: api.send_message(5, kind, priority=kind), priority)
            await trio.testing.wait_all_tasks_blocked()
    assert [asked.parameters["text"] for asked in telegram.asked[20:]] == ["alert", "reply", "progress"]


async def test_what_gets_no_permit_in_its_time_is_given_up(
    api: BotApi, telegram: Any, seen: Any, autojump_clock: MockClock
) -> None:
    """Thirty wait with ten seconds each: ten go out, the others say so at their time's end, and are counted."""
    given_up = []

    async def send() -> None:
        try:
            await api.send_message(5, "x", deadline_seconds=10.5)
        except errors.DeadlineExceededError as error:
            given_up.append((round(trio.current_time(), 1), error.unconfirmed, error.attempts))

    await use_up(api, 5)
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(send)
    assert len(telegram.asked) == 30
    assert given_up == [(10.5, False, 0)] * 20
    assert seen.abandoned == ["sendMessage"] * 20
    assert seen.limited == ["local"] * 30


async def test_a_chat_that_was_told_to_wait_is_one_error(
    api: BotApi, telegram: Any, seen: Any, make: Any, autojump_clock: MockClock
) -> None:
    """What is tried in vain while a chat waits for an hour is no further error: its 429 was one, and no fault of ours.

    An answer to a person is tried once a minute: counted each time, one chat would ring ErrorsGoOn for all.
    """
    telegram.last = make.refusal(429, "Too Many Requests: retry after 3600", retry_after=3600)
    kinds: tuple[Priority, ...] = ("reply", "reply", "alert", "progress")
    for priority in kinds:
        with pytest.raises(errors.DeadlineExceededError):
            await api.send_message(5, "x", priority=priority)
        await trio.sleep(60)
    with pytest.raises(errors.DeadlineExceededError):
        await api.edit_message_text(5, 1, "x")
    assert len(telegram.asked) == 1
    assert seen.abandoned == ["sendMessage"]


async def test_429s_of_two_chats_hold_no_third(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """Chat A is told an hour, chat B a second: everybody else is answered at once, B after its second."""
    telegram.steps = [make.refusal(429, "Too Many Requests", retry_after=seconds) for seconds in (3600, 1)]
    with pytest.raises(errors.DeadlineExceededError):
        await api.send_message(5, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.send_message, 6, "b")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(api.send_message, 7, "c")
    assert telegram.times == [0.0, 0.0, 0.0, 2.0]
    assert [asked.parameters["chat_id"] for asked in telegram.asked] == [5, 6, 7, 6]


async def test_a_limit_of_the_whole_bot_is_tried_by_one_call(
    open_api: Any, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """Chat after chat is told an hour: from then on one message a minute finds out, an alert at once; then all go."""
    telegram.last = make.refusal(429, "Too Many Requests", retry_after=3600)
    coordination = Coordination()
    taken = []

    async def send(api: BotApi, chat: int) -> None:
        with contextlib.suppress(errors.DeadlineExceededError):
            await api.send_message(chat, "x", deadline_seconds=1000)
            taken.append(chat)

    async with open_api(coordination=coordination) as api, trio.open_nursery() as nursery:
        for chat in range(1, 1 + MANY_CHATS):
            await send(api, chat)
        for chat in range(20, 30):
            nursery.start_soon(send, api, chat)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(130)
        assert telegram.times == [0.0] * MANY_CHATS + [60.0, 120.0]
        assert coordination.pacer.holds() == [(EVERY_CHAT, 50)]
        telegram.last = make.ok(make.message)
        await api.send_message(1000, "alert", priority="alert")
    assert coordination.pacer.holds() == []
    assert sorted(taken) == list(range(22, 30))
    assert telegram.times[-9:] == [130.0] * 9


async def test_a_method_that_was_refused_is_tried_by_one_call(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """A 429 on one press holds all presses for a minute at most; one tries, the others go when it was taken."""
    telegram.steps = [make.refusal(429, "Too Many Requests", retry_after=3600)]
    with pytest.raises(errors.DeadlineExceededError):
        await api.answer_callback_query("1")

    async def slow() -> Any:
        await trio.sleep(3)
        return make.ok(True)

    telegram.steps = [slow]
    telegram.last = make.ok(True)
    await trio.sleep(30)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(api.answer_callback_query, str(number))
    assert telegram.times == [0.0, 60.0, *[63.0] * 4]


async def test_an_edit_behind_one_that_does_not_end_has_its_time_too(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """It is given up at its deadline, with nothing sent."""

    async def never() -> Any:
        await trio.sleep(30)
        return make.ok(make.message)

    telegram.steps = [never]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.edit_message_text, 5, 7, "slow")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await api.edit_message_text(5, 7, "late", deadline_seconds=5)
        assert trio.current_time() == 5
    assert not caught.value.unconfirmed
    assert edits(telegram)[0] == (0.0, "slow")
    assert "late" not in [text for _, text in edits(telegram)]


async def test_a_group_that_moved_is_followed(
    open_api: Any, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """The call goes to the new id at once, later ones do so by themselves, and the app is told, once."""
    told: list[tuple[int, int]] = []

    async def migrated(old: int, new: int) -> None:
        await trio.lowlevel.checkpoint()
        told.append((old, new))

    coordination = Coordination(on_migrated=migrated)
    coordination.restore_moves({-1: -5})
    telegram.steps = [
        make.refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1005)
    ]
    async with open_api(coordination=coordination) as api:
        await api.send_message(-5, "hi", reply_to=7)
        # Message ids began anew there: 7 is somebody else's message now.
        with pytest.raises(errors.MessageNotFoundError):
            await api.edit_message_text(-5, 7, "there")
        await api.delete_message(-5, 7)
        await api.send_message(-1, "old friend")
    assert [asked.parameters["chat_id"] for asked in telegram.asked] == [-5, -1005, -1005]
    assert ["reply_parameters" in asked.parameters for asked in telegram.asked] == [True, False, False]
    assert told == [(-5, -1005)]


async def test_a_group_that_moves_in_circles_is_an_error(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """It is followed once for a call, whatever Telegram says."""
    telegram.last = make.refusal(400, "Bad Request: upgraded", migrate_to_chat_id=-5)
    with pytest.raises(errors.ChatMigratedError):
        await api.send_message(-5, "hi")
    assert len(telegram.asked) == 2


async def test_a_long_text_goes_in_pieces(api: BotApi, telegram: Any, autojump_clock: MockClock) -> None:
    """The first is the reply, the last has the buttons; an edit and a caption are cut."""
    text = "<b>" + "word " * 1000 + "</b>"
    buttons = ((Button(text="b", callback_data="d"),),)
    await api.send_message(5, text, reply_to=3, keyboard=buttons)
    await api.edit_message_text(5, 7, text)
    await api.send_media(5, Media("audio", "FILEID", caption=text))
    first, last, edit, media = (asked.parameters for asked in telegram.asked)
    assert (first["reply_parameters"]["message_id"], "reply_markup" in first) == (3, False)
    assert ("reply_parameters" in last, "reply_markup" in last) == (False, True)
    assert first["text"].count("word") + last["text"].count("word") == 1000
    assert last["text"].startswith("<b>word")
    assert edit["text"].endswith("word…</b>")
    assert media["caption"].endswith("word…</b>")


async def test_an_edit_that_was_superseded_behind_a_slow_one_is_done(
    api: BotApi, telegram: Any, make: Any, seen: Any, autojump_clock: MockClock
) -> None:
    """It waited for the one on its way until its time was over; as a newer one came meanwhile, nothing is given up."""

    async def slow() -> Any:
        await trio.sleep(15)
        return make.ok(make.message)

    telegram.steps = [slow]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.edit_message_text, 5, 7, "slow")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(lambda: api.edit_message_text(5, 7, "old", deadline_seconds=5))
        await trio.sleep(1)
        nursery.start_soon(api.edit_message_text, 5, 7, "new")
    assert edits(telegram) == [(0.0, "slow"), (15.0, "new")]
    assert seen.abandoned == []


async def test_a_busy_group_holds_up_no_other_upload(
    api: BotApi, telegram: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Its files wait for their permits without a connection, so that another chat's file goes at once."""
    without_threads_and_chance(monkeypatch)
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")
    song = Media(kind="audio", file=Upload(path, "a.mp3", "audio/mpeg"))
    for _ in range(20):
        await api.send_message(-5, "x")
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(api.send_media, -5, song)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(1):
            await api.send_media(6, song)
        nursery.cancel_scope.cancel()
