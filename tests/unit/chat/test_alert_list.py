"""/alerts: what fires and what is silenced, page by page, and an alert with its buttons in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from trio.testing import MockClock

from doradura.alerts.alertmanager import FoundSilence, Matcher, SilenceStatus
from doradura.chat.alert_list import page_text, read_page, silences_text
from doradura.chat.texts import Catalogues
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from tests.monitoring_doubles import DOWN, stamp
from tests.unit.chat.test_alert_buttons import alert, answers, card, fire
from tests.wiring import ADMIN, USER, Bot, World

T = Catalogues().for_language(None)


def edits(world: World) -> list[dict[str, Any]]:
    """What messages were changed to."""
    return [dict(call.parameters) for call in world.telegram.all("editMessageText")]


def data_of(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """The buttons of a message, with their data."""
    rows = parameters["reply_markup"]["inline_keyboard"]
    return [(button["text"], button["callback_data"]) for row in rows for button in row]


async def listed(world: World, bot: Bot) -> None:
    """Ask for the list, and wait for it: the update is over before that."""
    before = len(world.telegram.all("sendMessage"))
    await world.say(bot, world.message("/alerts", user=ADMIN))
    await world.changes.until(lambda: len(world.telegram.all("sendMessage")) == before + 1)


async def test_nothing_fires(world: World, autojump_clock: MockClock) -> None:
    """Said plainly, without a button; who is no admin is told of no such command."""
    async with world.start() as bot:
        await listed(world, bot)
        await world.say(bot, world.message("/alerts", user=USER))
    assert world.telegram.texts() == [
        "✅ <b>No alerts are firing</b>\n\n🔔 Alertmanager has no silences.",
        "I don't know that command. /help lists the ones I do.",
    ]
    assert "reply_markup" not in world.telegram.all("sendMessage")[0].parameters


async def test_what_fires_and_is_silenced(world: World, autojump_clock: MockClock) -> None:
    """The worst first, with who did what, and silences made elsewhere; a number opens one, with buttons that work."""
    slow = alert("Slow", labels={"alertname": "Slow", "severity": "warning"})
    incident_id = fire(world, slow, alert("A"), alert("B"))
    world.alertmanager.fingerprints = ["f-Slow", "f-A", "f-B"]
    world.alertmanager.silences["theirs"] = {
        "id": "theirs",
        "matchers": [{"name": "job", "value": "x.*", "isRegex": True}],
        "startsAt": stamp(world.clock()),
        "endsAt": stamp(world.clock() + 7_200_000),
        "createdBy": "<Bob>",
        "comment": "",
    }
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:s1:{incident_id}", user=ADMIN))
        await world.say(bot, world.press(f"a:k:{incident_id}", user=ADMIN))
        await listed(world, bot)
        sent = world.telegram.all("sendMessage")[-1].parameters
        assert sent["text"].split("\n") == [
            "<b>🔔 3 alerts firing</b>",
            "",
            "1. 🔴 High error rate · bot:9090",
            "2. 🔴 High error rate · bot:9090",
            "3. 🟠 High error rate",
            "    🔕 by Ann until 2027-01-15 09:00 UTC",
            "    👤 Ann",
            "",
            "🔕 Alertmanager has 2 silences:",
            "· alertname=Slow, severity=warning, by Ann until 2027-01-15 09:00 UTC",
            "· job=~x.*, by &lt;Bob&gt; until 2027-01-15 10:00 UTC",
        ]
        numbers = data_of(sent)
        assert [text for text, _ in numbers] == ["1", "2", "3"]
        await world.say(bot, world.press(numbers[2][1], user=ADMIN))
        opened = edits(world)[-1]
        assert opened["text"].startswith("<b>🟠 WARNING: High error rate</b>")
        undo, _, back = data_of(opened)
        assert (undo[0], back[0]) == ("🔔 Undo silence", "« All alerts")
        await world.say(bot, world.press(undo[1], user=ADMIN))
        assert answers(world)[-1] == "The silence is lifted."
        assert "🔕" not in edits(world)[-1]["text"]
        assert data_of(edits(world)[-1])[0][0] == "🔕 1 h"
        await world.say(bot, world.press(back[1], user=ADMIN))
        assert edits(world)[-1]["text"].startswith("<b>🔔 3 alerts firing</b>")
    assert "🔕" not in card(world, incident_id)[0]


async def test_page_by_page(world: World, autojump_clock: MockClock) -> None:
    """Every one of a hundred is on some page, every page is within Telegram's limits, one past the end is the last."""
    long = {"annotations": {"summary": "<&>" * 2000, "description": "x"}}
    fire(world, *(alert(f"A{number}", **long) for number in range(100)))
    seen: list[str] = []
    for number in range(13):
        page = read_page(world.storage.db, number)
        assert (page.number, page.pages, page.total) == (number, 13, 100)
        seen += [incident.alertname for incident in page.incidents]
        assert f"Page {number + 1} of 13" in page_text(T, page)
        assert units(parse_html(page_text(T, page))[0]) < 2500
    assert sorted(seen) == sorted(f"A{number}" for number in range(100))
    async with world.start() as bot:
        await world.say(bot, world.press("a:p:99", user=ADMIN))
    buttons = data_of(edits(world)[-1])
    assert [text[-6:] for text, _ in buttons] == ["97", "98", "99", "100", "evious"]
    assert max(len(data) for _, data in buttons) <= 64


@pytest.mark.parametrize("mode", DOWN)
async def test_without_alertmanager(world: World, autojump_clock: MockClock, mode: str) -> None:
    """What fires is listed all the same, and that the rest is not known is said, with what to do."""
    fire(world)
    world.alertmanager.mode = mode
    async with world.start() as bot:
        await listed(world, bot)
    text = world.telegram.texts()[-1]
    above, _, below = text.partition("\n\n⚠️ ")
    assert above == "<b>🔔 1 alert firing</b>\n\n1. 🔴 High error rate · bot:9090"
    if mode == "down":
        assert below == (
            "No Alertmanager at http://alertmanager.test, so silences aren't known and no new alert can come. "
            "<code>just stack</code> starts it."
        )
    else:
        assert below.endswith("The list above may be out of date, and silences aren't known.")


def test_many_silences() -> None:
    """What has no room is counted."""
    matchers = [Matcher("a" * 200, "b" * 2000, is_regex=False)]
    found = [
        FoundSilence(str(n), SilenceStatus("active"), "c" * 500, "", datetime.fromtimestamp(n, UTC), matchers)
        for n in range(500)
    ]
    text = silences_text(T, found)
    assert text.startswith("🔕 Alertmanager has 500 silences:\n")
    assert text.endswith("\n… and 494 more; Alertmanager lists them all.")
    assert units(text) < 1700
