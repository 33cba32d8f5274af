"""How many connections may be open at once, and whose.

Pure accounting of addresses; nothing here touches a socket. There are two rooms. Whoever may reach more than the open
pages shares one of 256 places; of these one address gets at most 64, and 64 are kept for loopback and the networks that
the setting names. Everybody else has 16 places for the open pages, so that no crowd of strangers takes a place from a
scrape. The machine itself has one of those too when the shared places are all taken: four neighbours with 64 each must
not make a container's health check fail.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from doradura.web.access import AccessRules, IPAddress

ADDRESS_LIMIT = 64
"""Of the shared places, for one address; in IPv6 for one /64, which is what one machine is given."""

KEPT = 64
"""Of the shared places, for loopback and the allowed networks alone."""

STRANGER_LIMIT = 16
"""Connections of clients that may reach the open pages only."""

OWN = frozenset({ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")})
"""The machine itself, without a cap, whatever the setting says: a container's health check must get through."""

Room = Literal["kept", "public", "stranger"]


@dataclass(frozen=True, slots=True)
class ConnectionSlot:
    """A connection's place until it is given back."""

    room: Room
    owner: str | None
    """Whose cap it counts against; None for a client without a cap."""


class ConnectionLimits:
    """Counts the connections of one server, whose shared room has `limit` places."""

    def __init__(self, access: AccessRules, *, limit: int) -> None:
        self._access = access
        self._limit = limit
        self._rooms: Counter[Room] = Counter()
        self._owners: Counter[str] = Counter()

    def take(self, address: IPAddress | None) -> ConnectionSlot | None:
        """Take a place for a connection from this address; None when there is none for it."""
        place = self._place(address)
        if not self._is_free(place) and address in OWN:
            place = ConnectionSlot("stranger", None)
        if not self._is_free(place):
            return None
        self._rooms[place.room] += 1
        if place.owner is not None:
            self._owners[place.owner] += 1
        return place

    def give_back(self, place: ConnectionSlot) -> None:
        """Give a place back; once for each that was taken."""
        self._rooms[place.room] -= 1
        if place.owner is not None:
            self._owners[place.owner] -= 1
            if not self._owners[place.owner]:
                del self._owners[place.owner]

    def _place(self, address: IPAddress | None) -> ConnectionSlot:
        access = self._access
        if address is not None and access.is_proxy(address):
            # It speaks for many, among them anybody: its cap is the proxy's own business, the kept places are not its.
            return ConnectionSlot("public", None)
        if address in OWN:
            return ConnectionSlot("kept", None)
        if address is None or not access.admits_address(address):
            return ConnectionSlot("stranger", None)
        return ConnectionSlot("kept" if access.names_address(address) else "public", owner_of(address))

    def _is_free(self, place: ConnectionSlot) -> bool:
        if place.room == "stranger":
            return self._rooms["stranger"] < STRANGER_LIMIT
        if place.owner is not None and self._owners[place.owner] >= ADDRESS_LIMIT:
            return False
        if place.room == "public" and self._rooms["public"] >= self._limit - KEPT:
            return False
        return self._rooms["kept"] + self._rooms["public"] < self._limit


def owner_of(address: IPAddress) -> str:
    """Name whose connections are counted together: an IPv4 address, or the /64 an IPv6 address lies in."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
