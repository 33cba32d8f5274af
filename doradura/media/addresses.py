"""The judge of addresses: a job may connect to the public internet only, and never to this machine or its neighbours.

Our own addresses are closed even if they are public: those of this machine's interfaces, and the IPv6 networks they are
on (`interfaces.py`), as they are at that moment. The judge sees links before they are accepted, and every connection of
a child again, in the gate (`gate/opening.py`), because a name may lead somewhere else by then.
"""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from doradura.media import interfaces
from doradura.media.interfaces import IPAddress

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MARKER: Final = "doradura-egress-refused"
"""Part of every refusal's message, so that it is recognised even after a library wrapped it into an error of its
own."""

# RFC 6890 and the IANA registries. `is_global` changed between Python's patch releases; a table does not.
_CLOSED_V4: Final = tuple(
    (ipaddress.IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own service"),  # Azure's, the only such address in public space
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_OPEN_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only global unicast space (RFC 4291, IANA): everything outside is closed, whatever it is called."""
_CLOSED_V6: Final = tuple(
    (ipaddress.IPv6Network(network), why)
    for network, why in (
        ("2001::/23", "a protocol's own (Teredo, ORCHID, benchmarking)"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class EgressRefusedError(OSError):
    """The address is not public. It is an OSError, so that clients try a host's next address."""

    def __init__(self, address: object, port: object, why: str) -> None:
        super().__init__(errno.EACCES, f"{MARKER}: {address!s:.100} port {port!s:.10} is {why}")


Resolve = Callable[[str, int], Iterable[str]]
"""Returns the addresses of a host, for a port. Raises OSError if it has none."""
Own = Callable[[IPAddress], str | None]
"""Returns why an address is this machine's or a neighbour's, None if it is not. Raises OSError if that is unknown."""


@dataclasses.dataclass(frozen=True)
class AllowedPrivate:
    """What may be reached although it is not public: single endpoints, and whole networks on every port."""

    endpoints: frozenset[tuple[IPAddress, int]] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowedPrivate:
        """Read `host:port` (a literal or `localhost`; IPv6 in brackets), an address or a CIDR.

        Other names are refused: what they stand for could change later. Raises ValueError, which names the fault.
        """
        endpoints: set[tuple[IPAddress, int]] = set()
        networks: list[IPNetwork] = []
        for entry in entries:
            text = entry.strip()
            try:
                networks.append(ipaddress.ip_network(text))
            except ValueError:
                endpoints.update(_parse_endpoint(text))
        return cls(frozenset(endpoints), tuple(networks))

    def covers(self, address: IPAddress, port: int) -> bool:
        """Return whether this address is allowed on this port."""
        return (address, port) in self.endpoints or any(address in network for network in self.networks)


def _parse_endpoint(text: str) -> list[tuple[IPAddress, int]]:
    host, colon, port_text = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    port = int(port_text) if port_text.isascii() and port_text.isdigit() else 0
    literals = ("127.0.0.1", "::1") if host.lower() == "localhost" else (host,)
    try:
        found = [(ipaddress.ip_address(literal), port) for literal in literals]
    except ValueError:
        found = []
    if not found or not colon or not 0 < port < 65536:
        raise ValueError(f"{text!r} is neither address:port (localhost:port is fine) nor a network such as 10.0.0.0/8")
    return found


def endpoint_of(url: str) -> str:
    """Return the `host:port` of a URL whose host is a literal or `localhost`, as `AllowedPrivate` takes it; else ""."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or default_port(parts.scheme)
    endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        _parse_endpoint(endpoint)
    except ValueError:
        return ""
    return endpoint


def judge(address: str, port: int, allowed: AllowedPrivate, own: Own | None = None) -> None:
    """Raise EgressRefusedError unless `address` is an allowed one, or the literal of a public unicast address not ours.

    `own` says which addresses are ours, by default the kernel (two system calls, about 40 us); its OSError is not
    caught. Names, numbers, bytes, short forms (`127.1`, `0x7f.1`), zone ids: everything but a plain literal is refused,
    because the C library might read it differently. An IPv4 address inside IPv6 (mapped, or NAT64 as in RFC 6052, which
    networks without IPv4 need for everything) is judged as the inner one.
    """
    if type(address) is not str or type(port) is not int:
        raise EgressRefusedError(repr(address), repr(port), "no address literal")
    try:
        literal = ipaddress.ip_address(address)
    except ValueError:
        raise EgressRefusedError(repr(address), port, "no address literal") from None
    if isinstance(literal, ipaddress.IPv6Address):
        if literal.scope_id is not None:
            raise EgressRefusedError(address, port, "bound to a zone")
        literal = _embedded(literal)
    if allowed.covers(literal, port):
        return
    why = _closed(literal)
    if why is not None:
        raise EgressRefusedError(address, port, f"not public: {why}")
    why = (own or interfaces.ask_kernel)(literal)
    if why is not None:
        raise EgressRefusedError(address, port, f"ours: {why}")


def _embedded(literal: ipaddress.IPv6Address) -> IPAddress:
    if literal.ipv4_mapped is not None:
        return literal.ipv4_mapped
    if literal in _NAT64:
        return ipaddress.IPv4Address(int(literal) & 0xFFFFFFFF)
    return literal


def _closed(literal: IPAddress) -> str | None:
    """Return why the address is not public, None if it is."""
    if isinstance(literal, ipaddress.IPv4Address):
        return next((why for network, why in _CLOSED_V4 if literal in network), None)
    if literal not in _OPEN_V6:
        return "outside the global unicast space"
    return next((why for network, why in _CLOSED_V6 if literal in network), None)


def default_port(scheme: str) -> int:
    """Return the port of a link that names none; its scheme is in lower case."""
    return 443 if scheme == "https" else 80


def resolved(host: str, port: int) -> list[str]:
    """Return what the system's resolver says about the host. Blocks. Raises OSError if there is no answer."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
