"""Which public addresses are this machine's own: its interfaces' addresses, and the IPv6 networks they are on.

Owns the questions to the kernel (rtnetlink(7)) and the meaning of the answers. Nothing is kept: addresses change while
the program runs (DHCP, a VPN that comes up), so each judgement asks anew, with two short messages, about 40 us. It must
not know what a judgement is for. No kernel knows an address that a router translates to this machine (NAT, a cloud's
"elastic" address, the host's address as seen from inside a container).
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LINK_BITS: Final = 32
"""The shortest prefix that counts as one link's network. Registries give whole providers a /32; anything shorter
(`2000::/3`, or halves of it) is a route to the whole internet through a device without a gateway."""

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if.h
_NETLINK_ROUTE: Final = 0
_NLM_F_REQUEST: Final = 0x1
_NLM_F_DUMP: Final = 0x300
_NLM_F_DUMP_INTR: Final = 0x10
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_RTM_GETLINK: Final = 18
_RTM_GETADDR: Final = 22
_RTM_GETROUTE: Final = 26
_RTM_F_FIB_MATCH: Final = 0x2000
_RTA_DST: Final = 1
_RTA_OIF: Final = 4
_RTA_WAYS_ON: Final = frozenset({5, 9, 18})
"""RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA."""
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFF_POINTOPOINT: Final = 0x10
_OWN_ROUTES: Final = {2: "an address of this machine", 3: "a broadcast address", 4: "an address of this machine"}
"""RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST."""
_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ENODEV})
"""The kernel's answers for an address to which it would send nothing (unreachable, blackhole and prohibit routes)."""
_NO_NETLINK: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES})
_DUMPS: Final = 5
_NEW_SOCKET: Final = socket.SocketType
"""The C class, in case a library replaces `socket.socket`."""
_PROC_NET: Final = Path("/proc/net")


@dataclasses.dataclass(frozen=True, slots=True)
class Assigned:
    """One address of one interface."""

    address: IPAddress
    prefix_bits: int
    peer: IPAddress | None = None
    """The other end of a point-to-point link; the prefix is then the peer's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """The route by which the kernel would send to one address."""

    kind: int
    """rtm_type: 1 is a route out of the machine."""
    prefix_bits: int
    """Prefix length of the matching entry of the routing table."""
    direct: bool
    """Whether there is no router in between."""
    point_to_point: bool = False
    """Whether it leads through a device with one other end (a tunnel), so that everything behind it needs no router."""


def why_own(literal: IPAddress, assigned: Iterable[Assigned], route: Route | None) -> str | None:
    """Return why the address is this machine's or a neighbour's, None if it is neither.

    For IPv4 only the addresses are closed, not their networks: strangers share a provider's /24, while with IPv6
    everybody has a network of their own.
    """
    assigned = tuple(assigned)
    if any(literal == each.address for each in assigned):
        return "an address of this machine"
    if any(literal == each.peer for each in assigned):
        return "the other end of a link of this machine"
    if literal.version == 6 and any(literal in network for network in _networks(assigned)):
        return "in a network that this machine is on"
    if route is None:
        return None
    if route.kind in _OWN_ROUTES:
        return _OWN_ROUTES[route.kind]
    on_link = literal.version == 6 and route.kind == 1 and route.direct and not route.point_to_point
    return "in a network that this machine is on" if on_link and route.prefix_bits >= LINK_BITS else None


def _networks(assigned: Iterable[Assigned]) -> Iterator[ipaddress.IPv6Network]:
    for each in assigned:
        if each.address.version == 6 and each.prefix_bits >= LINK_BITS:
            yield ipaddress.IPv6Network((int(each.peer or each.address), each.prefix_bits), strict=False)


def ask_kernel(literal: IPAddress) -> str | None:
    """Return `why_own` for the present state. Raises OSError if the kernel can't be asked.

    Then no address is known to be safe. Where sockets of the family are barred (`RestrictAddressFamilies=` of systemd)
    the addresses come from /proc, and networks known only by their routes are not closed. On systems without netlink
    nothing is known, and the result is None.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        opened = _NEW_SOCKET(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
    except OSError as error:
        if error.errno not in _NO_NETLINK:
            raise
        return why_own(literal, read_proc(_PROC_NET), None)
    with contextlib.closing(opened) as asking:
        asking.setblocking(True)  # whatever the default timeout: the kernel answers at once
        return why_own(literal, _addresses(asking), _route(asking, literal))


def read_proc(net: Path) -> list[Assigned]:
    """Return the addresses from /proc/net. Raises OSError. A kernel without IPv6 has no list of its addresses."""
    local = (net / "fib_trie").read_text(encoding="ascii").partition("Local:")[2]
    found = [Assigned(ipaddress.IPv4Address(a), 32) for a in re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", local)]
    with contextlib.suppress(FileNotFoundError):
        for line in (net / "if_inet6").read_text(encoding="ascii").splitlines():
            digits, _, bits, *_ = line.split()
            found.append(Assigned(ipaddress.IPv6Address(bytes.fromhex(digits)), int(bits, 16)))
    return found


def _addresses(asking: socket.SocketType) -> list[Assigned]:
    for _ in range(_DUMPS):
        found, whole = [], True
        for flags, body in _ask(asking, _RTM_GETADDR, _NLM_F_DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0)):
            whole = whole and not flags & _NLM_F_DUMP_INTR
            each = parse_address(body)
            if each is not None:
                found.append(each)
        if whole:
            return found
    raise OSError(errno.EAGAIN, "the interfaces' addresses change faster than they can be read")


def _route(asking: socket.SocketType, literal: IPAddress) -> Route | None:
    family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
    question = struct.pack("=BBBBBBBBI", family, literal.max_prefixlen, 0, 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    question += struct.pack("=HH", 4 + len(literal.packed), _RTA_DST) + literal.packed
    try:
        answers = list(_ask(asking, _RTM_GETROUTE, 0, question))
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return None
        raise
    route, device = parse_route(answers[0][1])
    if literal.version == 6 and route.direct and device is not None:
        (_, body), *_ = _ask(asking, _RTM_GETLINK, 0, struct.pack("=BxHiII", 0, 0, device, 0, 0))
        (flags,) = struct.unpack_from("=I", body, 8)
        route = dataclasses.replace(route, point_to_point=bool(flags & _IFF_POINTOPOINT))
    return route


def parse_address(body: bytes) -> Assigned | None:
    """Decode one RTM_NEWADDR message (struct ifaddrmsg and attributes); None for a family other than IP."""
    family, bits = body[0], body[1]
    if family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    attributes = dict(_attributes(body, 8))
    # Of a point-to-point link IFA_ADDRESS is the other end; IPv6 gives no IFA_LOCAL elsewhere.
    there = ipaddress.ip_address(attributes[_IFA_ADDRESS])
    here = ipaddress.ip_address(attributes[_IFA_LOCAL]) if _IFA_LOCAL in attributes else there
    return Assigned(here, bits, None if here == there else there)


def parse_route(body: bytes) -> tuple[Route, int | None]:
    """Decode one RTM_NEWROUTE message (struct rtmsg and attributes), and the device's number if there is one."""
    attributes = dict(_attributes(body, 12))
    device = attributes.get(_RTA_OIF)
    route = Route(kind=body[7], prefix_bits=body[1], direct=_RTA_WAYS_ON.isdisjoint(attributes))
    return route, None if device is None else int(struct.unpack("=I", device)[0])


def _attributes(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            return
        yield kind & 0x3FFF, body[at + 4 : at + length]  # the upper bits say nested and byte order
        at += (length + 3) & ~3


def _ask(asking: socket.SocketType, kind: int, flags: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each message of the kernel's answer: its flags and its body.

    Raises OSError with the kernel's error number.
    """
    asking.send(struct.pack("=IHHII", 16 + len(payload), kind, _NLM_F_REQUEST | flags, 0, 0) + payload)
    while True:
        packet = asking.recv(1 << 16)
        at = 0
        while at + 16 <= len(packet):
            length, answer, said, _, _ = struct.unpack_from("=IHHII", packet, at)
            body = packet[at + 16 : at + length]
            if answer in {_NLMSG_ERROR, _NLMSG_DONE}:
                number = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                if number > 0:
                    raise OSError(number, os.strerror(number))
                return
            yield said, body
            at += (length + 3) & ~3
        if not flags & _NLM_F_DUMP:
            return
