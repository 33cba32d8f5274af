"""A link alone: answered at once with a keyboard, then with what is known of it."""

from __future__ import annotations

import errno
from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from doradura.chat.cards import keyboard, known_text
from doradura.chat.texts import Catalogues
from doradura.downloads.probes import POLICY, STARTS
from doradura.downloads.workspace import PROBE_SECONDS
from doradura.media.formats import FORMATS
from doradura.media.has import Has
from doradura.media.protocol import Failure, Metadata, Size, WorkerLostError
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.storage import StorageError, offers
from tests.doubles import BLOCKED, HANG, NEVER, Script
from tests.jobs import new_offer
from tests.wiring import LINK, USER, World

T = Catalogues().for_language(None)
KNOWN = Metadata(title="A <song>", performer="Ann", duration_seconds=205.0, has_video=True, extraction_seconds=1.5)


def offer(world: World) -> str:
    """The offer's state."""
    return str(world.storage.one("SELECT state FROM offers"))


async def looked(world: World) -> None:
    """Wait until the link was looked at."""
    await world.changes.until(lambda: offer(world) in {"known", "failed"})


def shown(world: World) -> dict[str, Any]:
    """The one message that stands in the chat."""
    (message,) = world.telegram.messages.values()
    return message


async def test_a_link_is_answered_at_once_and_then_known(world: World, autojump_clock: MockClock) -> None:
    """The keyboard works from the first second; what the worker finds out goes into the same message."""
    world.workers.follow((3.0, KNOWN))
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.telegram.messages)
        assert trio.current_time() == 0
        first = shown(world)
        assert first["text"] == f"{LINK}\nPick a format:"
        await looked(world)
    assert shown(world)["text"] == "<b>A &lt;song&gt;</b>\n👤 Ann   ⏱ 3:25\nPick a format:"
    assert shown(world)["markup"] == first["markup"]
    assert [order.task for order in world.workers.orders] == ["probe"]
    assert world.value("extraction_duration_seconds_sum") == 1.5
    assert world.value("format_requests_total") == world.value("download_failure_total") == 0
    assert list((world.directory / "jobs").iterdir()) == []
    assert offer(world) == "known"


@pytest.mark.parametrize(
    ("reason", "errors", "tries", "formats", "again"),
    [
        ("gone", 0, 1, False, True),
        ("live", 0, 1, False, True),
        ("private", 0, 1, False, False),
        ("bot_check", 1, 1, True, True),
        ("rate_limited", 1, 1, True, True),
        ("network", 1, POLICY.attempts, True, True),
        ("site_error", 1, POLICY.attempts, True, True),
    ],
)
async def test_a_link_that_leads_nowhere(
    world: World, autojump_clock: MockClock, reason: str, errors: int, tries: int, *, formats: bool, again: bool
) -> None:
    """It is said why and counted once without a format. What may pass has a button to try again.

    What is ours is tried again before, and keeps its formats. The message quotes the link and doesn't repeat it.
    """
    world.workers.usual = (Failure(reason=Reason(reason), detail=""),)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await looked(world)
        await trio.sleep(1)
    assert shown(world)["text"].startswith("😕 ")
    assert LINK not in shown(world)["text"]
    rows = (shown(world)["markup"] or {"inline_keyboard": []})["inline_keyboard"]
    verbs = [button["callback_data"].partition(":")[0] for row in rows for button in row]
    assert ("o" in verbs, "l" in verbs) == (formats, again)
    assert world.value("link_looks_total", site="other", outcome="refused") == world.value("link_looks_total") == 1
    assert world.storage.one("SELECT reason FROM offers") == reason
    assert len(world.workers.orders) == tries
    assert world.value("download_failure_total", format="none", reason=reason) == 1
    assert world.value("download_failure_total") == 1
    assert world.value("errors_total", category="download") == errors


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ((), "tool_crash"),
        ((WorkerLostError("died"),), "tool_crash"),
        ((OSError(errno.ENOSPC, "full"),), "disk"),
        ((OSError(errno.EMFILE, "too many open files"),), "internal"),
    ],
)
async def test_a_worker_that_tells_nothing(
    world: World, autojump_clock: MockClock, script: Script, reason: str
) -> None:
    """A probe is bounded in time and tries, and its user is told in any case."""
    world.workers.usual = script
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await looked(world)
        assert trio.current_time() <= PROBE_SECONDS
        await trio.sleep(1)
        assert world.workers.running == 0
    assert world.value("download_failure_total", format="none", reason=reason) == 1
    assert shown(world)["text"].startswith("😕 ")


@pytest.mark.parametrize("instant", ["sendMessage", "probe", "editMessageText"])
async def test_a_kill_leaves_the_offer_to_the_next_start(world: World, autojump_clock: MockClock, instant: str) -> None:
    """Wherever it was cut off, the next program shows what is known, in the message there is."""
    world.workers.usual = (KNOWN,)
    if instant == "probe":
        world.workers.follow((HANG,))
    else:
        world.telegram.fail(instant, NEVER)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await trio.sleep(5)
    async with world.start():
        await looked(world)
    assert shown(world)["text"].startswith("<b>A &lt;song&gt;</b>")


async def test_an_outage_delays_the_answer(world: World, autojump_clock: MockClock) -> None:
    """Ten minutes without Telegram, and the link is answered all the same, once."""
    world.workers.usual = (KNOWN,)
    world.telegram.down = True
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await trio.sleep(600)
        world.telegram.down = False
        await looked(world)
    assert shown(world)["text"].startswith("<b>A &lt;song&gt;</b>")


async def test_whoever_blocked_the_bot_gets_no_offer_ever(world: World, autojump_clock: MockClock) -> None:
    """A refused message ends the offer; the next start does not try it again."""
    world.telegram.fail("sendMessage", BLOCKED)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await looked(world)
    assert offer(world) == "failed"
    async with world.start():
        await trio.sleep(10)
    assert len(world.telegram.called) == 1


async def test_a_failing_database_leaves_it_to_the_next_start(world: World, autojump_clock: MockClock) -> None:
    """The offer is not given up for what is not its fault; how it is shown is stored as soon as that works."""
    world.workers.usual = (KNOWN,)
    async with world.start() as bot:
        world.storage.faults.extend([None, None, StorageError("full", reason="full")])
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: offer(world) == "shown")
        world.storage.fault = StorageError("full", reason="full")
        await trio.sleep(30)
        world.storage.fault = None
    assert offer(world) == "shown"
    assert len(world.telegram.texts("sendMessage")) == 1
    async with world.start():
        await looked(world)
    assert offer(world) == "known"


async def test_a_refused_link_is_noted_as_soon_as_the_database_works(world: World, autojump_clock: MockClock) -> None:
    """It is looked at and counted once, as a link that is known."""
    world.workers.usual = (5.0, Failure(reason=Reason.GONE, detail=""))
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.workers.running)
        await trio.sleep(3)
        world.storage.fault = StorageError("full", reason="full")
        await trio.sleep(30)
        world.storage.fault = None
        await looked(world)
        await trio.sleep(1)
    assert len(world.workers.orders) == 1
    assert world.value("link_looks_total") == world.value("download_failure_total") == 1


async def test_a_stop_waits_for_the_links_in_hand(world: World, autojump_clock: MockClock) -> None:
    """What is being looked at is shown; a link that comes later waits in the database."""
    world.workers.usual = (10.0, KNOWN)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.workers.running)
        bot.probes.stop()
        await looked(world)
        await world.say(bot, world.message(f"{LINK}2", user=3000))
        await trio.sleep(60)
    assert [row[0] for row in world.storage.db.execute("SELECT state FROM offers ORDER BY offer_id")] == [
        "known",
        "new",
    ]
    assert world.telegram.words_in(3000) == []


async def test_a_message_the_user_deleted_is_let_go(world: World, autojump_clock: MockClock) -> None:
    """Nothing is sent anew for a keyboard nobody wants."""
    world.workers.usual = (5.0, KNOWN)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.telegram.messages)
        world.telegram.messages.clear()
        await looked(world)
    assert world.telegram.messages == {}
    assert USER > 0


def test_what_is_not_known_is_not_mentioned() -> None:
    """No 0:00, no "?", no empty line."""
    t = Catalogues().for_language(None)
    assert known_text(t, Metadata(), LINK, 50) == f"<b>{LINK}</b>\nPick a format:"
    assert known_text(t, Metadata(title="x", duration_seconds=9.6), LINK, 50) == "<b>x</b>\n⏱ 0:10\nPick a format:"


def test_the_keyboard_has_every_choice_with_its_size() -> None:
    """Sizes where the site tells them; no video for what has none; data that a button can carry."""
    offer_id = 2**63 - 1
    every = [button for row in keyboard(T, offer_id, None) for button in row]
    assert len(every) == sum(len(fmt.qualities) for fmt in FORMATS.values() if Has().offers(fmt.kind))
    sizes = (Size(variant=Variant("mp3", "320k"), size_bytes=4_000_000),)
    audio = [button for row in keyboard(T, offer_id, Metadata(has_video=False, sizes=sizes)) for button in row]
    assert not any(button.text.startswith("mp4") for button in audio)
    assert [button.text for button in audio if "320k" in button.text] == ["mp3 320k\u00a0· 4.0\u00a0MB"]
    unsure = [button for row in keyboard(T, offer_id, Metadata(has_video=None)) for button in row]
    assert len(unsure) == len(every)
    assert all(len(row) <= 2 for row in keyboard(T, offer_id, None))


async def test_a_hundred_links_leave_the_downloads_their_places(world: World, autojump_clock: MockClock) -> None:
    """Looking at links takes no place of a download, and one person's links are looked at one after the other."""
    world.slots = 2
    world.workers.usual = (50.0, KNOWN)
    async with world.start() as bot:
        await world.say(bot, *[world.message(f"{LINK}{number}", user=66) for number in range(100)])
        await world.changes.until(lambda: world.workers.running)
        await world.say(bot, world.message(f"/download {LINK}", user=77))
        with trio.fail_after(10):
            await world.changes.until(lambda: any(order.task == "download" for order in world.workers.orders))
        await world.changes.until(lambda: world.storage.one("SELECT COUNT(*) FROM offers WHERE state = 'known'") == 100)
    assert sum(order.task == "probe" for order in world.workers.orders) < 20


async def test_a_link_that_ends_the_program_is_given_up(world: World, autojump_clock: MockClock) -> None:
    """After so many starts in which it was being looked at, it is told as failed."""
    world.workers.usual = (HANG,)
    for _ in range(STARTS):
        async with world.start() as bot:
            if not world.storage.one("SELECT COUNT(*) FROM offers"):
                await world.say(bot, world.message(LINK))
            await world.changes.until(lambda: world.workers.running)
    async with world.start():
        await looked(world)
    assert offer(world) == "failed"


def test_what_is_too_large_is_not_offered() -> None:
    """A button that could only be refused is left out; sizes nobody knows are offered."""
    sizes = tuple(Size(variant=Variant("mp4", quality), size_bytes=60_000_000) for quality in ("720p", "1080p"))
    rows = keyboard(T, 1, Metadata(sizes=sizes), 52_428_800)
    labels = [button.text for row in rows for button in row]
    assert "mp4 480p" in labels
    assert not any("720p" in label or "1080p" in label for label in labels)


def test_a_button_says_which_quality_will_come() -> None:
    """Where a film can't be made smaller in time, its button says what is sent instead."""
    size = Size(variant=Variant("mp4", "360p"), size_bytes=40_000_000, height=1080)
    labels = [button.text for row in keyboard(T, 1, Metadata(sizes=(size,)), 52_428_800) for button in row]
    assert "mp4 360p\u00a0→ 1080p\u00a0· 40.0\u00a0MB" in labels


def test_an_offer_of_which_nothing_fits_says_so() -> None:
    """Without any button to press, the words say what is left to do."""
    sizes = tuple(
        Size(variant=Variant(row.word, quality), size_bytes=60_000_000)
        for row in FORMATS.values()
        for quality in row.qualities
    )
    known = Metadata(title="A night", sizes=sizes)
    assert keyboard(T, 1, known, 52_428_800) == ()
    assert known_text(Catalogues().for_language("en"), known, LINK, 52_428_800).endswith(
        "📏 Every format would be over 50 MB, and I can't send more. Please try a shorter one."
    )


@pytest.mark.parametrize(
    ("weights", "left"),
    [
        ((480_000, 480_000, 480_000), ["mp3 128k"]),
        ((960_000, 1_440_000, 1_440_000), ["mp3 128k", "mp3 192k"]),
        ((960_000, 1_440_000, 2_400_000), ["mp3 128k", "mp3 192k", "mp3 320k"]),
    ],
)
def test_a_sound_that_is_copied_has_one_button(weights: tuple[int, ...], left: list[str]) -> None:
    """Buttons go up to the rate of the source: above it each would bring the same file."""
    qualities = FORMATS["mp3"].qualities
    sizes = tuple(
        Size(variant=Variant("mp3", quality), size_bytes=weight)
        for quality, weight in zip(qualities, weights, strict=True)
    )
    labels = [button.text for row in keyboard(T, 1, Metadata(has_video=False, sizes=sizes)) for button in row]
    assert [label.partition("\u00a0")[0] for label in labels if label.startswith("mp3")] == left


async def test_a_slow_look_leaves_the_buttons(world: World, autojump_clock: MockClock) -> None:
    """After ten seconds the card stays as it is; nobody failed, and the link can be had."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await looked(world)
        assert trio.current_time() <= PROBE_SECONDS + 1
        assert world.workers.running == 0
    assert shown(world)["text"] == f"{LINK}\nPick a format:"
    assert shown(world)["markup"]
    assert world.value("download_failure_total") == world.value("errors_total") == 0
    assert world.value("link_looks_total", site="other", outcome="offered") == 1


async def test_a_slow_host_holds_up_nobody_elses_look(world: World, autojump_clock: MockClock) -> None:
    """With one place for downloads, ten people's hanging links leave the eleventh their answer at once."""
    world.slots = 1
    world.workers.follow(*[(HANG,)] * 10, (KNOWN,))
    async with world.start() as bot:
        await world.say(bot, *[world.message(f"{LINK}{user}", user=3000 + user) for user in range(10)])
        await world.changes.until(lambda: world.workers.running == 10)
        await world.say(bot, world.message(LINK, user=77))
        before = trio.current_time()
        await world.changes.until(lambda: any("song" in text for text in world.telegram.words_in(77)))
        assert trio.current_time() - before < 5


async def test_one_person_has_one_look_at_a_time(world: World, autojump_clock: MockClock) -> None:
    """Their second link waits for the first, and is looked at then."""
    world.workers.usual = (3.0, KNOWN)
    async with world.start() as bot:
        await world.say(bot, world.message(f"{LINK}1"), world.message(f"{LINK}2"))
        await world.changes.until(lambda: world.workers.running)
        assert world.workers.running == 1
        await world.changes.until(lambda: len(world.workers.orders) == 2)
        assert world.workers.running == 1


async def test_several_links_give_cards_in_their_order(world: World, autojump_clock: MockClock) -> None:
    """Each says which link it is about, before and after it was looked at."""
    world.workers.usual = (KNOWN,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"{LINK}c {LINK}a {LINK}b"))
        await world.changes.until(lambda: world.storage.one("SELECT COUNT(*) FROM offers WHERE state = 'known'") == 3)
    sent = [call.parameters["text"].splitlines()[0] for call in world.telegram.all("sendMessage")]
    assert sent == [f"1. {LINK}c", f"2. {LINK}a", f"3. {LINK}b"]
    cards = [message["text"].splitlines() for _, message in sorted(world.telegram.messages.items())]
    assert [lines[0] for lines in cards] == sent
    assert {lines[1] for lines in cards} == {"<b>A &lt;song&gt;</b>"}


@pytest.mark.parametrize(
    ("known", "films", "sounds"),
    [
        (Metadata(has_video=True, has_audio=True, height=360), ["360p"], True),
        (Metadata(has_video=True, has_audio=True, height=240), ["360p"], True),
        (Metadata(has_video=True, has_audio=True, height=800), ["360p", "480p", "720p", "best"], True),
        (Metadata(has_video=True, has_audio=True, height=1080), ["360p", "480p", "720p", "1080p"], True),
        (Metadata(has_video=True, has_audio=False), ["360p", "480p", "720p", "1080p", "best"], False),
        (Metadata(has_video=False, has_audio=True), [], True),
    ],
)
def test_buttons_that_bring_nothing_new_are_not_there(known: Metadata, films: list[str], sounds: bool) -> None:  # noqa: FBT001
    """No sound of a silent film, no film of a song, and one button for one picture."""
    labels = [button.text for row in keyboard(T, 1, known) for button in row]
    assert [label.removeprefix("mp4 ") for label in labels if label.startswith("mp4")] == films
    assert any(label.startswith("mp3") for label in labels) == sounds


async def test_a_link_is_looked_at_again_with_one_press(world: World, autojump_clock: MockClock) -> None:
    """In the same message, for whoever sent it; the report counts it no more, and two presses are one look."""
    world.workers.follow((Failure(reason=Reason.GONE, detail=""),), (3.0, KNOWN))
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await looked(world)
        await trio.sleep(1)
        (button,) = shown(world)["markup"]["inline_keyboard"][0]
        ((_, message_id),) = world.telegram.messages
        press = partial(world.press, button["callback_data"], message_id=message_id)
        await world.say(bot, press(user=7), world.press("l:1"), world.press("l:x"))
        assert len(world.workers.orders) == 1
        await world.say(bot, press(), press())
        await world.changes.until(lambda: world.workers.running)
        assert shown(world)["text"] == f"{LINK}\nPick a format:"
        await looked(world)
        await trio.sleep(1)
    assert shown(world)["text"].startswith("<b>A &lt;song&gt;</b>")
    assert len(world.workers.orders) == 2
    assert world.storage.one("SELECT reason FROM offers") is None
    answers = Counter(call.parameters["text"] for call in world.telegram.all("answerCallbackQuery"))
    assert answers == {
        "This is somebody else's link. Send me one of your own.": 1,
        "That message is too old. Send the link again.": 2,
        "Looking at it again…": 2,
    }


@pytest.mark.parametrize(("link", "leaves_time"), [("media.example/song", True), (LINK, False)])
async def test_a_guessed_scheme_leaves_time_for_the_other(
    world: World, autojump_clock: MockClock, link: str, *, leaves_time: bool
) -> None:
    """A server that is silent to https is given up before the look is over; one that was asked for by name is not."""
    marked = [{"type": "url", "offset": 0, "length": len(link)}]
    async with world.start() as bot:
        await world.say(bot, world.message(link, entities=marked))
        await looked(world)
    (order,) = world.workers.orders
    assert order.guessed_scheme == leaves_time
    assert (order.read_seconds * 2 < PROBE_SECONDS) == leaves_time


async def test_a_link_that_may_not_be_opened_any_more_is_not_looked_at(world: World, autojump_clock: MockClock) -> None:
    """The settings changed since; the press is answered with why."""
    async with world.start() as bot:
        offers.add(
            world.storage.db,
            new_offer(
                offer_id=7, user_id=USER, chat_id=USER, reply_to=1, url="http://10.0.0.5/film.mp4", state="failed"
            ),
            1,
        )
        await world.say(bot, world.press("l:7"))
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"] == "I only open public websites; this address is on a private network."
    assert world.workers.orders == []


async def test_a_download_of_one_of_several_links_answers_its_card(world: World, autojump_clock: MockClock) -> None:
    """The card says which link it is: the message they came in doesn't."""
    world.workers.usual = (KNOWN,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"{LINK}a {LINK}b"))
        await world.changes.until(lambda: world.storage.one("SELECT COUNT(*) FROM offers WHERE state = 'known'") == 2)
        world.workers.usual = (Failure(reason=Reason.GONE, detail=""),)
        offer_id, card = world.storage.db.execute("SELECT offer_id, message_id FROM offers WHERE number = 2").fetchone()
        await world.say(bot, world.press(f"o:{offer_id}:mp3:320k"))
        await world.ended()
    (progress,) = [call for call in world.telegram.all("sendMessage") if "mp3 320k" in call.parameters["text"]]
    assert progress.parameters["reply_parameters"]["message_id"] == card
    (told,) = [message["text"] for message in world.telegram.messages.values() if message["text"].startswith("😕")]
    assert LINK not in told
