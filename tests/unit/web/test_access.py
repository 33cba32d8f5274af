from __future__ import annotations

import base64
import ipaddress

import pytest

from doradura.web.access import AccessRules, parse_address
from doradura.web.page import duration, page

PRIVATE = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
PROXIES = (ipaddress.ip_network("10.0.0.1/32"), ipaddress.ip_network("10.0.0.2/32"))


def basic(text: str) -> str:
    """An Authorization header."""
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        (" 10.1.2.3:5555 ", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("[::ffff:10.1.2.3]:80", "10.1.2.3"),
        ("fd00::1", "fd00::1"),
        ("[fd00::1]", "fd00::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_address_is_read_in_every_spelling(text: str, address: str) -> None:
    """With port, brackets, zone, or IPv4 written as IPv6: it is the same address."""
    assert parse_address(text) == ipaddress.ip_address(address)


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "10.1.2", "localhost", "10.0.0.1, 10.0.0.2"])
def test_what_is_no_address_is_none(text: str) -> None:
    """No guess is made."""
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("8.8.8.8", [], "8.8.8.8"),
        ("8.8.8.8", ["10.9.9.9"], "8.8.8.8"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["10.9.9.9, 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["10.9.9.9, 8.8.8.8, 10.0.0.2"], "8.8.8.8"),
        ("10.0.0.1", ["10.9.9.9", "8.8.8.8", "10.0.0.2"], "8.8.8.8"),
        ("::ffff:10.0.0.1", ["::ffff:8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["10.9.9.9, unknown"], None),
        ("10.0.0.1", ["unknown, 10.9.9.9"], "10.9.9.9"),
        ("", [], None),
    ],
)
def test_client_behind_proxies(peer: str, forwarded: list[str], client: str | None) -> None:
    """Read from the right, as far as trusted proxies reach: what a client wrote there itself is not believed."""
    found = AccessRules(PRIVATE, PROXIES).client(peer, forwarded)
    assert found == (None if client is None else ipaddress.ip_address(client))


def test_networks_decide() -> None:
    """Addresses inside the networks are let in, others and unknown ones are not; IPv6 doesn't match IPv4."""
    rules = AccessRules(PRIVATE)
    assert rules.admits_address(ipaddress.ip_address("10.255.0.1"))
    assert rules.admits_address(ipaddress.ip_address("fd12::1"))
    assert not rules.admits_address(ipaddress.ip_address("11.0.0.1"))
    assert not rules.admits_address(ipaddress.ip_address("2001:db8::1"))
    assert not rules.admits_address(None)
    assert not AccessRules(()).admits_address(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize("header", [basic("user:pass:wörd"), basic("user:pass:wörd").replace("Basic", "bAsIc")])
def test_right_password(header: str) -> None:
    """The right pair is let in; the scheme's case doesn't matter."""
    assert AccessRules(PRIVATE, basic_auth="user:pass:wörd").admits_password(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic \u0416",
        basic("user:pass"),
        basic("user:pass:wörd "),
        basic("user:pass:wörd").replace("Basic", "Bearer"),
        "Basic user:pass:wörd",
    ],
)
def test_wrong_password(header: str | None) -> None:
    """Anything else is not."""
    assert not AccessRules(PRIVATE, basic_auth="user:pass:wörd").admits_password(header)


def test_how_long_a_refusal_takes_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are compared in constant time, and what is compared has the same length whatever was given."""
    lengths: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        lengths.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    rules = AccessRules((), basic_auth="user:secret")
    for header in (None, basic("u"), basic("user:secret"), basic("user:secret" * 100)):
        rules.admits_password(header)
    assert lengths == [(32, 32)] * 4


def test_no_password_wanted() -> None:
    """Without the setting nobody is asked."""
    assert AccessRules(PRIVATE).admits_password(None)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (93784, "1 d 2 h"), (3600, "1 h 0 min")]
)
def test_duration(seconds: float, text: str) -> None:
    """The two largest units, as people say it."""
    assert duration(seconds) == text


def test_page_escapes_what_it_shows() -> None:
    """Nothing that is shown can become markup."""
    check = {"status": '"><u>', "message": "<s>"}
    text = page({"<b>": "<script>"}, {"status": "<p>x", "checks": {"<em>": check}}, {'/"x': "<i>"})
    assert "<script>" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert not any(mark in text for mark in ("<u>", "<s>", "<p>x", "<em>"))
    assert 'href="/&quot;x"' in text
