"""The buttons under an alert: silence, undo, acknowledge; who may, what is told, and how often it takes effect."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any, get_args

import pytest
import trio
from trio.testing import MockClock

from doradura.alerts import intake
from doradura.alerts.payload import parse_payload
from doradura.alerts.silencing import ActResult, What
from doradura.chat.alert_buttons import answer_text
from doradura.chat.alert_keyboards import message_keyboard
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.texts import Catalogues
from doradura.storage import alert_marks, outbox, sightings
from doradura.storage import alerts as stored
from doradura.storage.ids import IdMaker
from doradura.telegram.types import Keyboard
from tests.monitoring_doubles import DOWN, stamp
from tests.wiring import ADMIN, EPOCH_SECONDS, USER, World

OTHER = 1001
T = Catalogues().for_language(None)
LABELS = {"alertname": "HighErrorRate", "instance": "bot:9090", "severity": "critical"}


def alert(name: str = "HighErrorRate", **more: Any) -> dict[str, Any]:
    """One alert of a body; it begins when it is posted, where nothing else is said."""
    return {
        "status": "firing",
        "labels": {**LABELS, "alertname": name},
        "annotations": {"summary": "High error rate", "description": "12% failed", "remind_seconds": "1800"},
        "startsAt": None,
        "fingerprint": f"f-{name}",
        "generatorURL": "http://prometheus.test/graph?g0.expr=errors+%3E+0.1&g0.tab=1",
        **more,
    }


def post(world: World, *alerts: dict[str, Any]) -> None:
    """Let a webhook's body be stored."""
    now = stamp(world.clock())
    begun = [{**one, "startsAt": one["startsAt"] or now} for one in alerts]
    body = json.dumps({"version": "4", "groupKey": "g", "alerts": begun}).encode()
    intake.store(world.storage.db, parse_payload(body), new_id=IdMaker(world.clock).new, now_ms=world.clock())


def fire(world: World, *alerts: dict[str, Any]) -> int:
    """Let something fire, told to both admins; give the first incident's id."""
    world.settings = replace(world.settings, admin_ids=frozenset({ADMIN, OTHER}))
    targets = iter((ADMIN, OTHER))
    outbox.set_targets(world.storage.db, [(ADMIN, 0), (OTHER, 0)], new_id=lambda: next(targets))
    post(world, *(alerts or (alert(),)))
    world.storage.db.execute("DELETE FROM alert_outbox")
    return int(world.storage.one("SELECT MIN(incident_id) FROM alert_incidents"))


def answers(world: World) -> list[str | None]:
    """What presses were answered, in their order."""
    return [call.parameters.get("text") for call in world.telegram.all("answerCallbackQuery")]


def card(world: World, incident_id: int) -> tuple[str, list[str]]:
    """The message as it is told next, and its buttons."""
    incident = alert_marks.incident(world.storage.db, incident_id)
    assert incident is not None
    view = stored.view(world.storage.db, incident.card_id, 60)
    return AlertTexts(Catalogues()).message(view), labels(message_keyboard(T, view))


def labels(keyboard: Keyboard | None) -> list[str]:
    """The texts of buttons."""
    return [button.text for row in keyboard or () for button in row]


async def test_a_silence_and_its_end(world: World, autojump_clock: MockClock) -> None:
    """It has exactly the alert's labels and the admin's name; every admin's message says so; undo ends it there."""
    incident_id = fire(world)
    first = ["🔕 1 h", "🔕 4 h", "🔕 24 h", "👤 Acknowledge", "📈 Graph", "📖 What to do"]
    assert card(world, incident_id)[1] == first
    async with world.start() as bot:
        start = world.clock()
        await world.say(bot, world.press(f"a:s4:{incident_id}", user=ADMIN))
        (silence,) = world.alertmanager.active()
        assert {item["name"]: item["value"] for item in silence["matchers"]} == LABELS
        assert {(item["isRegex"], item["isEqual"]) for item in silence["matchers"]} == {(False, True)}
        assert silence["createdBy"] == "Ann"
        assert (silence["startsAt"], silence["endsAt"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T12:00:00.000Z")
        assert silence["comment"] == f"Silenced from Doradura's chat by Ann ({incident_id}-{start})"
        text, buttons = card(world, incident_id)
        assert "\n🔕 Silenced by Ann until 2027-01-15 12:00 UTC\n#HighErrorRate" in text
        assert buttons == ["🔔 Undo silence", "👤 Acknowledge", "📈 Graph", "📖 What to do"]
        told = world.storage.db.execute("SELECT target_id, kind FROM alert_outbox ORDER BY target_id").fetchall()
        assert [tuple(row) for row in told] == [(ADMIN, "card"), (OTHER, "card")]
        await world.say(bot, world.press(f"a:u:{incident_id}", user=OTHER))
        assert world.alertmanager.active() == []
        assert "🔕" not in card(world, incident_id)[0]
        await world.say(bot, world.press(f"a:u:{incident_id}", user=ADMIN))
    assert answers(world) == ["Silenced until 2027-01-15 12:00 UTC", "The silence is lifted.", "It isn't silenced."]


async def test_two_admins_at_once(world: World, autojump_clock: MockClock) -> None:
    """One silence, and the second hears who made it; of two acknowledgements the first counts."""
    incident_id = fire(world)
    async with world.start() as bot:
        presses = [world.press(f"a:s{h}:{incident_id}", user=who) for h, who in ((1, ADMIN), (24, OTHER), (4, ADMIN))]
        await world.say(bot, *presses)
        assert len(world.alertmanager.silences) == 1
        await world.say(bot, *(world.press(f"a:k:{incident_id}", user=who) for who in (ADMIN, OTHER, ADMIN)))
    said = answers(world)
    assert sorted(str(text)[:12] for text in said[:3]) == ["Ann has alre", "Ann has alre", "Silenced unt"]
    assert sorted(str(text)[:12] for text in said[3:]) == ["Ann has alre", "Ann has alre", "It's yours. "]
    assert world.storage.one("SELECT COUNT(*) FROM alert_acknowledgements") == 1


@pytest.mark.parametrize("mode", DOWN)
@pytest.mark.parametrize("verb", ["s1", "u"])
async def test_alertmanager_down(world: World, autojump_clock: MockClock, mode: str, verb: str) -> None:
    """In each way to be down: said within ten seconds, with what to do; the message says nothing that is not so."""
    incident_id = fire(world)
    async with world.start() as bot:
        if verb == "u":
            await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        before = card(world, incident_id)
        world.alertmanager.mode = mode
        start = trio.current_time()
        await world.say(bot, world.press(f"a:{verb}:{incident_id}", user=ADMIN))
        assert trio.current_time() - start < 10
        assert answers(world)[-1] == T.plain(f"alertmanager.{DOWN[mode]}")
        assert card(world, incident_id) == before
        world.alertmanager.mode = "ok"
        await world.say(bot, world.press(f"a:{verb}:{incident_id}", user=ADMIN))
    assert len(world.alertmanager.active()) == (verb == "s1")
    assert len(world.alertmanager.silences) == 1


async def test_an_answer_that_is_lost(world: World, autojump_clock: MockClock) -> None:
    """A silence that was made, and one that was ended, without an answer: looked for, and not done twice."""
    incident_id = fire(world)
    world.alertmanager.mode = "lost"
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        assert len(world.alertmanager.silences) == 1
        assert "🔕" in card(world, incident_id)[0]
        await world.say(bot, world.press(f"a:u:{incident_id}", user=ADMIN))
        assert world.alertmanager.active() == []
        assert "🔕" not in card(world, incident_id)[0]
    assert answers(world) == ["Silenced until 2027-01-15 09:00 UTC", "The silence is lifted."]


async def test_an_answer_that_is_lost_for_good(world: World, autojump_clock: MockClock) -> None:
    """What can't be looked for is said to be unsure; a minute later it is found, by its mark in the comment."""
    incident_id = fire(world)
    world.alertmanager.mode = "lost, then down"
    async with world.start() as bot:
        await bot.nursery.start(bot.silencing.run)
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        assert answers(world) == [T.plain("alertmanager.unsure")]
        assert "🔕" not in card(world, incident_id)[0]
        world.alertmanager.mode = "ok"
        world.alertmanager.fingerprints = ["f-HighErrorRate"]
        await trio.sleep(61)
        assert "🔕 Silenced by Ann until 2027-01-15 09:00 UTC" in card(world, incident_id)[0]
        world.alertmanager.mode = "lost, then down"
        await world.say(bot, world.press(f"a:u:{incident_id}", user=ADMIN))
        assert answers(world)[-1] == T.plain("alertmanager.unsure")
        world.alertmanager.mode = "ok"
        await trio.sleep(61)
        assert "🔕" not in card(world, incident_id)[0]
    assert len(world.alertmanager.silences) == 1


async def test_killed_in_between(world: World, autojump_clock: MockClock) -> None:
    """Killed after Alertmanager made it and before that was noted: the next life's same press makes no second one."""
    incident_id = fire(world)
    async with world.start() as bot:
        world.alertmanager.made = bot.cut.cancel
        await bot.dispatcher.store([world.press(f"a:s1:{incident_id}", user=ADMIN)])
        await trio.sleep(5)
    assert world.storage.one("SELECT COUNT(*) FROM alert_silences WHERE silence_id IS NULL") == 1
    assert answers(world) == []
    world.alertmanager.made = lambda: None
    async with world.start():
        await world.handled()
    assert len(world.alertmanager.silences) == 1
    assert answers(world) == ["Silenced until 2027-01-15 09:00 UTC"]


async def test_only_admins(world: World, autojump_clock: MockClock) -> None:
    """Others are told so, in private and in a group, and nothing happens; an admin may press in a group too."""
    incident_id = fire(world)
    verbs = ("s1", "u", "k", "g", "o", "p", "n", "ka", "d", "da")
    async with world.start() as bot:
        for verb in verbs:
            for chat in (None, -100123):
                await world.say(bot, world.press(f"a:{verb}:{incident_id}", user=USER, chat=chat))
        assert answers(world) == ["These buttons are for the admins of this bot. Ask one of them."] * 2 * len(verbs)
        assert world.alertmanager.asked == []
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN, chat=-100123))
    assert answers(world)[-1] == "Silenced until 2027-01-15 09:00 UTC"


async def test_pressed_in_a_topic(world: World, autojump_clock: MockClock) -> None:
    """The list and the graph come where the button stands: in that topic of that group."""
    incident_id = fire(world)
    world.drawings.picture = b"png"
    world.prometheus.results["errors"] = [({}, [1.0])]
    async with world.start() as bot:
        for data in ("a:n:0", f"a:g:{incident_id}"):
            await world.say(bot, world.press(data, user=ADMIN, chat=-100123, topic=7))
        await world.changes.until(lambda: bool(world.telegram.all("sendPhoto")))
        world.drawings.picture = None
        await world.say(bot, world.press(f"a:g:{incident_id}", user=ADMIN, chat=-100123, topic=7))
        await world.changes.until(lambda: len(world.telegram.all("sendMessage")) == 2)
    for method in ("sendMessage", "sendPhoto", "sendChatAction"):
        places = {
            (call.parameters["chat_id"], int(call.parameters["message_thread_id"]))
            for call in world.telegram.all(method)
        }
        assert places == {(-100123, 7)}


async def test_dismissed_by_a_button(world: World, autojump_clock: MockClock) -> None:
    """One, or all of a burst's, that nobody lists; each effect once; what is listed is left alone."""
    first = fire(world, *(alert(f"A{number}") for number in range(7)))
    db = world.storage.db
    ids = [row[0] for row in db.execute("SELECT incident_id FROM alert_incidents ORDER BY incident_id")]
    card_id = world.storage.one("SELECT card_id FROM alert_cards")
    for incident_id in ids[:6]:
        sightings.loosen(db, incident_id)
    async with world.start() as bot:
        for data in (f"a:d:{first}", f"a:d:{first}", f"a:d:{ids[6]}", "a:d:5", f"a:da:{card_id}", f"a:da:{card_id}"):
            await world.say(bot, world.press(data, user=ADMIN))
    assert answers(world) == [
        "Dismissed in every chat. If it fires again, I'll say so.",
        "Ann has already dismissed it, 2027-01-15 08:00 UTC.",
        "Alertmanager still lists this alert, so I'll notice when it ends. Silence it if you want quiet.",
        "I don't know this alert any more: it ended long ago.",
        "Dismissed in every chat: 5. If one fires again, I'll say so.",
        "Nothing here can be dismissed: each alert is over, or Alertmanager lists it and I'll notice when it ends.",
    ]
    assert alert_marks.firing_of(db, card_id) == [ids[6]]
    assert world.storage.one("SELECT COUNT(*) FROM alert_outbox WHERE kind = 'card'") == 2


@pytest.mark.parametrize(
    "data", ["a", "a:", "a:s1", "a:s1:x", "a:s2:1", "a:s1:1:2:3", "a:k:99999999999999999999", "a::1"]
)
async def test_data_that_is_none_of_ours(world: World, autojump_clock: MockClock, data: str) -> None:
    """Whatever a changed client sends is answered."""
    async with world.start() as bot:
        await world.say(bot, world.press(data, user=ADMIN))
    assert answers(world) == ["I don't know this alert any more: it ended long ago."]


async def test_an_alert_that_is_over(world: World, autojump_clock: MockClock) -> None:
    """Its old buttons, and those of one that is forgotten, are answered; new messages have none but the graph."""
    incident_id = fire(world)
    post(world, alert(status="resolved"))
    assert card(world, incident_id)[1] == ["📈 Graph"]
    async with world.start() as bot:
        for verb in ("s1", "k"):
            await world.say(bot, world.press(f"a:{verb}:{incident_id}", user=ADMIN))
        for verb in ("s1", "k", "u", "g"):
            await world.say(bot, world.press(f"a:{verb}:5", user=ADMIN))
    assert answers(world) == ["This alert is over."] * 2 + ["I don't know this alert any more: it ended long ago."] * 4
    assert world.alertmanager.silences == {}


async def test_acknowledged_is_not_reminded(world: World, autojump_clock: MockClock) -> None:
    """No reminder follows, one that waits is taken back; what fires anew afterwards is nobody's again."""
    starts = stamp(world.clock())
    incident_id = fire(world, alert(startsAt=starts))
    count = "SELECT COUNT(*) FROM alert_outbox WHERE kind = 'reminder'"
    world.storage.db.execute("UPDATE alert_cards SET told_ms = told_ms - 4000000")
    world.storage.db.execute(
        "INSERT INTO alert_messages (card_id, target_id, message_id, told_ms)"
        " SELECT card_id, 1000, 7, 0 FROM alert_cards"
    )
    post(world, alert(startsAt=starts))
    assert world.storage.one(count) == 1
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:k:{incident_id}", user=ADMIN))
    assert world.storage.one(count) == 0
    assert "\n👤 Acknowledged by Ann, 2027-01-15 08:00 UTC\n" in card(world, incident_id)[0]
    world.storage.db.execute("UPDATE alert_cards SET told_ms = told_ms - 4000000")
    post(world, alert(startsAt=starts))
    assert world.storage.one(count) == 0
    post(world, alert(startsAt=starts, status="resolved"))
    assert "👤" in card(world, incident_id)[0]
    world.storage.db.execute("UPDATE alert_cards SET told_ms = ?", (world.clock(),))
    post(world, alert(startsAt=stamp(world.clock() + 1000)))
    text, buttons = card(world, incident_id)
    assert "👤" not in text
    assert "👤 Acknowledge" in buttons


async def test_many_in_one_message(world: World, autojump_clock: MockClock) -> None:
    """A burst's message has a button that takes all on, and one that leads to them one by one."""
    incident_id = fire(world, *(alert(f"A{number}") for number in range(20)))
    text, buttons = card(world, incident_id)
    assert buttons == ["👤 Acknowledge all", "📋 One by one"]
    (card_id,) = {row[0] for row in world.storage.db.execute("SELECT card_id FROM alert_incidents")}
    async with world.start() as bot:
        for who in (ADMIN, OTHER):
            await world.say(bot, world.press(f"a:ka:{card_id}", user=who))
        await world.say(bot, world.press("a:n:0", user=ADMIN))
        await world.changes.until(lambda: bool(world.telegram.texts()))
    assert answers(world)[:2] == [
        "Acknowledged: 20. There will be no more reminders.",
        "There's nothing left to acknowledge here.",
    ]
    text, buttons = card(world, incident_id)
    assert text.count("👤") == 20
    assert buttons == ["📋 One by one"]
    assert world.telegram.texts()[-1].startswith("<b>🔔 20 alerts firing</b>\nPage 1 of 3\n\n1. ")


async def test_what_ends_elsewhere_is_noticed(world: World, autojump_clock: MockClock) -> None:
    """A silence deleted on Alertmanager's page, and one that runs out."""
    incident_id = fire(world)
    world.alertmanager.fingerprints = ["f-HighErrorRate"]
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        world.alertmanager.silences["silence-1"]["deleted"] = True
        await world.say(bot, world.press(f"a:u:{incident_id}", user=ADMIN))
        assert answers(world)[-1] == "That silence had already ended, or was deleted in Alertmanager."
        await bot.nursery.start(bot.silencing.run)
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        await trio.sleep(3590)
        assert "🔕" in card(world, incident_id)[0]
        await trio.sleep(75)
        assert "🔕" not in card(world, incident_id)[0]


async def test_each_silence_of_alertmanagers_is_said_once(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once an outage, however often it is looked; and the next outage too, however soon it comes."""
    incident_id = fire(world)
    caplog.set_level(logging.INFO, logger="doradura.alerts.silencing")
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:s4:{incident_id}", user=ADMIN))
        await bot.nursery.start(bot.silencing.run)
        for said in (1, 2):
            world.alertmanager.mode = "down"
            await trio.sleep(300)
            assert caplog.messages.count("silences not looked at") == said
            world.alertmanager.mode = "ok"
            await trio.sleep(150)


async def test_what_was_listed_before_it_was_silenced_again(world: World, autojump_clock: MockClock) -> None:
    """Undone and silenced again while Alertmanager's list was on its way: the new silence stays."""
    incident_id = fire(world)
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        row = alert_marks.silence(world.storage.db, incident_id)
        assert row is not None
        world.alertmanager.listed = lambda: alert_marks.put_silence(
            world.storage.db, replace(row, mark="new", silence_id="silence-2", by_name="Bea")
        )
        await bot.silencing.look()
    assert "🔕 Silenced by Bea until" in card(world, incident_id)[0]


def test_labels_that_are_no_texts() -> None:
    """A silence needs every label as it is: where one is no text, or they are too many, there is no such button."""
    for odd in ({"a": 1}, {"a": None}, {"a": ""}, {"a": "x" * 20_000}, {"a": "\0"}):
        body = json.dumps({"alerts": [{"labels": {**LABELS, **odd}}]}).encode()
        assert parse_payload(body)[0].labels == ""
    (notice,) = parse_payload(json.dumps({"alerts": [{"labels": LABELS}]}).encode())
    assert json.loads(notice.labels) == LABELS


def test_answers_fit() -> None:
    """With the longest name there is, an answer has at most Telegram's 200 characters."""
    for what in get_args(What):
        for verb in ("s1", "k", "d"):
            text, _ = answer_text(T, verb, ActResult(what, "😀" * 500, EPOCH_SECONDS * 1000))
            assert 0 < len(text.encode("utf-16-le")) // 2 <= 200
