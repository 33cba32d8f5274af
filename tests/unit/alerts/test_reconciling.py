"""Open incidents beside Alertmanager's list: what has ended unheard, what proves nothing, what fires all the same."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.alerts import Alertmanager, MonitoringError, Silencing, open_client
from doradura.chat.alert_keyboards import message_keyboard
from doradura.chat.texts import Catalogues
from doradura.storage import alert_marks
from doradura.storage import alerts as stored
from doradura.storage.ids import IdMaker
from tests.incidents import firing
from tests.monitoring_doubles import DOWN, stamp
from tests.unit.alerts.conftest import Alerts, Life, alert
from tests.wiring import ADMIN

MINUTE = 60
HOUR = 3600
FIRES = "🔴 CRITICAL: Summary of HighErrorRate"
ENDED = "✅ RESOLVED: Summary of HighErrorRate"
FINGERPRINT = "f-HighErrorRate"
WATCHDOG = alert("Watchdog", severity="none", starts="2027-01-15T07:00:00Z")
T = Catalogues().for_language(None)


@pytest.fixture
def alerts(alerts: Alerts) -> Alerts:
    """Alerts that are compared with the list of an Alertmanager that has run for long."""
    alerts.reconciled = True
    return alerts


def lists(alerts: Alerts, *names: str) -> None:
    """Let Alertmanager list these alerts."""
    alerts.world.alertmanager.fingerprints = [f"f-{name}" for name in names]


def buttons(alerts: Alerts, at: int = 0) -> list[str]:
    """The buttons under a message."""
    found = sorted(stands for stands in alerts.world.telegram.messages if stands[0] == ADMIN)
    markup = alerts.world.telegram.messages[found[at]]["markup"] or {}
    return [button["text"] for row in markup.get("inline_keyboard", []) for button in row]


async def dismiss(alerts: Alerts, life: Life, *, by: str = "Ann") -> str:
    """Press Dismiss on the first incident; give what is answered."""
    world = alerts.world
    incident_id = world.storage.one("SELECT MIN(incident_id) FROM alert_incidents")
    async with open_client("http://alertmanager.test", world.alertmanager.transport()) as client:
        silencing = Silencing(
            *(Alertmanager(client, clock=world.clock), world.storage, world.metrics),
            IdMaker(world.clock),
            clock=world.clock,
        )
        return (await silencing.dismiss(incident_id, by)).what


async def seen(alerts: Alerts, life: Life, **more: Any) -> None:
    """Let an alert fire that Alertmanager lists, and be seen there."""
    lists(alerts, "HighErrorRate")
    await life.post(alert(starts="2027-01-15T08:00:00Z", **more))
    await trio.sleep(3)


async def test_an_end_that_nobody_posts(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Five minutes after it left the list, and not before, the message says that it ended and that nobody told so."""
    async with alerts.life() as life:
        await seen(alerts, life)
        await trio.sleep(HOUR)
        assert alerts.firsts() == [FIRES]
        lists(alerts, "Other")
        await trio.sleep(5 * MINUTE)
        assert alerts.firsts() == [FIRES]
        await trio.sleep(MINUTE + 5)
    assert alerts.firsts() == [ENDED]
    assert alerts.words()[0].split("\n")[2:] == [
        "Since 2027-01-15 08:00 UTC",
        (
            "⚠️ Probably over: Alertmanager no longer lists it (noticed 2027-01-15 09:05 UTC). "
            "It ended while silenced or inhibited, or Alertmanager lost it: look at Prometheus if in doubt."
        ),
        "#HighErrorRate",
    ]
    assert alerts.sent() == 1
    assert ("GET", "/api/v2/alerts") in alerts.world.alertmanager.asked


async def test_a_gap_ends_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Missing for four minutes, listed once, and missing for four again is not missing for five."""
    async with alerts.life() as life:
        await seen(alerts, life)
        for _ in range(5):
            lists(alerts)
            await trio.sleep(4 * MINUTE)
            lists(alerts, "HighErrorRate")
            await trio.sleep(MINUTE)
    assert alerts.firsts() == [FIRES]


async def test_a_notice_that_it_fires_counts_as_well(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Another Alertmanager of the cluster posts it every four minutes: it has not ended, whatever this one lists."""
    async with alerts.life() as life:
        await seen(alerts, life)
        lists(alerts)
        for _ in range(5):
            await life.accept(alert(starts="2027-01-15T08:00:00Z"), group="other")
            await trio.sleep(4 * MINUTE)
    assert alerts.firsts() == [FIRES]


async def test_an_alertmanager_that_just_started_ends_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Its empty list ends nothing for ten minutes; what is missing from it still after that has ended."""
    async with alerts.life() as life:
        await seen(alerts, life)
        alerts.world.alertmanager.started_ms = alerts.world.clock()
        lists(alerts)
        await trio.sleep(9 * MINUTE)
        assert alerts.firsts() == [FIRES]
        await trio.sleep(3 * MINUTE)
    assert alerts.firsts() == [ENDED]


async def test_an_alertmanager_whose_clock_was_wrong_is_as_young(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Restarted, and its clock set since: it has not been up for longer than since the other was last heard."""
    async with alerts.life() as life:
        await seen(alerts, life)
        await trio.sleep(MINUTE)
        alerts.world.alertmanager.started_ms = alerts.world.clock() + 1
        lists(alerts)
        await trio.sleep(MINUTE)
        alerts.world.alertmanager.headers["Date"] = "Sun, 17 Jan 2027 08:00:00 GMT"
        await trio.sleep(7 * MINUTE)
    assert alerts.firsts() == [FIRES]


async def test_another_alertmanager_at_the_address_proves_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """One that ran while the other listed the alert never had it: dismissing is all there is."""
    async with alerts.life() as life:
        await seen(alerts, life)
        await trio.sleep(30 * MINUTE)
        alerts.world.alertmanager.started_ms = alerts.world.clock() - 29 * MINUTE * 1000
        lists(alerts)
        await trio.sleep(HOUR)
        assert alerts.firsts() == [FIRES]
        assert buttons(alerts)[-1] == "🗑 Dismiss"


async def test_one_that_is_not_told_of_the_watchdog_proves_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A new one at the address that Prometheus does not tell: the watchdog comes, and is not on its list."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        await seen(alerts, life)
        await trio.sleep(MINUTE)
        alerts.world.alertmanager.started_ms = alerts.world.clock()
        lists(alerts)
        for _ in range(30):
            await life.accept(WATCHDOG)
            await trio.sleep(2 * MINUTE)
        assert alerts.firsts() == [FIRES]
        alerts.world.alertmanager.watchdog = True
        await life.accept(WATCHDOG)
        await trio.sleep(2 * MINUTE)
    assert alerts.firsts() == [ENDED]


@pytest.mark.parametrize("mode", [*DOWN, "404"])
async def test_no_usable_answer_proves_nothing(alerts: Alerts, autojump_clock: MockClock, mode: str) -> None:
    """In each way to be down nothing ends; after five minutes it may be dismissed, and no more once it is listed."""
    async with alerts.life() as life:
        await seen(alerts, life)
        alerts.world.alertmanager.mode = mode
        await trio.sleep(4 * MINUTE)
        assert "🗑 Dismiss" not in buttons(alerts)
        await trio.sleep(HOUR)
        assert alerts.firsts() == [FIRES]
        assert buttons(alerts)[-1] == "🗑 Dismiss"
        alerts.world.alertmanager.mode = "ok"
        await trio.sleep(3 * MINUTE)
        assert "🗑 Dismiss" not in buttons(alerts)
        assert await dismiss(alerts, life) == "listed"
    assert alerts.firsts() == [FIRES]


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"null",
        b"[1]",
        b'[{"labels": {}}]',
        b'[{"fingerprint": 5}]',
        b'[{"fingerprint": "x", "labels": 1}]',
        b"[" * 100_000,
        b'[{"fingerprint": "\xff"}]',
    ],
)
async def test_a_list_that_is_none(alerts: Alerts, autojump_clock: MockClock, answer: bytes) -> None:
    """A list that is not understood whole is none: what it leaves out may be there."""
    async with alerts.life() as life:
        await seen(alerts, life)
        alerts.world.alertmanager.instead["/api/v2/alerts"] = httpx.Response(200, content=answer)
        await trio.sleep(20 * MINUTE)
    assert alerts.firsts() == [FIRES]
    assert alerts.world.value("errors_total", category="alert") == 0


@pytest.mark.parametrize("uptime", ["", "x", 5, None, "0001-01-01T00:00:00", "9999-99-99T00:00:00Z", "2027-01-15"])
async def test_a_start_that_is_none(alerts: Alerts, autojump_clock: MockClock, uptime: object) -> None:
    """An Alertmanager that can't say since when it runs proves nothing."""
    async with alerts.life() as life:
        await seen(alerts, life)
        lists(alerts)
        answer = httpx.Response(200, content=json.dumps({"uptime": uptime}))
        alerts.world.alertmanager.instead["/api/v2/status"] = answer
        await trio.sleep(20 * MINUTE)
    assert alerts.firsts() == [FIRES]
    assert alerts.world.value("errors_total", category="alert") == 0


async def test_what_was_never_listed_is_dismissed(alerts: Alerts, autojump_clock: MockClock) -> None:
    """By curl, or another Alertmanager: a button soon, one effect in all chats; a later firing is a new message."""
    async with alerts.life(ADMIN, -100123) as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        await trio.sleep(20)
        assert "🗑 Dismiss" not in buttons(alerts), "Alertmanager may just be starting"
        await trio.sleep(15)
        assert buttons(alerts)[-1] == "🗑 Dismiss"
        await trio.sleep(HOUR)
        assert alerts.firsts() == [FIRES]
        assert [await dismiss(alerts, life, by=who) for who in ("Ann", "Bea")] == ["dismissed", "already"]
        await life.told()
        assert alerts.firsts() == alerts.firsts(-100123) == [ENDED]
        assert alerts.words()[0].split("\n")[3] == (
            "🗑 Dismissed by Ann, 2027-01-15 09:00 UTC. "
            "Whether it had ended isn't known; if it fires again, I'll say so."
        )
        assert "🗑 Dismiss" not in buttons(alerts)
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
    assert alerts.firsts() == alerts.firsts(-100123) == [ENDED, FIRES]


async def test_dismissing_works_after_a_restart(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What may be dismissed is known to the database."""
    async with alerts.life() as life:
        await life.post(alert())
        await trio.sleep(35)
    alerts.reconciled = False
    async with alerts.life() as life:
        assert await dismiss(alerts, life) == "dismissed"
        await life.told()
    assert alerts.firsts() == [ENDED]


async def test_the_watchdogs_silence_is_dismissed(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Who takes monitoring away for good dismisses its silence; it is told again after the next watchdog alone."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        await trio.sleep(700)
        assert alerts.firsts() == ["🔴 CRITICAL: Monitoring is silent"]
        assert buttons(alerts) == ["👤 Acknowledge", "📖 What to do", "🗑 Dismiss"]
        assert await dismiss(alerts, life) == "dismissed"
        await trio.sleep(HOUR)
        assert alerts.firsts() == ["✅ RESOLVED: Monitoring is silent"]
        await life.post(WATCHDOG)
        await trio.sleep(700)
    assert alerts.firsts() == ["✅ RESOLVED: Monitoring is silent", "🔴 CRITICAL: Monitoring is silent"]


async def test_nothing_ends_while_monitoring_is_silent(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Prometheus is gone, and Alertmanager's list is empty for that reason."""
    async with alerts.life() as life:
        await seen(alerts, life)
        await life.post(WATCHDOG)
        await trio.sleep(602)
        lists(alerts)
        await trio.sleep(HOUR)
        assert alerts.firsts() == [FIRES, "🔴 CRITICAL: Monitoring is silent"]
        await life.post(WATCHDOG)
        await trio.sleep(2 * MINUTE)
    assert alerts.firsts()[0] == ENDED


async def test_restarts_of_the_bot_keep_what_was_seen(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Seen in one life, missing for two minutes in each of the next: it has ended in the fourth."""
    async with alerts.life() as life:
        await seen(alerts, life)
    lists(alerts)
    ended = []
    for _ in range(4):
        async with alerts.life():
            await trio.sleep(2 * MINUTE + 10)
            ended.append(alerts.firsts() == [ENDED])
        await trio.sleep(HOUR)
    assert ended == [False, False, True, True]


async def test_a_wall_clock_that_is_set_ends_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A day ahead, a day back, or a year: an incident that has been missing for a minute has been so for a minute."""
    async with alerts.life() as life:
        await seen(alerts, life)
        lists(alerts)
        for ahead in (24 * HOUR, -24 * HOUR, 8760 * HOUR, 0):
            await trio.sleep(MINUTE)
            alerts.world.clock.ahead_seconds = ahead
        assert alerts.firsts() == [FIRES]
        await trio.sleep(3 * MINUTE)
    assert alerts.firsts() == [ENDED]


async def test_a_stopped_process_saw_nothing_missing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """An hour in which the process stood still is no hour without the alert: the five minutes go on after it."""
    async with alerts.life() as life:
        await seen(alerts, life)
        lists(alerts)
        await trio.sleep(MINUTE + 10)
        autojump_clock.jump(HOUR)
        await trio.sleep(MINUTE + 10)
        assert alerts.firsts() == [FIRES]
        await trio.sleep(4 * MINUTE)
    assert alerts.firsts() == [ENDED]


async def test_thousands_of_alerts(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Three thousand fire and all but one end unheard."""
    world = alerts.world
    names = [f"A{number}" for number in range(3000)]
    async with alerts.life() as life:
        lists(alerts, *names)
        await life.accept(*(alert(name) for name in names))
        await trio.sleep(5)
        lists(alerts, "A7")
        await trio.sleep(7 * MINUTE)
        assert world.storage.one("SELECT COUNT(*) FROM alert_incidents WHERE state = 'firing'") == 1
    assert alerts.firsts() == ["🔴 CRITICAL: 3000 alerts at once"]


async def test_one_bad_look_is_not_the_last(
    alerts: Alerts, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in one look is counted, and the next minute looks again."""
    async with alerts.life() as life:
        await seen(alerts, life)
        lists(alerts)
        with monkeypatch.context() as patch:
            patch.setattr(Alertmanager, "listing", lambda _self: 1 // 0)
            await trio.sleep(2 * MINUTE)
        assert alerts.world.value("errors_total", category="alert") >= 1
        await trio.sleep(8 * MINUTE)
    assert alerts.firsts() == [ENDED]


async def false_end(alerts: Alerts, life: Life) -> None:
    """Fired and listed, ended by mistake, and fires still, said ten seconds later."""
    await seen(alerts, life)
    await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
    await trio.sleep(10)
    await life.accept(alert(starts="2027-01-15T08:00:00Z"))
    await trio.sleep(20)
    assert alerts.firsts() == [ENDED]


async def test_a_false_end_is_taken_back(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A frozen machine: a minute after the firing notice the list says that it fires, and so does the message."""
    async with alerts.life() as life:
        await false_end(alerts, life)
        await trio.sleep(45)
        assert alerts.firsts() == [FIRES]
        await trio.sleep(12 * HOUR)
    assert alerts.firsts() == [FIRES, FIRES], "and a phone rings for it, once"


async def test_a_doubt_that_is_due_in_a_moment(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A look just before it is due is followed by one when it is."""
    async with alerts.life() as life:
        await false_end(alerts, life)
        await trio.sleep(39)
        lists(alerts, "HighErrorRate", "B")
        await life.accept(alert("B"))
        await trio.sleep(0.5)
        assert alerts.firsts()[0] == ENDED
        await trio.sleep(2)
        assert alerts.firsts()[0] == FIRES


async def test_an_overtaken_notice_opens_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The list has it no more: the notice was older than the end."""
    async with alerts.life() as life:
        await seen(alerts, life)
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        lists(alerts)
        await life.accept(alert(starts="2027-01-15T08:00:00Z"))
        await trio.sleep(HOUR)
    assert alerts.firsts() == [ENDED]
    assert alerts.world.storage.one("SELECT COUNT(*) FROM alert_doubts") == 0


@pytest.mark.parametrize("mode", [*DOWN, "young", "never listed"])
async def test_where_nobody_can_be_asked_the_firing_stands(
    alerts: Alerts, autojump_clock: MockClock, mode: str
) -> None:
    """An alarm too many, never one too few; also over a restart in between."""
    async with alerts.life() as life:
        if mode == "never listed":
            await life.post(alert(starts="2027-01-15T08:00:00Z"))
        else:
            await seen(alerts, life)
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        lists(alerts)
        if mode == "young":
            alerts.world.alertmanager.started_ms = alerts.world.clock() + 1
        elif mode != "never listed":
            alerts.world.alertmanager.mode = mode
        await life.accept(alert(starts="2027-01-15T08:00:00Z"))
    async with alerts.life():
        await trio.sleep(50)
        assert alerts.firsts() == [ENDED]
        await trio.sleep(30)
    assert alerts.firsts() == [FIRES]


async def test_a_later_end_settles_the_doubt(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Fired and ended again within the minute: nothing is left to decide; the same end once more settles nothing."""
    async with alerts.life() as life:
        await false_end(alerts, life)
        await life.accept(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        assert alerts.world.storage.one("SELECT COUNT(*) FROM alert_doubts") == 0
        await trio.sleep(HOUR)
        assert alerts.firsts() == [ENDED]
        end = stamp(alerts.world.clock())
        await life.post(alert("B", starts="2027-01-15T08:00:00Z"))
        for status in ("resolved", "firing", "resolved"):
            await life.accept(alert("B", starts="2027-01-15T08:00:00Z", status=status, endsAt=end))
        lists(alerts, "B")
        await trio.sleep(2 * MINUTE)
    assert alerts.firsts()[1] == "🔴 CRITICAL: Summary of B"


async def test_a_clock_set_back_puts_no_doubt_off(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A doubt that seems to be due in an hour was noted by another clock: it is decided with the next look."""
    async with alerts.life() as life:
        await false_end(alerts, life)
        alerts.world.clock.ahead_seconds = -HOUR
        await trio.sleep(2 * MINUTE)
        assert alerts.firsts()[0] == FIRES


async def test_a_doubt_about_a_forgotten_incident(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The clock was set meanwhile, and the incident deleted: the doubt goes, and nothing else happens."""
    async with alerts.life() as life:
        await false_end(alerts, life)
        alerts.world.clock.ahead_seconds = -HOUR
        stored.forget_old(alerts.world.storage.db, alerts.world.clock() + 10 * HOUR * 1000)
        await trio.sleep(2 * MINUTE)
    assert alerts.firsts() == [ENDED]
    for table in ("alert_doubts", "alert_sightings"):
        assert alerts.world.storage.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_a_burst_has_one_button_to_dismiss_what_nobody_lists() -> None:
    """Under a message of many alerts; where Alertmanager lists them all there is none."""
    incidents = [firing(incident_id=n, card_id=9, fingerprint=f"f{n}") for n in range(3)]
    view = stored.CardView(incidents=incidents, total=3, firing=3)
    assert "a:da:9" not in str(message_keyboard(T, view))
    assert "a:da:9" in str(message_keyboard(T, replace(view, marks={2: stored.Marks(loose=1)})))


async def test_a_slow_alertmanager_holds_nothing_up(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Alerts are told while its answer is waited for."""
    alerts.world.alertmanager.mode = "nothing"
    async with alerts.life() as life:
        start = trio.current_time()
        await life.post(alert())
        assert trio.current_time() - start < 1
    assert alerts.firsts() == [FIRES]


async def test_the_list_is_asked_for_whole(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Silenced, inhibited and unprocessed alerts are asked for by name; nothing is asked while nothing fires."""
    async with alerts.life() as life:
        await trio.sleep(HOUR)
        assert alerts.world.alertmanager.asked == []
        await seen(alerts, life)
    (query,) = {request for request in alerts.world.alertmanager.queries if request.startswith("/api/v2/alerts")}
    for kind in ("active", "silenced", "inhibited", "unprocessed"):
        assert f"{kind}=true" in query


async def test_an_answer_over_the_bound(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Eight megabytes and more are read where the list is, and refused beyond thirty-two."""
    fake = alerts.world.alertmanager
    async with open_client("http://alertmanager.test", fake.transport()) as client:
        found = [{"fingerprint": f"{number:016x}", "labels": {"text": "x" * 3000}} for number in range(10_000)]
        fake.instead["/api/v2/alerts"] = httpx.Response(200, json=found)
        assert len((await Alertmanager(client, clock=alerts.world.clock).listing()).fingerprints) == 10_000
        fake.instead["/api/v2/alerts"] = httpx.Response(200, content=b"[" + b" " * (33 * 1024**2) + b"]")
        with pytest.raises(MonitoringError) as caught:
            await Alertmanager(client, clock=alerts.world.clock).listing()
    assert caught.value.reason == "too_large"


async def test_an_acknowledged_incident_ends_unheard_too(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What somebody took on is ended like any other, and says who did."""
    async with alerts.life() as life:
        await seen(alerts, life)
        incident_id = alerts.world.storage.one("SELECT incident_id FROM alert_incidents")
        alert_marks.acknowledge(alerts.world.storage.db, incident_id, "Ann", alerts.world.clock())
        lists(alerts)
        await trio.sleep(7 * MINUTE)
    assert alerts.firsts() == [ENDED]
    assert "👤 Acknowledged by Ann" in alerts.words()[0]


async def test_an_alertmanager_that_is_away_is_logged_seldom(
    alerts: Alerts, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """At once, then once an hour, and when it answers again: not once a minute for ever."""
    caplog.set_level(logging.INFO)

    def said(words: str) -> int:
        return sum(record.getMessage().startswith(words) for record in caplog.records)

    async with alerts.life() as life:
        await seen(alerts, life)
        alerts.world.alertmanager.mode = "down"
        await trio.sleep(50 * MINUTE)
        assert said("no list from Alertmanager") == 1
        await trio.sleep(2 * HOUR)
        assert said("no list from Alertmanager") == 3
        alerts.world.alertmanager.mode = "ok"
        await trio.sleep(2 * MINUTE)
        assert said("Alertmanager answers again") == 1
