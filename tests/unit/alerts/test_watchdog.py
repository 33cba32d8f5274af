"""The watchdog: its silence is told, and what its silence makes doubtful."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.unit.alerts.conftest import Alerts, alert
from tests.wiring import EPOCH_SECONDS

WATCHDOG = alert("Watchdog", severity="none", starts="2027-01-15T08:00:00Z")
SILENT = "🔴 CRITICAL: Monitoring is silent"


def last_seen(alerts: Alerts) -> float | None:
    """The gauge, None while it has no sample."""
    return alerts.world.metrics.registry.get_sample_value("doradura_watchdog_last_seen_timestamp_seconds")


async def test_nothing_is_missed_before_the_first(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Where monitoring was never set up its silence is no news, and the gauge has no sample."""
    async with alerts.life():
        await trio.sleep(80_000)
    assert alerts.firsts() == []
    assert last_seen(alerts) is None


async def test_silence_and_return(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Told once, ten minutes after the last one; at the return the message says how long, and a reply sounds."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        assert last_seen(alerts) == EPOCH_SECONDS + trio.current_time()
        for _ in range(20):
            await trio.sleep(300)
            await life.post(WATCHDOG)
        assert alerts.sent() == 0
        await trio.sleep(599)
        assert alerts.sent() == 0
        await trio.sleep(2)
        assert alerts.words() == [
            (
                f"{SILENT}\nNo watchdog alert for 10 min: Prometheus or Alertmanager is down, or can't reach the bot. "
                'Until it is back, no alert arrives and "resolved" may be false.\n'
                "Since 2027-01-15 09:40 UTC\n#Watchdog"
            )
        ]
        await trio.sleep(7200)
        assert alerts.sent() == 1
        await life.post(WATCHDOG)
    assert alerts.firsts() == ["✅ RESOLVED: Monitoring is silent", "✅ RESOLVED: Monitoring works again"]
    assert "Lasted 2 h 10 min" in alerts.words()[0]
    assert alerts.world.telegram.all("sendMessage")[1].parameters["reply_parameters"]["message_id"] == 101
    assert alerts.world.value("alerts_received_total", severity="none", status="firing") == 1


async def test_a_false_end_is_called_so(alerts: Alerts, autojump_clock: MockClock) -> None:
    """An end four minutes after Prometheus died looks true; when the watchdog stays away its message is corrected."""
    async with alerts.life() as life:
        await life.post(alert("Before"), WATCHDOG)
        await life.post(alert("Before", status="resolved"))
        await trio.sleep(1)
        firing = alert()
        await life.post(firing, WATCHDOG)
        await trio.sleep(240)
        await life.post({**firing, "status": "resolved"})
        assert "may be false" not in alerts.words()[1]
        await trio.sleep(400)
        assert alerts.firsts()[1:] == ["✅ RESOLVED: Summary of HighErrorRate", SILENT]
        assert ["This end may be false" in text for text in alerts.words()] == [False, True, False]
        await life.post(WATCHDOG, firing)
    assert alerts.firsts()[1:3] == ["🔴 CRITICAL: Summary of HighErrorRate", "✅ RESOLVED: Monitoring is silent"]
    assert "may be false" not in alerts.words()[1]


async def test_a_false_end_is_taken_back_at_once(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What fires on after an end that was doubtful is never taken for an old notice."""
    async with alerts.life() as life:
        firing = alert()
        await life.post(firing, WATCHDOG)
        await trio.sleep(601)
        await life.post({**firing, "status": "resolved"})
        assert "may be false" in alerts.words()[0]
        await trio.sleep(5)
        await life.post(WATCHDOG, firing)
        assert alerts.firsts()[0] == "🔴 CRITICAL: Summary of HighErrorRate"
        assert alerts.words()[-1].split("\n")[1] == "Still firing, for 10 min now."


async def test_a_restart_gives_the_watchdog_its_time(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What could not be heard while the bot was away was not missed; the gauge is right from the start."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        seen = last_seen(alerts)
    await trio.sleep(50_000)
    alerts.world.new_metrics()
    async with alerts.life():
        assert last_seen(alerts) == seen
        await trio.sleep(599)
        assert alerts.firsts() == []
        await trio.sleep(2)
    assert alerts.firsts() == [SILENT]


async def test_what_a_stopped_process_could_not_hear_was_not_missed(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A process that was stopped for an hour listens for the whole time again before it calls monitoring silent."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        await trio.sleep(100)
        autojump_clock.jump(3600)
        await trio.sleep(590)
        assert alerts.firsts() == []
        await trio.sleep(60)
    assert alerts.firsts() == [SILENT]


async def test_the_watchdogs_end_is_no_news(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Alertmanager's word that the watchdog ended makes no message and is not taken for a sign of life."""
    async with alerts.life() as life:
        await life.post(WATCHDOG)
        await trio.sleep(500)
        await life.post({**WATCHDOG, "status": "resolved"})
        assert alerts.firsts() == []
        await trio.sleep(101)
    assert alerts.firsts() == [SILENT]
