"""With every wake lost alerts are told, silences shown and chats tried again, within the delivery's period."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from doradura.alerts import Alertmanager, Silencing, open_client
from doradura.alerts.delivery import PERIOD_SECONDS
from doradura.storage import Topic
from doradura.storage.ids import IdMaker
from tests.lost_wakes import losses, within
from tests.unit.alerts.conftest import Alerts, alert
from tests.wiring import ADMIN


@losses(Topic.OUTBOX)
async def test_an_alert_is_told(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """Whatever wakes are lost, a notice that was accepted is in the chat."""
    async with alerts.life() as life:
        await trio.sleep(62)
        with within(alerts.world, lost, PERIOD_SECONDS):
            await life.post(alert())
    assert alerts.sent() == 1


@losses(Topic.OUTBOX, Topic.SILENCES)
async def test_a_silence_is_shown(alerts: Alerts, autojump_clock: MockClock, lost: frozenset[Topic]) -> None:
    """In the alert's message."""
    world = alerts.world
    async with (
        alerts.life() as life,
        open_client("http://alertmanager.test", world.alertmanager.transport()) as client,
    ):
        silencing = Silencing(
            *(Alertmanager(client, clock=world.clock), world.storage, world.metrics),
            IdMaker(world.clock),
            clock=world.clock,
        )
        await life.post(alert())
        await trio.sleep(62)
        incident_id = world.storage.one("SELECT incident_id FROM alert_incidents")
        with within(world, lost, PERIOD_SECONDS):
            assert (await silencing.silence(incident_id, 1, "Ann")).what == "silenced"
            await life.told()
    assert "Ann" in alerts.words()[0]


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
