from __future__ import annotations

import ipaddress

import pytest

from doradura.web.access import AccessRules, parse_address
from doradura.web.connection_limits import ConnectionLimits, ConnectionSlot, owner_of

ALL = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
INSIDE = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"), ipaddress.ip_network("8.8.8.0/24"))
PROXY = (ipaddress.ip_network("10.9.9.9/32"), ipaddress.ip_network("203.0.113.9/32"))


def places(*rules: object) -> ConnectionLimits:
    """The places of a server as it is set up."""
    return ConnectionLimits(AccessRules(*rules), limit=256)  # type: ignore[arg-type]


def taken(rooms: ConnectionLimits, *addresses: str, tries: int = 1000) -> int:
    """How many of so many connections, from these addresses in turn, get a place."""
    found = [rooms.take(parse_address(addresses[number % len(addresses)])) for number in range(tries)]
    return sum(place is not None for place in found)


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("127.0.0.1", 272),
        ("::1", 272),
        ("::ffff:127.0.0.1", 272),
        ("10.0.0.1", 64),
        ("::ffff:10.0.0.1", 64),
        ("fd00::1", 64),
        ("8.8.8.8", 64),
        ("127.0.0.2", 16),
        ("198.51.100.1", 16),
        ("2001:db8::1", 16),
        ("unknown", 16),
        ("10.9.9.9", 192),
        ("203.0.113.9", 192),
    ],
)
def test_how_many_one_address_gets(address: str, count: int) -> None:
    """The machine has every place, an allowed address 64, a proxy all but the kept places, a stranger 16."""
    assert taken(places(INSIDE, PROXY), address) == count


def test_an_ipv6_machine_is_its_64() -> None:
    """Who has a /64 has 2**64 addresses and one cap; the next /64 has its own."""
    rooms = places(INSIDE)
    assert taken(rooms, *(f"fd00::{number:x}" for number in range(1, 500))) == 64
    assert taken(rooms, "fd00:0:0:1::1") == 64
    assert owner_of(ipaddress.ip_address("fd00:1:2:3:ffff::1")) == "fd00:1:2:3::/64"


def test_strangers_take_no_place_of_others() -> None:
    """All strangers together have 16; everybody else finds every place free."""
    rooms = places(INSIDE)
    assert taken(rooms, *(f"198.51.100.{number}" for number in range(250))) == 16
    assert taken(rooms, "127.0.0.1") == 256


def test_the_kept_places_are_not_for_a_proxy_s_clients() -> None:
    """With every other place taken through a proxy, loopback and the allowed networks find 64."""
    rooms = places(INSIDE, PROXY)
    assert taken(rooms, "10.9.9.9") == 192
    assert taken(rooms, "127.0.0.1", tries=3) == 3
    assert taken(rooms, "10.0.0.1", "10.0.0.2") == 61


def test_open_to_all_still_keeps_places_for_the_machine_and_private_networks() -> None:
    """`all` makes nobody a stranger, but the internet gets 192 places and one address of it 64."""
    rooms = places(ALL)
    assert taken(rooms, "9.9.9.9") == 64
    assert taken(rooms, *(f"2a00:0:0:{number:x}::1" for number in range(300))) == 128
    assert taken(rooms, "192.168.1.5", tries=5) == 5
    assert taken(rooms, "127.0.0.1") == 59 + 16


def test_places_come_back() -> None:
    """A place that is given back is free again, and nothing of its owner is kept."""
    rooms = places(INSIDE)
    for address, count in (("10.0.0.1", 64), ("198.51.100.1", 16), ("127.0.0.1", 272)):
        for _ in range(2):
            held: list[ConnectionSlot] = []
            while (place := rooms.take(parse_address(address))) is not None:
                held.append(place)
            assert len(held) == count
            for place in held:
                rooms.give_back(place)
    assert not rooms._owners


def test_allowed_neighbours_do_not_shut_out_the_machine() -> None:
    """Four addresses with 64 each take every shared place: a health check from the machine itself gets through."""
    rooms = places(INSIDE)
    assert taken(rooms, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4") == 256
    assert taken(rooms, "10.0.0.5", tries=1) == 0
    assert taken(rooms, "127.0.0.1", tries=3) == 3
    assert taken(rooms, "198.51.100.1") == 13
