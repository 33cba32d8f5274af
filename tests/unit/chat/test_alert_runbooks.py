"""The button "What to do" and the line with the runbook's link."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from doradura.chat.alert_keyboards import incident_keyboard
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.texts import Catalogues
from doradura.runbooks import BOOK
from doradura.storage.alerts import UNMARKED, CardView
from doradura.storage.states import IncidentState
from tests.incidents import firing
from tests.unit.chat.test_alert_buttons import T, alert, answers, fire, labels
from tests.wiring import ADMIN, USER, World

BUTTON = "📖 What to do"
HERE = "http://127.0.0.1:9090/runbooks/HighErrorRate"


INCIDENT = firing(incident_id=2**63 - 1, alertname="HighErrorRate")


async def test_the_runbook_comes_as_a_message(world: World, autojump_clock: MockClock) -> None:
    """A press sends the section of that alert, after a restart too; who presses twice gets it twice."""
    incident_id = fire(world, alert("BotDown"))
    for count in (1, 2):

        def all_sent(count: int = count) -> bool:
            return len(world.telegram.all("sendMessage")) == count

        async with world.start() as bot:
            await world.say(bot, world.press(f"a:w:{incident_id}", user=ADMIN))
            await world.changes.until(all_sent)
        sent = world.telegram.all("sendMessage")
        assert sent[-1].parameters["text"].startswith("<b>BotDown</b>\n\n<b>Means</b>: an instance has not answered")
        assert sent[-1].parameters["parse_mode"] == "HTML"
        assert sent[-1].parameters["reply_parameters"]["message_id"] == 1
        assert len(answers(world)) == count


async def test_who_may_have_it_and_what_has_none(world: World, autojump_clock: MockClock) -> None:
    """Admins alone; an alert without a runbook of ours, or one that is forgotten, is said to be."""
    incident_id = fire(world, alert("SomebodysOwn"))
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:w:{incident_id}", user=USER))
        await world.say(bot, world.press(f"a:w:{incident_id}", user=ADMIN))
        await world.say(bot, world.press("a:w:12345", user=ADMIN))
        await world.say(bot, world.press("a:w:x", user=ADMIN))
    assert world.telegram.all("sendMessage") == []
    assert answers(world) == [
        T.plain("alert.press.not_admin"),
        T.plain("alert.press.no_runbook"),
        *[T.plain("outcome.unknown")] * 2,
    ]


@pytest.mark.parametrize(
    ("name", "state", "shown"),
    [
        ("HighErrorRate", "firing", True),
        ("PaymentFailures", "note", True),
        ("HighErrorRate", "resolved", False),
        ("SomebodysOwn", "firing", False),
        ("", "firing", False),
    ],
)
def test_where_the_button_stands(name: str, state: IncidentState, shown: bool) -> None:  # noqa: FBT001
    """Under an alert that goes on and has a runbook of ours, in its own message and in the list."""
    incident = replace(INCIDENT, alertname=name, state=state)
    for page in (None, 3):
        assert (BUTTON in labels(incident_keyboard(T, incident, UNMARKED, page=page))) == shown


@pytest.mark.parametrize(
    ("name", "url", "line"),
    [
        ("HighErrorRate", HERE, None),
        ("HighErrorRate", "http://doradura-bot:9090/runbooks/HighErrorRate", None),
        ("HighErrorRate", "", None),
        ("HighErrorRate", "https://w.dev/HighErrorRate", '<a href="https://w.dev/HighErrorRate">Runbook</a>'),
        ("HighErrorRate", "http://wiki.lan/a?b=1&c", "Runbook: <code>http://wiki.lan/a?b=1&amp;c</code>"),
        ("SomebodysOwn", HERE, f"Runbook: <code>{HERE}</code>"),
        ("SomebodysOwn", "see the <wiki>", "Runbook: <code>see the &lt;wiki&gt;</code>"),
        ("SomebodysOwn", 'https://w.dev/"a', '<a href="https://w.dev/%22a">Runbook</a>'),
    ],
)
def test_the_line_with_the_link(name: str, url: str, line: str | None) -> None:
    """A link only where a phone gets to; our own page needs none, as the button has its text."""
    incident = replace(INCIDENT, alertname=name, runbook=url)
    text = AlertTexts(Catalogues()).message(CardView(incidents=[incident], total=1, firing=1))
    assert [found for found in text.splitlines() if "Runbook" in found] == ([] if line is None else [line])


def test_every_runbook_is_of_an_alert_whose_button_fits() -> None:
    """The data of a button is within Telegram's 64 bytes, whatever the incident's number."""
    assert BOOK.runbooks
    data = [button.callback_data for row in incident_keyboard(T, INCIDENT, UNMARKED, page=10**6) for button in row]
    assert f"a:w:{2**63 - 1}" in data
    assert all(len((found or "").encode()) <= 64 for found in data)
