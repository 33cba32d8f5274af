"""Incidents: one message each, edited while it changes, told again when it is due."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

from doradura.alerts.payload import SEVERITIES
from doradura.storage import alert_marks
from tests.monitoring_doubles import stamp
from tests.unit.alerts.conftest import Alerts, alert

MINUTE = 60
HOUR = 3600


async def test_a_day_of_a_critical_alert(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Alertmanager repeats it every half hour, at times early: one message and a reply to it at each repeat."""
    async with alerts.life() as life:
        firing = alert(remind="1800")
        for turn in range(48):
            await life.post(firing)
            await trio.sleep(30 * MINUTE + (-20 if turn % 2 else 20))
    assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"] * 48
    first, *reminders = alerts.words()
    assert first.endswith("12% failed\nSince 2027-01-15 08:00 UTC\n#HighErrorRate")
    assert reminders[0] == "🔴 CRITICAL: Summary of HighErrorRate\nStill firing, for 30 min now.\n#HighErrorRate"
    assert reminders[-1] == "🔴 CRITICAL: Summary of HighErrorRate\nStill firing, for 23 h 30 min now.\n#HighErrorRate"
    replies = [
        call.parameters["reply_parameters"]["message_id"] for call in alerts.world.telegram.all("sendMessage")[1:]
    ]
    assert replies == [101] * 47
    shown = [call.parameters["reply_markup"] for call in alerts.world.telegram.all("sendMessage")]
    assert shown[1:] == [shown[0]] * 47
    assert alerts.world.telegram.all("editMessageText") == []
    assert alerts.world.value("alerts_received_total", severity="critical", status="firing") == 1


async def test_reminders_seconds_apart_keep_their_interval(alerts: Alerts, autojump_clock: MockClock) -> None:
    """At --speed 60 a reminder is asked for every 30 s: a repeat every ten seconds rings each third time."""
    async with alerts.life() as life:
        for _ in range(10):
            await life.post(alert(remind="30"))
            await trio.sleep(10)
    assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"] * 4


async def test_repeats_before_their_time_are_silent(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A repeat in the reminder's time, and any repeat of an alert without one, says nothing."""
    async with alerts.life() as life:
        firing = [alert(remind="900"), alert("SlowDownloads", severity="warning")]
        for _ in range(14):
            await life.post(*firing)
            await trio.sleep(MINUTE)
        assert alerts.sent() == 2
        await life.post(*firing)
    assert alerts.firsts() == [
        "🔴 CRITICAL: Summary of HighErrorRate",
        "🟠 WARNING: Summary of SlowDownloads",
        "🔴 CRITICAL: Summary of HighErrorRate",
    ]


async def test_flapping_for_an_hour(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Every two minutes on and off: a new message only when the reminder's time is over, else the old one changes."""
    async with alerts.life() as life:
        for _ in range(30):
            starts = stamp(alerts.world.clock())
            await life.post(alert(remind="1800", starts=starts))
            await trio.sleep(MINUTE)
            await life.post(alert(remind="1800", starts=starts, status="resolved"))
            await trio.sleep(MINUTE)
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"] * 2
    assert [line for text in alerts.words() for line in text.split("\n") if line.startswith("Fired")] == [
        "Fired 15 times since 2027-01-15 08:00 UTC",
        "Fired 15 times since 2027-01-15 08:30 UTC",
    ]
    assert "Lasted 1 min: 2027-01-15 08:28 UTC to 2027-01-15 08:29 UTC" in alerts.words()[0]
    assert alerts.sent() == 2
    assert len(alerts.world.telegram.all("editMessageText")) == 58


@pytest.mark.parametrize(("severity", "messages"), [("critical", 3), ("warning", 1), ("info", 1), ("odd", 1)])
async def test_flapping_without_the_annotation(
    alerts: Alerts, autojump_clock: MockClock, severity: str, messages: int
) -> None:
    """Twenty times on and off in forty minutes: a critical alert rings each quarter of an hour, others hourly."""
    async with alerts.life() as life:
        for _ in range(20):
            starts = stamp(alerts.world.clock())
            await life.post(alert(severity=severity, starts=starts))
            await trio.sleep(MINUTE)
            await life.post(alert(severity=severity, starts=starts, status="resolved"))
            await trio.sleep(MINUTE)
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"] * messages
    assert alerts.sent() == messages
    counts = [int(line.split()[1]) for text in alerts.words() for line in text.split("\n") if line.startswith("Fired")]
    assert sum(counts) == 20
    counted = severity if severity in SEVERITIES else "other"
    assert alerts.world.value("alerts_received_total", severity=counted, status="firing") == 20


async def test_firing_again_later_is_news(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What fires again when the last telling is a quarter of an hour old is a message of its own."""
    async with alerts.life() as life:
        for _ in range(2):
            starts = stamp(alerts.world.clock())
            await life.post(alert(starts=starts))
            await trio.sleep(MINUTE)
            await life.post(alert(starts=starts, status="resolved"))
            await trio.sleep(14 * MINUTE)
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"] * 2
    assert "Fired" not in "".join(alerts.words())


async def test_what_goes_on_after_flapping_is_told_aloud(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The message shows at once that it fires again; a phone rings for it once the quiet time is over, and once."""
    alerts.reconciled = True
    alerts.world.alertmanager.fingerprints = ["f-HighErrorRate"]
    async with alerts.life() as life:
        await life.post(alert())
        await trio.sleep(3 * MINUTE)
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        await trio.sleep(MINUTE)
        await life.post(alert())
        assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]
        assert alerts.words()[0].split("\n")[2:4] == [
            "Since 2027-01-15 08:04 UTC",
            "Fired 2 times since 2027-01-15 08:00 UTC",
        ]
        await trio.sleep(9 * MINUTE)
        assert alerts.sent() == 1
        await trio.sleep(3 * MINUTE)
        assert alerts.sent() == 2
        await trio.sleep(HOUR)
    assert alerts.sent() == 2
    assert alerts.words()[1].split("\n")[1:3] == [
        "Still firing, for 10 min now.",
        "Fired 2 times since 2027-01-15 08:00 UTC",
    ]


async def test_what_somebody_took_on_does_not_ring_again(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Acknowledged while it fires again in quiet: no phone rings."""
    alerts.reconciled = True
    alerts.world.alertmanager.fingerprints = ["f-HighErrorRate"]
    db = alerts.world.storage.db
    async with alerts.life() as life:
        await life.post(alert())
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        await trio.sleep(MINUTE)
        await life.post(alert())
        alert_marks.acknowledge(
            db, alerts.world.storage.one("SELECT incident_id FROM alert_incidents"), "Ann", alerts.world.clock()
        )
        await trio.sleep(HOUR)
    assert alerts.sent() == 1


async def test_a_clock_set_back_hides_no_firing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The last telling lies in the future then, and is not taken for a fresh one."""
    async with alerts.life() as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        alerts.world.clock.ahead_seconds = -HOUR
        await life.post(alert(starts="2027-01-15T07:01:00Z"))
    assert alerts.sent() == 2


async def test_ends_without_their_firings_flap_too(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Ends whose firings never came, minutes apart, are counted in one message."""
    async with alerts.life() as life:
        await life.post(alert(starts="2027-01-15T07:00:00Z"))
        for minute in range(5):
            await life.post(alert(starts=f"2027-01-15T08:0{minute}:00Z", status="resolved"))
            await trio.sleep(MINUTE)
    assert alerts.sent() == 1
    assert "Fired 5 times since 2027-01-15 07:00 UTC" in alerts.words()[0]


async def test_one_incident_whatever_the_group_or_start(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A second group and another startsAt change the message; so does the text, and the end of either."""
    async with alerts.life() as life:
        await life.post(alert(starts="2027-01-15T07:00:00Z"))
        await life.post(alert(starts="2027-01-15T07:30:00Z"), group="other")
        assert alerts.world.telegram.all("editMessageText") == []
        await life.post(alert(starts="2027-01-15T07:30:00Z", annotations={"summary": "Worse"}))
        assert alerts.firsts() == ["🔴 CRITICAL: Worse"]
        await life.post(alert(starts="2027-01-15T07:30:00Z", status="resolved"), group="other")
    assert alerts.firsts() == ["✅ RESOLVED: Worse"]
    assert "Lasted 1 h: 2027-01-15 07:00 UTC to 2027-01-15 08:00 UTC" in alerts.words()[0]
    assert alerts.world.value("alerts_received_total", severity="critical", status="firing") == 3


async def test_what_was_overtaken_opens_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A firing notice that comes again just after its end may be old; a minute later it is true."""
    async with alerts.life() as life:
        starts = stamp(alerts.world.clock())
        for status in ("firing", "resolved", "firing", "resolved"):
            await life.post(alert(starts=starts, status=status))
            await trio.sleep(10)
        assert len(alerts.world.telegram.all("editMessageText")) == 1
        assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"]
        await trio.sleep(MINUTE)
        await life.post(alert(starts=starts))
        assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]
        await life.post(alert(starts=starts, status="resolved"))
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"]


async def test_an_old_end_does_not_end_a_new_firing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The end of the firing before, sent once more, leaves the present one alone."""
    async with alerts.life() as life:
        first = stamp(alerts.world.clock())
        await life.post(alert(starts=first))
        await life.post(alert(starts=first, status="resolved"))
        await trio.sleep(15 * MINUTE)
        await life.post(alert())
        await life.post(alert(starts=first, status="resolved"))
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate", "🔴 CRITICAL: Summary of HighErrorRate"]


async def test_an_end_without_a_beginning_is_told(alerts: Alerts, autojump_clock: MockClock) -> None:
    """After a lost database the end of what fired is news; said twice it is none."""
    async with alerts.life() as life:
        ended = alert(status="resolved", starts="2027-01-15T07:00:00Z")
        await life.post(ended)
        await life.post(ended)
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"]


async def test_five_are_a_message_each_six_are_one(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The limit is five new alerts of one POST; those that are known already do not count."""
    async with alerts.life() as life:
        five = [alert(f"A{number}") for number in range(5)]
        await life.post(*five)
        assert alerts.sent() == 5
        await life.post(*five, *(alert(f"B{number}") for number in range(5)))
        assert alerts.sent() == 10
        await life.post(*(alert(f"C{number}", severity="warning") for number in range(6)))
    assert alerts.sent() == 11
    assert alerts.words()[-1] == "\n".join(
        [
            "🟠 WARNING: 6 alerts at once",
            "",
            *(f"🟠 Summary of C{number}" for number in range(6)),
            "#C0 #C1 #C2 #C3 #C4 #C5",
        ]
    )


async def test_a_burst_resolves_in_its_message(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The one message of many counts what has ended, and says so at last of all."""
    async with alerts.life() as life:
        many = [alert(f"C{number}", severity="warning") for number in range(6)]
        await life.post(*many, alert("D"))
        assert alerts.firsts() == ["🔴 CRITICAL: 7 alerts at once"]
        await life.post(alert("D", status="resolved"), *many)
        assert alerts.words()[0].split("\n")[:2] == ["🟠 WARNING: 7 alerts at once", "6 firing, 1 resolved"]
        assert alerts.words()[0].split("\n")[-2] == "✅ Summary of D"
        await life.post(*(alert(f"C{number}", status="resolved") for number in range(6)))
    assert alerts.firsts() == ["✅ RESOLVED: 7 alerts"]
    assert alerts.sent() == 1


async def test_one_body_that_says_all_about_one_alert(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Fired and resolved in the same body, and fired anew: two incidents, each told."""
    async with alerts.life() as life:
        starts = stamp(alerts.world.clock() - 120_000)
        await life.post(alert(starts=starts), alert(starts=starts, status="resolved"), alert())
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate", "🔴 CRITICAL: Summary of HighErrorRate"]


async def test_a_late_end_of_an_older_firing_ends_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Fired at 8:00 and again at 8:30; the end of the first, heard late, is no end of the second, and is no news."""
    async with alerts.life() as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        await life.post(alert(starts="2027-01-15T08:30:00Z"))
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved", endsAt="2027-01-15T08:10:00Z"))
        assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]
        # An older firing that is heard again does not make the incident older: the end still is not its own.
        await life.post(alert(starts="2027-01-15T08:05:00Z"))
        await life.post(alert(starts="2027-01-15T08:06:00Z", status="resolved", endsAt="2027-01-15T08:12:00Z"))
        assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]
        await life.post(alert(starts="2027-01-15T08:30:00Z", status="resolved", endsAt="2027-01-15T08:40:00Z"))
        await life.post(alert(starts="2027-01-15T08:07:00Z", status="resolved", endsAt="2027-01-15T08:13:00Z"))
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"]


async def test_another_copys_end_ends_it(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Two Prometheus servers start it a minute apart: an end after the later start ends it, whichever says so."""
    async with alerts.life() as life:
        await life.post(alert(starts="2027-01-15T08:01:00Z"))
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved", endsAt="2027-01-15T08:10:00Z"))
    assert alerts.firsts() == ["✅ RESOLVED: Summary of HighErrorRate"]


def truncated(count: object, *alerts: object, group: str = "g") -> bytes:
    """A body that leaves so many alerts out."""
    return json.dumps({"version": "4", "groupKey": group, "alerts": alerts, "truncatedAlerts": count}).encode()


LEFT_OUT = "⚠️ Alertmanager left {} more alerts of this group out"


async def test_what_alertmanager_left_out(alerts: Alerts, autojump_clock: MockClock) -> None:
    """One message says how many; more of them later ring, once a quarter of an hour, and fewer are said in silence."""
    starts = "2027-01-15T08:00:00Z"
    several = [alert(f"A{number}", starts=starts) for number in range(3)]
    async with alerts.life() as life:
        for minutes, count in ((0, 5), (5, 7), (20, 9), (1, 0)):
            await trio.sleep(minutes * MINUTE)
            assert (await life.intake.accept(truncated(count, *several))).status == 200
            await life.told()
            said = [text for text in alerts.words() if LEFT_OUT.format(count) in text]
            assert len(said) == (count > 0)
            assert alerts.sent() == (4 if minutes == 20 or count == 0 else 3)
    assert "left" not in "".join(alerts.words())


@pytest.mark.parametrize("count", [None, -1, "x", True, 1.5, [], {}, "", 10**30])
async def test_an_odd_number_left_out(alerts: Alerts, autojump_clock: MockClock, count: object) -> None:
    """What is no number of alerts is none."""
    async with alerts.life() as life:
        assert (await life.intake.accept(truncated(count, alert()))).status == 200
        await life.told()
    assert "left" not in alerts.words()[0]
