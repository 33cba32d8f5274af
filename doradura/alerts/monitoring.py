"""Opens the connections to Alertmanager and Prometheus, and starts what watches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import trio

from doradura.alerts.alertmanager import Alertmanager
from doradura.alerts.fetching import open_client
from doradura.alerts.prometheus import Prometheus
from doradura.alerts.reconciling import Reconciler
from doradura.alerts.silencing import Silencing
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.settings import Settings
from doradura.storage import Storage
from doradura.storage.ids import IdMaker


class Monitoring(NamedTuple):
    """What the admins' chat uses of Alertmanager and Prometheus."""

    silencing: Silencing
    prometheus: Prometheus


@asynccontextmanager
async def open_monitoring(
    settings: Settings, storage: Storage, metrics: Metrics, ids: IdMaker, *, clock: Clock
) -> AsyncIterator[Monitoring]:
    """Yield both parts; meanwhile watch for silences and alerts that end unreported, until the block is left.

    Neither Alertmanager nor Prometheus has to be running. Cancelling stops the watching and closes both clients.
    """
    async with (
        open_client(settings.alertmanager_url) as alertmanager,
        open_client(settings.prometheus_url) as prometheus,
        trio.open_nursery() as nursery,
    ):
        asked = Alertmanager(alertmanager, clock=clock)
        silencing = Silencing(asked, storage, metrics, ids, clock=clock)
        reconciler = Reconciler(asked, storage, metrics, ids, clock=clock)
        await nursery.start(silencing.run)
        await nursery.start(reconciler.run)
        yield Monitoring(silencing, Prometheus(prometheus))
        nursery.cancel_scope.cancel()
