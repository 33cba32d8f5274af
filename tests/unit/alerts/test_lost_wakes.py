"""With every wake lost alerts are told, silences shown and chats tried again, within the period of who does it."""

from __future__ import annotations

import httpx
import trio
from trio.testing import MockClock

from doradura.alerts import Alertmanager, Periods, Silencing, open_client, silencing
from doradura.alerts.delivery import PERIOD_SECONDS
from doradura.storage import Topic
from doradura.storage.ids import IdMaker
from tests.lost_wakes import losses, within
from tests.unit.alerts.conftest import Alerts, alert
from tests.wiring import ADMIN


def silencing_of(alerts: Alerts, client: httpx.AsyncClient) -> Silencing:
    """Return the part that silences alerts at the world's Alertmanager."""
    world = alerts.world
    return Silencing(
        *(Alertmanager(client, clock=world.clock), world.storage, world.metrics),
        IdMaker(world.clock),
        clock=world.clock,
    )


@losses(Topic.OUTBOX)
async def test_an_alert_is_told(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """Whatever wakes are lost, a notice that was accepted is in the chat."""
    async with alerts.life() as life:
        await trio.sleep(62)
        with within(alerts.world, lost, PERIOD_SECONDS):
            await life.post(alert())
    assert alerts.sent() == 1


@losses(Topic.OUTBOX)
async def test_a_silence_is_shown(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """In the alert's message."""
    world = alerts.world
    async with (
        alerts.life() as life,
        open_client("http://alertmanager.test", world.alertmanager.transport()) as client,
    ):
        silencer = silencing_of(alerts, client)
        await life.post(alert())
        await trio.sleep(62)
        incident_id = world.storage.one("SELECT incident_id FROM alert_incidents")
        with within(world, lost, PERIOD_SECONDS):
            assert (await silencer.silence(incident_id, 1, "Ann")).what == "silenced"
            await life.told()
    assert "Ann" in alerts.words()[0]


@losses(Topic.SILENCES)
async def test_a_new_silence_is_watched(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """Somebody deletes it in Alertmanager as soon as it is made, and that is noticed."""
    world = alerts.world
    async with (
        alerts.life() as life,
        open_client("http://alertmanager.test", world.alertmanager.transport()) as client,
        trio.open_nursery() as nursery,
    ):
        silencer = silencing_of(alerts, client)
        await nursery.start(silencer.run)
        await life.post(alert())
        await trio.sleep(62)
        incident_id = world.storage.one("SELECT incident_id FROM alert_incidents")
        with within(world, lost, silencing.PERIOD_SECONDS):
            assert (await silencer.silence(incident_id, 1, "Ann")).what == "silenced"
            world.alertmanager.silences["silence-1"]["deleted"] = True
            await world.changes.until(lambda: not world.storage.one("SELECT COUNT(*) FROM alert_silences"))
        nursery.cancel_scope.cancel()


@losses(Topic.INCIDENTS)
async def test_a_new_incident_is_compared(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """With Alertmanager's list."""
    world = alerts.world
    alerts.reconciled = True
    world.alertmanager.fingerprints = ["f-HighErrorRate"]
    async with alerts.life() as life:
        await trio.sleep(65)
        with within(world, lost, Periods().look):
            await life.accept(alert())
            await world.changes.until(
                lambda: world.storage.one("SELECT COUNT(*) FROM alert_sightings WHERE source_ms = 0")
            )


@losses(Topic.OPEN_CHATS)
async def test_an_admin_who_comes_back_is_told(
    alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]
) -> None:
    """Long before the chat would be tried without a reason."""
    world = alerts.world
    world.telegram.blocked_by.add(ADMIN)
    async with alerts.life() as life:
        await life.accept(alert())
        await trio.sleep(62)
        world.telegram.blocked_by.clear()
        with within(world, lost, PERIOD_SECONDS):
            await life.heard_of(ADMIN)
            await life.told()
    assert alerts.sent() == 2
