"""Wishes for files: what is taken, what is refused, and how each is counted."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from doradura.downloads.admission import JOBS_OF_ONE_USER
from doradura.downloads.workspace import SPACE_BYTES
from doradura.media.protocol import Failure
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.storage import offers
from tests.doubles import HANG
from tests.jobs import new_offer
from tests.wiring import LINK, USER, World


def failures(world: World) -> float:
    """Every counted failure."""
    return world.value("download_failure_total")


def store(world: World, **named: Any) -> None:
    """Store offer 7, of a link that was looked at."""
    usual = {"offer_id": 7, "user_id": USER, "chat_id": USER, "reply_to": 1, "url": LINK, "state": "known"}
    offers.add(world.storage.db, new_offer(**usual | named), 1)


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        ("{} ", ("mp3", "320k")),
        ("{} mp3 128", ("mp3", "128k")),
        ("mp4 {} 1080p", ("mp4", "1080p")),
        ("{} M4A", ("m4a", "default")),
        ("{} 720", ("mp4", "720p")),
    ],
)
async def test_a_download_starts_at_once(
    world: World, autojump_clock: MockClock, words: str, choice: tuple[str, str]
) -> None:
    """With the format and quality asked for, in any order, else the default; counted as asked."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {words.format(LINK)}"))
        await world.ended()
    (order,) = world.workers.orders
    assert (order.task, order.url, order.variant) == ("download", LINK, Variant(*choice))
    assert world.value("format_requests_total", format=choice[0], plan="free") == 1
    assert world.value("format_requests_total") == 1


@pytest.mark.parametrize(
    ("words", "counted", "said"),
    [
        (f"{LINK} ogg", ("none", "unsupported"), "I don't know the format “ogg”"),
        (f"{LINK} mp3 999k", ("mp3", "unsupported"), "mp3 has no quality “999k”. It has: 128k, 192k, 320k."),
        (f"{LINK} m4a 128k", ("m4a", "unsupported"), "m4a has only one quality"),
        ("http://127.0.0.1/x mp4", ("mp4", "refused_address"), "is on a private network"),
        ("http://2130706433/", ("mp3", "refused_address"), "is on a private network"),
        ("https://user:secret@a.example/ mp4 360p", ("mp4", "unsupported"), "For your safety"),
        ("https://a.example:99999/", ("mp3", "unsupported"), "a port number that I can't use"),
        ("https://a.example:0/", ("mp3", "unsupported"), "a port number"),
    ],
)
async def test_a_refused_download_counts_with_its_format(
    world: World, autojump_clock: MockClock, words: str, counted: tuple[str, str], said: str
) -> None:
    """It says why and what to do; no error of ours, no job, no worker."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {words}"))
    (text,) = world.telegram.texts()
    assert said in text
    fmt, reason = counted
    assert world.value("download_failure_total", format=fmt, reason=reason) == failures(world) == 1
    assert world.value("errors_total", category="download") == 0
    assert world.states() == []


@pytest.mark.parametrize("words", ["", "mp3", "hello there"])
async def test_a_download_without_a_link_says_how(world: World, autojump_clock: MockClock, words: str) -> None:
    """It counts nothing but the command."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {words}"))
    assert "<code>/download LINK [FORMAT] [QUALITY]</code>" in world.telegram.texts()[0]
    assert failures(world) == world.value("format_requests_total") == 0
    assert world.value("command_usage_total", command="download") == 1


async def test_a_text_without_a_link_counts_nothing(world: World, autojump_clock: MockClock) -> None:
    """It is answered."""
    async with world.start() as bot:
        await world.say(bot, world.message("good morning"))
    assert "I didn't see a link" in world.telegram.texts()[0]
    assert failures(world) == world.value("format_requests_total") == world.value("command_usage_total") == 0


async def test_a_refused_link_alone_counts_without_a_format(world: World, autojump_clock: MockClock) -> None:
    """No offer is made for it."""
    async with world.start() as bot:
        await world.say(bot, world.message("http://169.254.169.254/latest/meta-data"))
    assert world.value("download_failure_total", format="none", reason="refused_address") == failures(world) == 1
    assert world.storage.one("SELECT COUNT(*) FROM offers") == 0
    (text,) = world.telegram.texts()
    assert text == "I only open public websites; this address is on a private network."


async def test_a_hidden_link_is_found(world: World, autojump_clock: MockClock) -> None:
    """A word that leads somewhere, and an address that Telegram marked, are links too."""
    hidden = [{"type": "text_link", "offset": 5, "length": 4, "url": LINK}]
    marked = [{"type": "url", "offset": 0, "length": 16}]
    async with world.start() as bot:
        await world.say(bot, world.message("look here", entities=hidden))
        await world.say(bot, world.message("media.example/ab and so on", entities=marked))
    urls = [row[0] for row in world.storage.db.execute("SELECT url FROM offers ORDER BY offer_id")]
    assert urls == [LINK, "https://media.example/ab"]


async def test_the_same_wish_twice_is_one_job(world: World, autojump_clock: MockClock) -> None:
    """The second one is told that it is on its way."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"), world.message(f"/download {LINK}?utm_source=x#t=5"))
    assert len(world.states()) == 1
    assert "This one is already on its way." in world.telegram.texts()
    assert world.value("queue_rejected_total") == failures(world) == 0


async def test_a_full_queue_says_so(world: World, autojump_clock: MockClock) -> None:
    """It is counted as rejected, and as no failure."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        updates = [world.message(f"/download {LINK}{n}", user=3000 + n) for n in range(60 + world.slots)]
        await world.say(bot, *updates)
        await world.changes.until(lambda: world.states().count("running") == world.slots)
        room = 60 - world.states().count("waiting")
        await world.say(bot, *(world.message(f"/download {LINK}more{n}", user=5000 + n) for n in range(room)))
        rejected = world.value("queue_rejected_total", reason="full")
        await world.say(bot, world.message(f"/download {LINK}last"))
    assert "The queue is full right now: 60 downloads are waiting. Please try again in a few minutes." in (
        world.telegram.texts()
    )
    assert world.value("queue_rejected_total", reason="full") == rejected + 1
    assert world.value("queue_rejected_total") == rejected + 1
    assert failures(world) == 0


async def test_one_user_may_not_fill_the_queue(world: World, autojump_clock: MockClock) -> None:
    """Over fifty unfinished jobs a user is told; another one is served."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        await world.say(bot, *(world.message(f"/download {LINK}{n}") for n in range(JOBS_OF_ONE_USER + 1)))
        await world.say(bot, world.message(f"/download {LINK}", user=3000))
    assert len(world.states()) == JOBS_OF_ONE_USER + 1
    assert any("You already have 50 downloads waiting" in text for text in world.telegram.texts())
    assert world.value("queue_rejected_total", reason="limit") == world.value("queue_rejected_total") == 1


async def test_a_full_disk_takes_no_job(world: World, autojump_clock: MockClock) -> None:
    """Before it is full; by a command and by a button alike."""
    async with world.start() as bot:
        bot.workspace.free = SPACE_BYTES - 1
        store(world, state="new")
        await world.say(bot, world.message(f"/download {LINK}"), world.press("o:7:mp3:320k"))
    assert any("short of disk space" in text for text in world.telegram.texts())
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert "short of disk space" in answer.parameters["text"]
    assert answer.parameters["show_alert"] is True
    assert world.value("queue_rejected_total", reason="space") == 2
    assert world.states() == []


async def test_a_format_button_queues_the_job(world: World, autojump_clock: MockClock) -> None:
    """The press is answered with what was understood, and the file comes as a reply to the link's message."""
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.telegram.all("editMessageText"))
        buttons = [button for row in world.telegram.messages[USER, 101]["markup"]["inline_keyboard"] for button in row]
        (wanted,) = [button for button in buttons if button["text"].startswith("mp4 480p")]
        await world.say(bot, world.press(wanted["callback_data"]))
        await world.ended()
    assert world.telegram.all("answerCallbackQuery")[0].parameters["text"] == "Got it: mp4 480p"
    (file,) = world.telegram.files_in(USER)
    assert file["kind"] == "video"
    assert '"message_id":1' in file["parameters"]["reply_parameters"]
    assert world.value("format_requests_total", format="mp4", plan="free") == 1


async def test_two_presses_are_one_job(world: World, autojump_clock: MockClock) -> None:
    """Both are answered."""
    world.workers.usual = (HANG,)
    async with world.start() as bot:
        store(world)
        await world.say(bot, world.press("o:7:mp3:320k"), world.press("o:7:mp3:320k"))
    answers = [call.parameters["text"] for call in world.telegram.all("answerCallbackQuery")]
    assert answers == ["Got it: mp3 320k", "This one is already on its way."]
    assert len(world.states()) == 1


async def test_buttons_that_stand_in_chats_since_earlier_versions_work(world: World, autojump_clock: MockClock) -> None:
    """Each of them brings what it said when it was shown."""
    old = (
        "mp3:128k",
        "mp3:192k",
        "mp3:320k",
        "m4a:default",
        "mp4:360p",
        "mp4:480p",
        "mp4:720p",
        "mp4:1080p",
        "mp4:best",
    )
    async with world.start() as bot:
        store(world)
        for at, data in enumerate(old, 1):
            await world.say(bot, world.press(f"o:7:{data}"))
            await world.ended(at)
    assert [":".join(order.variant.labels.values()) for order in world.workers.orders if order.variant] == list(old)


async def test_what_can_not_be_had_any_more_is_not_tried_again(world: World, autojump_clock: MockClock) -> None:
    """The button of a failed download whose format a newer version does not have says to send the link again."""
    world.workers.follow([Failure(reason=Reason.INTERNAL, detail="odd")])
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        world.storage.db.execute("UPDATE jobs SET variant = 'ogg:64k'")
        job_id = world.storage.one("SELECT job_id FROM jobs")
        await world.say(bot, world.press(f"r:{job_id}"))
    assert world.states() == ["failed"]
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"] == "That message is too old. Send the link again."


@pytest.mark.parametrize("data", ["o:7:ogg:320k", "o:7:mp3:999k", "o:8:mp3:320k", "o:7:mp3:", "o:7", "o:7:mp3:320k:de"])
async def test_a_button_that_leads_nowhere_says_so(world: World, autojump_clock: MockClock, data: str) -> None:
    """An offer that was forgotten, or a choice there is not (any more)."""
    async with world.start() as bot:
        store(world)
        await world.say(bot, world.press(data))
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"] == "That message is too old. Send the link again."
    assert world.states() == []


async def test_somebody_elses_link_is_not_ones_own(world: World, autojump_clock: MockClock) -> None:
    """Another user's press queues nothing, in whoever's name."""
    async with world.start() as bot:
        store(world, chat_id=-5)
        await world.say(bot, world.press("o:7:mp3:320k", user=3000, chat=-5))
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert "somebody else's link" in answer.parameters["text"]
    assert world.states() == []


async def test_a_link_with_a_format_beside_it_starts_at_once(world: World, autojump_clock: MockClock) -> None:
    """A link and "mp3" are a wish; with other words beside it a link is offered."""
    async with world.start() as bot:
        await world.say(bot, world.message(f"{LINK} mp3 128k"), world.message(f"good: {LINK}2"))
        await world.ended()
    assert [tuple(row) for row in world.storage.db.execute("SELECT url, variant FROM jobs")] == [(LINK, "mp3:128k")]
    assert world.storage.one("SELECT COUNT(*) FROM offers") == 1


@pytest.mark.parametrize(
    ("words", "entities", "url"),
    [
        ("/download media.example/song mp3", [], LINK),
        ("/download here mp3", [{"type": "text_link", "offset": 10, "length": 4, "url": LINK}], LINK),
        ("/download https://media.example/song\uff0c mp3", [], LINK),
        ("/download https://media.example/song\U0001f600 mp3", [], LINK),
        (f"/download https://media.example/{'x' * 3000} mp3", [], f"https://media.example/{'x' * 3000}"),
    ],
)
async def test_what_download_takes_for_a_link(
    world: World, autojump_clock: MockClock, words: str, entities: list[dict[str, Any]], url: str
) -> None:
    """Without a scheme, behind a word, with marks of any script behind it, with a signature of thousands."""
    async with world.start() as bot:
        await world.say(bot, world.message(words, entities=entities))
        await world.ended()
    assert world.storage.one("SELECT url FROM jobs") == url
    assert world.storage.one("SELECT variant FROM jobs") == "mp3:320k"


async def test_a_guessed_scheme_is_told_to_the_worker(world: World, autojump_clock: MockClock) -> None:
    """Where https is a guess, http may be tried; of a site we know it is none."""
    async with world.start() as bot:
        await world.say(bot, world.message("/download media.example/song"), world.message("/download youtu.be/abc"))
        await world.ended()
    assert {order.url: order.guessed_scheme for order in world.workers.orders} == {
        LINK: True,
        "https://youtu.be/abc": False,
    }


@pytest.mark.parametrize("data", ["o:7:mp3:320k", "s:9:mp3:320k", "r:9"])
async def test_a_button_of_a_link_that_may_not_be_opened_any_more(
    world: World, autojump_clock: MockClock, data: str
) -> None:
    """Its address was allowed when it was stored; the press is answered with why not, and nothing is queued."""
    private = "http://10.0.0.5/film.mp4"
    world.workers.usual = (Failure(reason=Reason.GONE, detail=""),)
    async with world.start() as bot:
        await world.say(bot, world.message(f"/download {LINK}"))
        await world.ended()
        store(world, url=private)
        world.storage.db.execute("UPDATE jobs SET job_id = 9, url = ?", (private,))
        counted = failures(world)
        await world.say(bot, world.press(data))
    (answer,) = world.telegram.all("answerCallbackQuery")
    assert answer.parameters["text"] == "I only open public websites; this address is on a private network."
    assert answer.parameters["show_alert"] is True
    assert world.states() == ["failed"]
    assert failures(world) - counted == 1
    assert world.value("download_failure_total", format="mp3", reason="refused_address") == 1
