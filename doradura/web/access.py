"""Who may ask: networks, trusted proxies, and a password.

Pure decisions about addresses and header values; nothing here reads a request or writes an answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The settings DORADURA_ALLOWED_NETWORKS, DORADURA_TRUSTED_PROXIES, DORADURA_METRICS_BASIC_AUTH and _WEBHOOK_TOKEN.

    Without a webhook token nobody may post alerts.
    """

    allowed_networks: tuple[IPNetwork, ...]
    trusted_proxies: tuple[IPNetwork, ...] = ()
    basic_auth: str | None = None
    webhook_token: str | None = None

    def client(self, peer: str, forwarded_for: Sequence[str]) -> IPAddress | None:
        """Return the address of the client: the peer, or, while the peer is a trusted proxy, the one it names.

        `forwarded_for` are the values of all X-Forwarded-For headers in order. They are read from the right, because
        each proxy appends the address that it saw, and everything before that is only the client's claim. None if a
        trusted proxy names something that is not an address: then the client is unknown.
        """
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",") if hop.strip()]
        address = parse_address(peer)
        while address is not None and hops and _within(address, self.trusted_proxies):
            address = parse_address(hops.pop())
        return address

    def admits_address(self, client: IPAddress | None) -> bool:
        """Return whether this client's network may reach the guarded pages."""
        return client is not None and _within(client, self.allowed_networks)

    def names_address(self, client: IPAddress) -> bool:
        """Return whether the setting names this client's network; `all` counts as naming only the private ranges."""
        if client.is_private:
            return self.admits_address(client)
        return _within(client, [network for network in self.allowed_networks if network.prefixlen])

    def is_proxy(self, peer: IPAddress) -> bool:
        """Return whether this peer is a trusted proxy."""
        return _within(peer, self.trusted_proxies)

    def admits_password(self, authorization: str | None) -> bool:
        """Return whether an Authorization header (RFC 7617) has the right user and password, if they are required."""
        if self.basic_auth is None:
            return True
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        # The comparison takes constant time, so that the duration of a refusal reveals nothing; it compares digests,
        # because it would end at once for texts of different lengths.
        same = hmac.compare_digest(_digest(given), _digest(self.basic_auth.encode()))
        return same and scheme.lower() == "basic"

    def admits_bearer(self, authorization: str | None) -> bool:
        """Return whether an Authorization header (RFC 6750) has the webhook's token."""
        scheme, _, given = (authorization or "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), (self.webhook_token or "").encode())
        return bool(self.webhook_token) and same and scheme.lower() == "bearer"


def parse_address(text: str) -> IPAddress | None:
    """Read an address as sockets and proxies write it: with a port, in brackets, with a zone, as IPv4 inside IPv6."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _within(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)
