"""What only YouTube jobs get: players that were solved, and a provider of PO tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio

from doradura.media.addresses import endpoint_of
from doradura.media.protocol import Order
from doradura.media.sites import site_of
from doradura.workers.interface import Conversation, Workers
from doradura.workers.players import lend, take

SITE: Final = "youtube"


class YoutubeWorkers:
    """Workers whose YouTube jobs find the solved players and leave new ones behind, and may ask for PO tokens.

    Other sites' jobs have neither: a provider on this machine is of no use to them, and must not be within their reach.
    """

    def __init__(self, workers: Workers, players: Path, pot_provider: str = "") -> None:
        """`players` is a directory of the bot's own; it is made when there is something to keep."""
        self._workers = workers
        self._players = players
        self._pot_provider = pot_provider
        self._adding = False

    def work(self, order: Order) -> AbstractAsyncContextManager[Conversation]:
        """Start one job; as `Workers`."""
        return self._work(order) if site_of(order.url) == SITE else self._workers.work(order)

    @asynccontextmanager
    async def _work(self, order: Order) -> AsyncIterator[Conversation]:
        lent = await trio.to_thread.run_sync(lend, self._players, Path(order.directory))
        near = tuple(filter(None, (endpoint_of(self._pot_provider),)))
        order = msgspec.structs.replace(
            order, players=True, pot_provider=self._pot_provider, allowed_private=(*order.allowed_private, *near)
        )
        adds, self._adding = not self._adding, True
        try:
            async with self._workers.work(order) as conversation:
                yield conversation
            if adds:
                await trio.to_thread.run_sync(take, Path(order.directory), lent, self._players)
        finally:
            if adds:
                self._adding = False
