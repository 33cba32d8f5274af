"""How many connections may be open at once, and whose.

Only counts addresses; nothing here touches a socket. There are two rooms. Clients that may reach more than the open
pages share 256 slots; one address gets at most 64 of them, and 64 are kept for loopback and the networks that the
setting names. All others have 16 slots for the open pages, so that a crowd of strangers takes no slot from a scrape.
The machine itself may use one of those too when all shared slots are taken: four neighbours with 64 each must not make
a container's health check fail.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from doradura.web.access import AccessRules, IPAddress

ADDRESS_LIMIT = 64
"""Shared slots for one address; with IPv6 for one /64, which is what one machine gets."""

KEPT = 64
"""Shared slots that are kept for loopback and the allowed networks."""

STRANGER_LIMIT = 16
"""Connections of clients that may only reach the open pages."""

OWN = frozenset({ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")})
"""The machine itself, never capped, whatever the setting says: a container's health check must succeed."""

Room = Literal["kept", "public", "stranger"]


@dataclass(frozen=True, slots=True)
class ConnectionSlot:
    """A connection's slot until it is given back."""

    room: Room
    owner: str | None
    """Whose cap it counts against; None for a client without a cap."""


class ConnectionLimits:
    """Counts the connections of one server, whose shared room has `limit` slots."""

    def __init__(self, access: AccessRules, *, limit: int) -> None:
        self._access = access
        self._limit = limit
        self._rooms: Counter[Room] = Counter()
        self._owners: Counter[str] = Counter()

    def take(self, address: IPAddress | None) -> ConnectionSlot | None:
        """Take a slot for a connection from this address; None if there is none for it."""
        slot = self._slot(address)
        if not self._is_free(slot) and address in OWN:
            slot = ConnectionSlot("stranger", None)
        if not self._is_free(slot):
            return None
        self._rooms[slot.room] += 1
        if slot.owner is not None:
            self._owners[slot.owner] += 1
        return slot

    def give_back(self, slot: ConnectionSlot) -> None:
        """Give a slot back; once for each that was taken."""
        self._rooms[slot.room] -= 1
        if slot.owner is not None:
            self._owners[slot.owner] -= 1
            if not self._owners[slot.owner]:
                del self._owners[slot.owner]

    def _slot(self, address: IPAddress | None) -> ConnectionSlot:
        access = self._access
        if address is not None and access.is_proxy(address):
            # It speaks for many clients, perhaps anybody: it caps them itself, and the kept slots are not for it.
            return ConnectionSlot("public", None)
        if address in OWN:
            return ConnectionSlot("kept", None)
        if address is None or not access.admits_address(address):
            return ConnectionSlot("stranger", None)
        return ConnectionSlot("kept" if access.names_address(address) else "public", owner_of(address))

    def _is_free(self, slot: ConnectionSlot) -> bool:
        if slot.room == "stranger":
            return self._rooms["stranger"] < STRANGER_LIMIT
        if slot.owner is not None and self._owners[slot.owner] >= ADDRESS_LIMIT:
            return False
        if slot.room == "public" and self._rooms["public"] >= self._limit - KEPT:
            return False
        return self._rooms["kept"] + self._rooms["public"] < self._limit


def owner_of(address: IPAddress) -> str:
    """Return the name under which connections are counted together: an IPv4 address, or an IPv6 address's /64."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
