"""Alerts on an autojump clock: what a restart leaves (Telegram, the database), and the lives of the program in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from doradura.alerts import AlertDelivery, Alertmanager, Intake, Reconciler, open_client
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.texts import Catalogues
from doradura.settings import AlertChat
from doradura.storage import chats
from doradura.storage.ids import IdMaker
from doradura.telegram.client import open_bot_api
from doradura.telegram.observer import SilentObserver
from tests.doubles import TOKEN
from tests.monitoring_doubles import stamp
from tests.wiring import ADMIN, World

WATCHDOG_SECONDS = 600


def alert(name: str = "HighErrorRate", *, status: str = "firing", starts: str | None = None, **more: Any) -> Any:
    """One alert of a body; `remind` is the annotation, other keys replace what stands here.

    A time that is not given is that of its first POST.
    """
    remind = more.pop("remind", None)
    annotations = {"summary": f"Summary of {name}", "description": "12% failed"}
    return {
        "status": status,
        "labels": {"alertname": name, "severity": more.pop("severity", "critical")},
        "annotations": annotations if remind is None else {**annotations, "remind_seconds": remind},
        "startsAt": starts,
        "endsAt": None if status == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": f"f-{name}",
        **more,
    }


def body(*alerts: Any, group: str = "g") -> bytes:
    """A body around alerts."""
    return json.dumps({"version": "4", "groupKey": group, "status": "firing", "alerts": alerts}).encode()


@dataclass
class Life:
    """One life of the program."""

    world: World
    intake: Intake
    delivery: AlertDelivery
    reconciler: Reconciler

    async def post(self, *alerts: Any, group: str = "g") -> None:
        """POST a body that is taken, and wait until it is told."""
        await self.accept(*alerts, group=group)
        await self.told()

    async def accept(self, *alerts: Any, group: str = "g") -> None:
        """POST a body that is taken."""
        assert (await self.intake.accept(self.body(*alerts, group=group))).status == 200

    def body(self, *alerts: Any, group: str = "g") -> bytes:
        """A body around alerts that is posted now."""
        now = stamp(self.world.clock())
        for one in alerts:
            one.update({key: now for key, value in one.items() if value is None})
        return body(*alerts, group=group)

    async def heard_of(self, chat_id: int) -> None:
        """Let a chat be open again: somebody wrote there, or let the bot in."""
        await self.world.storage.write(lambda db: chats.opened(db, chat_id))

    async def told(self) -> None:
        """Wait until nothing waits any more."""
        await self.world.changes.until(lambda: not self.world.storage.one("SELECT COUNT(*) FROM alert_outbox"))


@dataclass
class Alerts:
    """The world, and how to start a program in it."""

    world: World
    reconciled: bool = False
    """Whether open incidents are compared with the list of `world.alertmanager`."""

    @asynccontextmanager
    async def life(self, *chats: int | AlertChat) -> AsyncIterator[Life]:
        """Start the program; leaving cuts it off where it stands."""
        world, ids = self.world, IdMaker(self.world.clock)
        async with (
            open_bot_api(
                TOKEN, observer=SilentObserver(), draw=lambda: 1.0, make_transport=world.telegram.transport
            ) as api,
            open_client("http://alertmanager.test", world.alertmanager.transport()) as client,
            trio.open_nursery() as nursery,
        ):
            delivery = AlertDelivery(
                *(api, world.storage, world.metrics, AlertTexts(Catalogues()), ids),
                chats=[chat if isinstance(chat, AlertChat) else AlertChat(chat) for chat in chats or (ADMIN,)],
                watchdog_seconds=WATCHDOG_SECONDS,
                clock=world.clock,
            )
            await nursery.start(delivery.run)
            reconciler = Reconciler(
                *(Alertmanager(client, clock=world.clock), world.storage, world.metrics, ids),
                clock=world.clock,
            )
            if self.reconciled:
                await nursery.start(reconciler.run)
            intake = Intake(world.storage, world.metrics, ids, clock=world.clock)
            yield Life(world, intake, delivery, reconciler)
            nursery.cancel_scope.cancel()

    def words(self, admin: int = ADMIN) -> list[str]:
        """What stands in an admin's chat, without the markup of the first line."""
        return [text.replace("<b>", "").replace("</b>", "") for text in self.world.telegram.words_in(admin)]

    def firsts(self, admin: int = ADMIN) -> list[str]:
        """The first lines of what stands there."""
        return [text.split("\n")[0] for text in self.words(admin)]

    def sent(self) -> int:
        """How many messages were sent."""
        return len(self.world.telegram.all("sendMessage"))


@pytest.fixture
def alerts(world: World) -> Alerts:
    """Alerts in a world. A test asks for autojump_clock besides."""
    return Alerts(world)
