from __future__ import annotations

import errno
import ipaddress
import struct
from pathlib import Path

import pytest

from doradura.media.addresses import AllowedPrivate, EgressRefusedError, judge
from doradura.media.interfaces import Assigned, Route, parse_address, parse_route, read_proc, why_own
from doradura.media.links import LinkError, check_link

ip = ipaddress.ip_address

ASSIGNED = (
    Assigned(ip("5.5.5.5"), 24),
    Assigned(ip("5.5.9.1"), 31),
    Assigned(ip("5.5.8.1"), 32),
    Assigned(ip("6.6.6.6"), 32, peer=ip("6.6.6.7")),
    Assigned(ip("6.7.6.6"), 24, peer=ip("6.7.7.7")),
    Assigned(ip("2001:4860:77::5"), 64),
    Assigned(ip("2001:4860:77:0:d1ce:1:2:3"), 64),  # a temporary one
    Assigned(ip("2a01:1::5"), 128),
    Assigned(ip("2a02:2::6"), 127),
    Assigned(ip("2a03:3::1"), 128, peer=ip("2a03:3:0:1::2")),
    Assigned(ip("2a04:4::1"), 64, peer=ip("2a04:5::1")),
    Assigned(ip("2a0f::1"), 16),
    Assigned(ip("2600::1"), 3),
)
OWN, PEER, NETWORK = "an address of this machine", "the other end of a link", "in a network that this machine is on"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("5.5.5.5", OWN),
        ("5.5.5.6", None),  # a provider's IPv4 network is strangers'
        ("5.5.9.1", OWN),
        ("5.5.9.0", None),
        ("5.5.8.1", OWN),
        ("6.6.6.6", OWN),
        ("6.6.6.7", PEER),
        ("6.7.6.6", OWN),
        ("6.7.7.7", PEER),
        ("6.7.7.8", None),
        ("2001:4860:77::5", OWN),
        ("2001:4860:77:0:d1ce:1:2:3", OWN),
        ("2001:4860:77:0:ffff::1", NETWORK),
        ("2001:4860:77:1::", None),
        ("2a01:1::5", OWN),
        ("2a01:1::4", None),
        ("2a02:2::7", NETWORK),
        ("2a02:2::8", None),
        ("2a03:3::1", OWN),
        ("2a03:3:0:1::2", PEER),
        ("2a03:3::2", None),
        ("2a04:4::1", OWN),
        ("2a04:5::9", NETWORK),  # the prefix is the other end's
        ("2a04:4::9", None),
        ("2a0f::1", OWN),
        ("2a0f::2", None),  # no link has a /16
        ("2600::1", OWN),
        ("2606:4700::1", None),  # nor the whole of 2000::/3
        ("8.8.8.8", None),
    ],
)
def test_addresses_of_interfaces(address: str, why: str | None) -> None:
    """An interface's addresses are ours, the other end of its link is, and of IPv6 the network it is on."""
    found = why_own(ip(address), ASSIGNED, Route(kind=1, prefix_bits=0, direct=False))
    assert found is None if why is None else (found or "").startswith(why)


@pytest.mark.parametrize(
    ("address", "route", "closed"),
    [
        ("2001:4860:1::9", Route(kind=1, prefix_bits=64, direct=True), True),  # announced by a router; we have a /128
        ("2001:4860:1::9", Route(kind=1, prefix_bits=32, direct=True), True),
        ("2001:4860:1::9", Route(kind=1, prefix_bits=31, direct=True), False),
        ("2001:4860:1::9", Route(kind=1, prefix_bits=3, direct=True), False),
        ("2001:4860:1::9", Route(kind=1, prefix_bits=0, direct=True), False),
        ("2001:4860:1::9", Route(kind=1, prefix_bits=48, direct=False), False),
        ("2001:4860:1::9", Route(kind=1, prefix_bits=48, direct=True, point_to_point=True), False),
        ("2001:4860:1::9", Route(kind=2, prefix_bits=48, direct=True), True),
        ("2001:4860:1::9", Route(kind=4, prefix_bits=128, direct=True), True),
        ("2001:4860:1::9", Route(kind=7, prefix_bits=64, direct=True), False),  # unreachable: sent nowhere
        ("8.8.8.8", Route(kind=1, prefix_bits=24, direct=True), False),
        ("8.8.8.8", Route(kind=2, prefix_bits=24, direct=True), True),
        ("8.8.8.8", Route(kind=3, prefix_bits=32, direct=True), True),
        ("8.8.8.8", None, False),
    ],
)
def test_routes(address: str, route: Route | None, *, closed: bool) -> None:
    """What the kernel would keep on this machine is ours, and what it would send over a link without a router."""
    assert (why_own(ip(address), (), route) is not None) == closed


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute of a netlink message, padded."""
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


@pytest.mark.parametrize(
    ("family", "bits", "attributes", "expected"),
    [
        (2, 24, [(1, "5.5.5.5"), (2, "5.5.5.5")], Assigned(ip("5.5.5.5"), 24)),
        (2, 32, [(1, "6.6.6.7"), (2, "6.6.6.6")], Assigned(ip("6.6.6.6"), 32, ip("6.6.6.7"))),
        (10, 64, [(1, "2a01::1")], Assigned(ip("2a01::1"), 64)),
        (10, 128, [(2, "2a01::1"), (1, "2a01::2")], Assigned(ip("2a01::1"), 128, ip("2a01::2"))),
        (7, 8, [], None),
    ],
)
def test_an_address_message(
    family: int, bits: int, attributes: list[tuple[int, str]], expected: Assigned | None
) -> None:
    """Of a point-to-point link the kernel's "address" is the other end; the name of the link in between is skipped."""
    body = struct.pack("=BBBBI", family, bits, 0, 0, 3) + attribute(3, b"eth0\0")
    body += b"".join(attribute(kind, ip(text).packed) for kind, text in attributes)
    assert parse_address(body) == expected


@pytest.mark.parametrize("way_on", [5, 9, 18])
def test_a_route_message(way_on: int) -> None:
    """A gateway of either family, or several of them, makes a route that is not direct."""
    head = struct.pack("=BBBBBBBBI", 10, 64, 0, 0, 254, 2, 0, 1, 0)
    direct = head + attribute(1, ip("2a01::").packed) + attribute(4, struct.pack("=I", 7))
    assert parse_route(direct) == (Route(kind=1, prefix_bits=64, direct=True), 7)
    assert parse_route(head + attribute(way_on, b"abcd")) == (Route(kind=1, prefix_bits=64, direct=False), None)


def test_proc(tmp_path: Path) -> None:
    """Without netlink the same addresses come from /proc/net, IPv4's from its table of local routes alone."""
    (tmp_path / "fib_trie").write_text(
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 4.4.4.4\n        /32 host LOCAL\n"
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 5.5.5.0\n        /24 link UNICAST\n     |-- 5.5.5.5\n"
        "        /32 host LOCAL\n     |-- 5.5.5.255\n        /32 link BROADCAST\n",
    )
    assert read_proc(tmp_path) == [Assigned(ip("5.5.5.5"), 32)]
    (tmp_path / "if_inet6").write_text("20014860007700000000000000000005 02 40 00 80       d0\n")
    assert read_proc(tmp_path)[1:] == [Assigned(ip("2001:4860:77::5"), 64)]


def own(literal: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    """What the kernel would say on a machine with these addresses."""
    return why_own(literal, ASSIGNED, None)


@pytest.mark.parametrize(
    "address",
    ["5.5.5.5", "::ffff:5.5.5.5", "::ffff:505:505", "64:ff9b::5.5.5.5", "2001:4860:77::5", "2001:4860:77::9"],
)
def test_what_is_ours_is_refused(address: str) -> None:
    """The machine's own address is refused in every spelling that reaches it, and so is an IPv6 neighbour's."""
    with pytest.raises(EgressRefusedError, match="is ours: "):
        judge(address, 9090, AllowedPrivate(), own)


def test_an_own_address_is_opened_by_the_setting() -> None:
    """DORADURA_ALLOWED_PRIVATE opens an endpoint of ours, or a network, as it does private ones."""
    judge("5.5.5.5", 9090, AllowedPrivate.parse(["5.5.5.5:9090"]), own)
    judge("2001:4860:77::9", 1, AllowedPrivate.parse(["2001:4860:77::/64"]), own)
    with pytest.raises(EgressRefusedError):
        judge("5.5.5.5", 9091, AllowedPrivate.parse(["5.5.5.5:9090"]), own)


def test_a_kernel_that_does_not_answer_lets_nothing_through() -> None:
    """When the addresses can't be told, the error goes on: no connection is made on a guess."""

    def fail(_literal: object) -> str | None:
        raise OSError(errno.EMFILE, "too many open files")

    with pytest.raises(OSError, match="too many open files"):
        judge("8.8.8.8", 80, AllowedPrivate(), fail)


def test_links_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that names one of our addresses is refused before a worker sees it."""
    monkeypatch.setattr("doradura.media.interfaces.ask_kernel", own)
    for url in ("http://5.5.5.5:9090/health", "http://0x05050505/", "http://[2001:4860:77::9]/"):
        with pytest.raises(LinkError, match="private_address"):
            check_link(url)
    check_link("http://5.5.5.6/")
