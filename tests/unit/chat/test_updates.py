"""Edits, several links, questions before payments, payments nobody expected, and files that are too large."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from doradura.media.protocol import Failure, Metadata, Size
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.telegram.updates import RawUpdate
from tests.doubles import refusal
from tests.wiring import LINK, USER, World, raw_update

OTHER = "https://media.example/other"
PAYMENT = {
    "currency": "XTR",
    "total_amount": 5,
    "invoice_payload": "x",
    "telegram_payment_charge_id": "ch-1",
    "provider_payment_charge_id": "",
}


def update(world: World, kind: str, **content: Any) -> RawUpdate:
    """An update of any kind from the user."""
    world.last_update += 1
    return raw_update(world.last_update, {kind: content})


def edit(world: World, message_id: int, text: str) -> RawUpdate:
    """The update of a message that says something else now."""
    user = {"id": USER, "first_name": "Ann", "language_code": "en"}
    chat = {"id": USER, "type": "private"}
    content = {"message_id": message_id, "date": 1, "edit_date": 2, "chat": chat, "from": user, "text": text}
    return update(world, "edited_message", **content)


async def test_an_edit_that_brings_a_link_is_answered(world: World, autojump_clock: MockClock) -> None:
    """What was no link is one now; the same edit again, and talk, are passed over."""
    async with world.start() as bot:
        await world.say(bot, world.message("media.exmaple"))
        message_id = world.last_update
        for text in (LINK, LINK + " !", "never mind"):
            await world.say(bot, edit(world, message_id, text))
        await world.changes.until(lambda: world.telegram.texts("editMessageText"))
    assert world.storage.one("SELECT COUNT(*) FROM offers") == 1
    assert world.storage.one("SELECT reply_to FROM offers") == message_id
    assert len(world.telegram.texts()) == 2
    assert world.value("updates_total", type="edited_message") == 3


async def test_an_edited_download_is_not_started_twice(world: World, autojump_clock: MockClock) -> None:
    """Another link is another wish."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp3"))
        message_id = world.last_update
        await world.say(bot, edit(world, message_id, f"/download {LINK} mp4"))
        assert world.storage.one("SELECT COUNT(*) FROM jobs") == 1
        await world.say(bot, edit(world, message_id, f"/download {OTHER}"))
        await world.ended(2)
    assert world.states() == ["done", "done"]


async def test_the_first_links_of_a_message_are_offered(world: World, autojump_clock: MockClock) -> None:
    """Each once, three at most, and how many are left is said."""
    links = [f"https://media.example/{number}" for number in range(5)]
    async with world.start() as bot:
        await world.say(bot, world.message(" ".join([links[0], *links])))
        await world.changes.until(lambda: len(world.telegram.texts("editMessageText")) == 3)
    found = [row[0] for row in world.storage.db.execute("SELECT url FROM offers ORDER BY offer_id")]
    assert found == links[:3]
    assert any("first 3 links of a message. 2 are left" in text for text in world.telegram.texts())


async def test_the_question_before_a_payment_is_answered_with_no(world: World, autojump_clock: MockClock) -> None:
    """Nothing is sold; the payer reads why."""
    asked = {"from": {"id": USER, "first_name": "Ann"}, "currency": "XTR", "total_amount": 5, "invoice_payload": "x"}
    async with world.start() as bot:
        await world.say(bot, update(world, "pre_checkout_query", id="pc1", **asked))
    (call,) = world.telegram.called
    assert call.method == "answerPreCheckoutQuery"
    assert (call.parameters["pre_checkout_query_id"], call.parameters["ok"]) == ("pc1", False)
    assert "you were not charged" in call.parameters["error_message"]


@pytest.mark.parametrize(("kind", "words"), [("successful_payment", "paid"), ("refunded_payment", "was refunded")])
async def test_money_that_moves_is_never_passed_over(
    world: World, autojump_clock: MockClock, kind: str, words: str
) -> None:
    """The payer is told, the admins have a note, and it counts as an error of payments."""
    notice: dict[str, Any] = {kind: PAYMENT}
    async with world.start() as bot:
        await world.say(bot, world.message(None, **notice))
    assert "ch-1" in world.telegram.texts()[0]
    summary = world.storage.one("SELECT summary FROM alert_incidents WHERE alertname = 'UnexpectedPayment'")
    assert words in summary
    assert "ch-1" in summary
    assert world.value("errors_total", category="payment") == 1


async def test_a_subscription_nobody_has_is_noted(world: World, autojump_clock: MockClock) -> None:
    """It is marked as handled and answered by nothing."""
    async with world.start() as bot:
        user = {"id": USER, "first_name": "Ann"}
        await world.say(bot, update(world, "subscription", user=user, invoice_payload="x", state="canceled"))
    assert world.telegram.called == []
    assert world.value("updates_total", type="subscription") == 1


async def test_what_is_too_large_starts_again_smaller_with_one_press(world: World, autojump_clock: MockClock) -> None:
    """After a restart too; somebody else's press, and a button whose download is unknown, start nothing."""
    world.workers.follow([Failure(reason=Reason.TOO_LARGE, detail="60 MB")])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp4 720p"))
        await world.ended()
    job_id = world.storage.one("SELECT job_id FROM jobs")
    told = (world.telegram.all("editMessageText") or world.telegram.all("sendMessage"))[-1].parameters
    assert "50 MB at most" in told["text"]
    shown = [button["callback_data"] for row in told["reply_markup"]["inline_keyboard"] for button in row]
    assert shown == [f"s:{job_id}:{choice}" for choice in ("mp4:480p", "mp4:360p", "m4a:default", "mp3:128k")]
    async with world.start() as bot:
        await world.say(bot, world.press(shown[0], user=7), world.press("s:1:mp4:480p"))
        assert world.storage.one("SELECT COUNT(*) FROM jobs") == 1
        await world.say(bot, world.press(shown[0]), world.press(shown[0]))
        await world.ended(2)
    assert sorted(world.states()) == ["done", "failed"]
    assert len(world.telegram.all("answerCallbackQuery")) == 4


async def test_a_failure_is_tried_again_with_one_press(world: World, autojump_clock: MockClock) -> None:
    """Its message becomes the new download's. Once, also after a restart, and for nobody else."""
    world.workers.follow([Failure(reason=Reason.SITE_ERROR, detail="500", final=True)])
    world.workers.follow([Failure(reason=Reason.INTERNAL, detail="odd")])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp4 720p"), world.message(f"/download {LINK}2"))
        await world.ended(2)
    first, second = (row[0] for row in world.storage.db.execute("SELECT job_id FROM jobs ORDER BY reason DESC"))
    told = {
        button["callback_data"]: call.parameters["message_id"]
        for call in world.telegram.all("editMessageText")
        for row in (call.parameters.get("reply_markup") or {"inline_keyboard": []})["inline_keyboard"]
        for button in row
        if button["callback_data"].startswith("r:")
    }
    assert list(told) == [f"r:{second}"], "what would end the same way has no button"
    async with world.start() as bot:
        await world.say(bot, world.press(f"r:{second}", user=7), world.press("r:1"), world.press("r:x"))
        assert world.storage.one("SELECT COUNT(*) FROM jobs") == 2
        await world.say(bot, world.press(f"r:{second}"))
        await world.ended(3)
        await world.say(bot, world.press(f"r:{second}"))
    async with world.start() as bot:
        await world.say(bot, world.press(f"r:{second}"))
    assert sorted(world.states()) == ["done", "failed", "failed"]
    message_id = world.storage.one(f"SELECT message_id FROM jobs WHERE job_id NOT IN ({first}, {second})")
    assert message_id == told[f"r:{second}"]
    answers = [call.parameters["text"][:20] for call in world.telegram.all("answerCallbackQuery")]
    assert answers[3:] == ["Trying again: mp3 32", *["You've already used "] * 2]


async def test_a_silent_film_asked_for_as_a_song(world: World, autojump_clock: MockClock) -> None:
    """Its buttons go up to the height its worker found."""
    world.workers.follow([Failure(reason=Reason.UNSUPPORTED, detail="no sound", lacks="audio", lines=360)])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp3"))
        await world.ended()
    told = (world.telegram.all("editMessageText") or world.telegram.all("sendMessage"))[-1].parameters
    assert "This video has no sound" in told["text"]
    labels = [button["text"] for row in told["reply_markup"]["inline_keyboard"] for button in row]
    assert labels == ["mp4 360p"]


async def test_smaller_choices_are_known_to_fit(world: World, autojump_clock: MockClock) -> None:
    """Where the worker knows sizes, what would be refused again is not offered, and the buttons say what it weighs."""
    weights = {"720p": 90 << 20, "480p": 60 << 20, "360p": 30_000_000}
    sizes = tuple(Size(variant=Variant("mp4", word), size_bytes=size) for word, size in weights.items())
    world.workers.follow([Failure(reason=Reason.TOO_LARGE, detail="94 MB", sizes=sizes)])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK} mp4 720p"))
        await world.ended()
    told = (world.telegram.all("editMessageText") or world.telegram.all("sendMessage"))[-1].parameters
    assert "It would be 94.4 MB, and I can send 50 MB at most. Tap a smaller one:" in told["text"]
    labels = [button["text"] for row in told["reply_markup"]["inline_keyboard"] for button in row]
    assert labels == ["mp4 360p\u00a0· 30.0\u00a0MB", "m4a", "mp3 128k"]


async def test_an_offer_says_why_a_format_is_missing(world: World, autojump_clock: MockClock) -> None:
    """What would be too large has no button, and the words say so."""
    sizes = tuple(
        Size(variant=Variant("mp4", quality), size_bytes=size)
        for quality, size in (("1080p", 60 << 20), ("360p", 5 << 20))
    )
    world.workers.follow([Metadata(title="A film", sizes=sizes)])
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.telegram.texts("editMessageText"))
    (call,) = world.telegram.all("editMessageText")
    assert "Formats over 50 MB are left out" in call.parameters["text"]
    buttons = [button["text"] for row in call.parameters["reply_markup"]["inline_keyboard"] for button in row]
    assert not any("1080p" in text for text in buttons)
    assert any("360p" in text for text in buttons)


async def test_a_press_whose_answer_fails_is_answered_all_the_same(world: World, autojump_clock: MockClock) -> None:
    """Its effect is stored by then, so it is not tried again as a whole: an answer without words ends the spinner."""
    world.telegram.fail("answerCallbackQuery", refusal(400, "Bad Request: odd words"))
    async with world.start() as bot:
        await world.say(bot, world.press("c:1"))
        await world.changes.until(lambda: len(world.telegram.all("answerCallbackQuery")) == 2)
    assert "text" not in world.telegram.all("answerCallbackQuery")[1].parameters
