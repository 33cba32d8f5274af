"""The graph button: what Prometheus is asked, what is drawn or said, and what is said when there is nothing."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

from doradura.charts import ChartError
from doradura.chat.figures import blocks
from doradura.chat.texts import Catalogues
from tests.monitoring_doubles import DOWN
from tests.unit.chat.test_alert_buttons import alert, answers, fire
from tests.wiring import ADMIN, Bot, World

T = Catalogues().for_language(None)
PICTURE = b"\x89PNG\r\n\x1a\n..."
LINK = '<a href="http://prometheus.test/graph?g0.expr=errors+%3E+0.1&amp;g0.tab=1">Open in Prometheus</a>'


async def graph(world: World, bot: Bot, incident_id: int) -> None:
    """Press the button, and wait for what is said: the press's update is over before that."""
    before = len(world.telegram.texts())
    await world.say(bot, world.press(f"a:g:{incident_id}", user=ADMIN))
    await world.changes.until(lambda: len(world.telegram.texts()) == before + 1)


async def test_a_picture(world: World, autojump_clock: MockClock) -> None:
    """The left side of the condition over six hours, its level as a line, in reply to the alert's message."""
    incident_id = fire(world)
    world.drawings.picture = PICTURE
    world.prometheus.results["errors"] = [({"instance": "bot:9090"}, [0.05, None, 0.25, "NaN", "+Inf"])]
    async with world.start() as bot:
        await world.say(bot, world.press(f"a:g:{incident_id}", user=ADMIN))
        await world.changes.until(lambda: bool(world.telegram.all("sendPhoto")))
    (photo,) = world.telegram.all("sendPhoto")
    assert json.loads(photo.parameters["reply_parameters"])["message_id"] == 1
    assert photo.parameters["caption"].split("\n") == [
        "📈 <b>High error rate</b>, the last 6 h",
        "Now 0.25, from 0.05 to 0.25.",
        "It fires at 0.1.",
        "<code>errors</code>",
        LINK,
    ]
    (chart,) = world.drawings.charts
    assert (chart.threshold, len(chart.positions), chart.ticks[0], chart.ticks[-1]) == (
        *(0.1, 181),
        *((0.0, "-6 h"), (180.0, "now")),
    )
    assert chart.lines[0].values[:6] == (0.05, None, 0.25, None, None, None)
    assert answers(world) == ["Asking Prometheus…"]
    assert world.prometheus.asked == [("POST", "/api/v1/query_range")]


@pytest.mark.parametrize("picture", [None, ChartError("too long")])
async def test_blocks(world: World, autojump_clock: MockClock, picture: ChartError | None) -> None:
    """Where no picture can be had, the same in a row of blocks."""
    incident_id = fire(world)
    world.drawings.picture = picture
    world.prometheus.results["errors"] = [({}, [0.0] * 90 + [1.0] * 91)]
    async with world.start() as bot:
        await graph(world, bot, incident_id)
    lines = world.telegram.texts()[-1].split("\n")
    assert lines[1] == f"<code>{'▁' * 12}{'█' * 14}</code>"
    assert lines[-1] == LINK


async def test_few_of_many_series(world: World, autojump_clock: MockClock) -> None:
    """At most six are shown, named by what tells them apart, the others counted; the alert's own come alone."""
    first = fire(
        world, alert("A", generatorURL="http://p.test/?g0.expr=many"), alert("B", labels={"alertname": "B", "x": "7"})
    )
    world.prometheus.results["many"] = [({"job": "j", "site": str(n)}, [float(n)]) for n in range(40)]
    world.prometheus.results["errors"] = [({"__name__": "errors", "x": str(n)}, [float(n)]) for n in range(40)]
    async with world.start() as bot:
        for incident_id in (first, world.storage.one("SELECT MAX(incident_id) FROM alert_incidents")):
            await graph(world, bot, incident_id)
    many, one = world.telegram.texts()[-2:]
    assert [line for line in many.split("\n") if "constantly" in line] == [f"{n}: constantly {n}" for n in range(6)]
    assert "\n… and 34 more series that are not shown.\n" in many
    assert "\nConstantly 7.\n" in one
    assert "more series" not in one


async def test_the_rule_where_the_alert_has_no_link(world: World, autojump_clock: MockClock) -> None:
    """The expression is that of Prometheus's rule of the same name; without one that is said."""
    incident_id = fire(world, alert(generatorURL=""))
    world.prometheus.results["errors"] = [({}, [1.0])]
    async with world.start() as bot:
        await graph(world, bot, incident_id)
        assert "Prometheus has no rule HighErrorRate." in world.telegram.texts()[-1]
        world.prometheus.rules = {"Other": "x", "HighErrorRate": "errors > 0.1"}
        await graph(world, bot, incident_id)
        assert "It fires at 0.1." in world.telegram.texts()[-1]
        assert "Open in" not in world.telegram.texts()[-1]
        world.prometheus.results["errors"] = []
        await graph(world, bot, incident_id)
        assert world.telegram.texts()[-1] == "📈 Prometheus has no values for HighErrorRate in the last 6 h."


async def test_an_expression_read_wrongly(world: World, autojump_clock: MockClock) -> None:
    """When Prometheus refuses what was taken out of the expression, the whole is asked for."""
    incident_id = fire(world)
    world.prometheus.results["errors > 0.1"] = [({}, [1.0])]
    async with world.start() as bot:
        await graph(world, bot, incident_id)
    assert world.prometheus.queries == ["errors", "errors > 0.1"]
    assert "<code>errors &gt; 0.1</code>" in world.telegram.texts()[-1]


@pytest.mark.parametrize("mode", [*DOWN, "404"])
async def test_prometheus_down(world: World, autojump_clock: MockClock, mode: str) -> None:
    """In each way to be down: the press is answered at once, and within ten seconds (twice that at most) why."""
    incident_id = fire(world)
    world.prometheus.mode = mode
    async with world.start() as bot:
        start = trio.current_time()
        await graph(world, bot, incident_id)
        assert trio.current_time() - start < 20
    text = world.telegram.texts()[-1]
    reason = DOWN.get(mode, "refused")
    assert text.startswith(T(f"prometheus.{reason}", detail="")[:40])
    assert text.endswith(f"\n{LINK}")
    assert len(text) < 800


def test_blocks_of_odd_values() -> None:
    """Gaps stay gaps, what never changes is low, what is below nothing is lowest."""
    assert blocks([None, None], 30) == "\u00a0\u00a0"
    assert blocks([0.0, None, 0.0], 30) == "▁\u00a0▁"
    assert blocks([-1.0, 0.0, 1.0], 30) == "▁▅█"
    assert blocks([5.0, 5.0], 30) == "██"
    assert blocks([], 30) == ""
