from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.media import addresses
from doradura.media.addresses import AllowedPrivate, EgressRefusedError, endpoint_of, judge

NONE = AllowedPrivate()


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",
        "::ffff:808:808",
        "64:ff9b::8.8.8.8",
    ],
)
def test_public_addresses_pass(address: str) -> None:
    """Public unicast addresses pass, up to the very edges of the closed networks."""
    judge(address, 443, NONE)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:a00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:53aa:64c:0:0:f7f7:f7f7",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_closed_addresses_are_refused(address: str) -> None:
    """Whatever is not public unicast is refused, with the marker and the address in the message."""
    with pytest.raises(EgressRefusedError, match="doradura-egress-refused") as caught:
        judge(address, 443, NONE)
    assert address in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "example.com",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "8.8.8.08",
        " 8.8.8.8",
        "8.8.8.8\n",
        "８.8.8.8",  # noqa: RUF001 - a digit that is none in ASCII
        "[::1]",
        "8.8.8.8/32",
        "2606:4700:4700::1111%eth0",
        "fe80::1%1",
        "<broadcast>",
        "x" * 10_000,
    ],
)
def test_what_is_no_literal_is_refused(address: str) -> None:
    """Names, short forms, zones, blanks: the C library might read them differently, so they are refused."""
    with pytest.raises(EgressRefusedError) as caught:
        judge(address, 443, NONE)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("address", "port"), [(b"8.8.8.8", 443), (134744072, 443), (None, 443), ("8.8.8.8", "443")])
def test_other_types_are_refused(address: str, port: int) -> None:
    """Only a text and a number are judged at all."""
    with pytest.raises(EgressRefusedError):
        judge(address, port, NONE)


def test_a_text_that_answers_as_it_likes_is_refused() -> None:
    """A subclass of str might show us one address and the C library another."""

    class Shifty(str):
        __slots__ = ()

    with pytest.raises(EgressRefusedError):
        judge(Shifty("8.8.8.8"), 443, NONE)


@given(st.ip_addresses(v=4))
def test_an_inner_address_is_judged_as_itself(inner: ipaddress.IPv4Address) -> None:
    """A mapped or NAT64 address passes exactly when the IPv4 address inside does."""

    def passes(text: str) -> bool:
        try:
            judge(text, 80, NONE)
        except EgressRefusedError:
            return False
        return True

    assert passes(f"::ffff:{inner}") == passes(f"64:ff9b::{inner}") == passes(str(inner))


@given(st.ip_addresses())
def test_nothing_the_standard_library_calls_private_passes(address: ipaddress.IPv4Address) -> None:
    """Of what passes, Python's own registry says the same."""
    try:
        judge(str(address), 80, NONE)
    except EgressRefusedError:
        return
    inner = getattr(address, "ipv4_mapped", None) or address
    assert not any((inner.is_private, inner.is_loopback, inner.is_link_local, inner.is_multicast))


def test_allowed_endpoint() -> None:
    """`host:port` opens that address on that port, mapped into IPv6 too, and nothing beside it."""
    allowed = AllowedPrivate.parse(("127.0.0.1:8082", " [fd00::5]:80 "))
    for address, port in (("127.0.0.1", 8082), ("::ffff:127.0.0.1", 8082), ("fd00::5", 80), ("8.8.8.8", 443)):
        judge(address, port, allowed)
    for address, port in (("127.0.0.1", 8083), ("127.0.0.2", 8082), ("fd00::5", 8082), ("localhost", 8082)):
        with pytest.raises(EgressRefusedError):
            judge(address, port, allowed)


def test_localhost_is_both_loopbacks() -> None:
    """`localhost:port` opens 127.0.0.1 and ::1."""
    assert AllowedPrivate.parse(["localhost:80"]) == AllowedPrivate.parse(["127.0.0.1:80", "[::1]:80"])


def test_allowed_network() -> None:
    """A network, or an address alone, opens every port."""
    allowed = AllowedPrivate.parse(("10.1.0.0/16", "192.168.0.7", "fd00::/8"))
    for address in ("10.1.2.3", "192.168.0.7", "fd00::1"):
        judge(address, 1, allowed)
        judge(address, 65535, allowed)
    for address in ("10.2.0.0", "192.168.0.8", "fc00::1"):
        with pytest.raises(EgressRefusedError):
            judge(address, 80, allowed)


@pytest.mark.parametrize(
    "entry", ["", "media.example:80", "10.0.0.1/8", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", ":80", "1.2.3.4:-1"]
)
def test_bad_allowance(entry: str) -> None:
    """An entry that is neither endpoint nor network is an error that quotes it; names are not taken."""
    with pytest.raises(ValueError, match=f"^{entry!r} is neither"):
        AllowedPrivate.parse([entry])


def test_refusal_is_an_os_error() -> None:
    """Clients treat a refusal as a failed connection: it is an OSError of the kind 'permission denied'."""
    assert issubclass(addresses.EgressRefusedError, OSError)
    with pytest.raises(OSError, match="Errno 13"):
        judge("127.0.0.1", 80, NONE)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:4416", "127.0.0.1:4416"),
        ("http://localhost/", "localhost:80"),
        ("https://[::1]/x", "[::1]:443"),
        ("http://u:p@10.0.0.1:1", "10.0.0.1:1"),
        ("http://provider:4416", ""),
        ("", ""),
    ],
)
def test_the_endpoint_of_a_url(url: str, endpoint: str) -> None:
    """As an allowance is written; a name is none, since what it stands for may change."""
    assert endpoint_of(url) == endpoint
    assert not endpoint or AllowedPrivate.parse([endpoint]).endpoints
