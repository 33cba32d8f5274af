"""Opening one connection for a job: resolve, judge, connect to what was judged. Blocks, so each runs in a thread.

Owns the rule of the whole gate: an address is judged once it is known, and that very address is connected to. Behind a
proxy the same holds for what is known here: `socks5` is handed the judged address. `socks5h`, `http` and `https`
resolve names themselves: a name of which any address known here is refused is not handed to them, and one of which
none is known here is.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from doradura.gate import ways
from doradura.gate.socks import Request
from doradura.media.addresses import AllowedPrivate, EgressRefusedError, Own, Resolve, judge, resolved
from doradura.media.gatecontrol import OPENING_SECONDS, GateReply

ADDRESS_SECONDS: Final = 4.0
"""How long one address of several is tried."""

_REPLIES: Final = {
    errno.ECONNREFUSED: GateReply.REFUSED_BY_SITE,
    errno.ENETUNREACH: GateReply.NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: GateReply.HOST_UNREACHABLE,
    errno.ETIMEDOUT: GateReply.TIMED_OUT,
}


class OpeningError(Exception):
    """There is no connection, for a reason that the client is told; the text is for the log."""

    def __init__(self, reply: GateReply, detail: str) -> None:
        super().__init__(detail)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the connections of one job."""

    allowed: AllowedPrivate = field(default_factory=AllowedPrivate)
    way: ways.Way | None = None
    """The proxy that leads out; None: there is none."""


@dataclass
class Opener:
    """Opens connections. `resolve` and `own` are the system's, but in tests."""

    resolve: Resolve = resolved
    own: Own | None = None

    def open(self, request: Request, rules: Rules, resolved_now: Callable[[], None]) -> socket.socket:
        """Return a connected socket. Raises OpeningError. `resolved_now` is called once no resolver is waited for."""
        deadline = time.monotonic() + OPENING_SECONDS
        addresses = self._judged(request, rules)
        way = rules.way
        if way is None:
            resolved_now()
            return _connect(addresses, request.port, deadline)
        try:
            hop = self._resolved(way.host, way.port)
            resolved_now()
            through = _connect(hop, way.port, deadline)
        except OpeningError as error:
            raise OpeningError(GateReply.WAY_FAILED, f"the way out: {error}") from error
        host = addresses[0] if ways.resolves_here(way) else request.host
        try:
            through.settimeout(max(0.1, deadline - time.monotonic()))
            return ways.pass_through(through, way, host, request.port)
        except (OSError, ways.WayError) as error:
            through.close()
            code = error.reply if isinstance(error, ways.WayError) else GateReply.WAY_FAILED
            raise OpeningError(code, f"the way out: {error}") from error

    def _judged(self, request: Request, rules: Rules) -> list[str]:
        """Return the addresses that may be connected to; behind a proxy that resolves, perhaps none."""
        by_proxy = rules.way is not None and not ways.resolves_here(rules.way)
        try:
            addresses = self._resolved(request.host, request.port)
        except OpeningError:
            if by_proxy:
                return []
            raise
        if not addresses:
            raise OpeningError(GateReply.NO_SUCH_NAME, f"{request.host!r:.300} has no address")
        good, refusals = [], []
        for address in addresses:
            try:
                judge(address, request.port, rules.allowed, self.own)
            except EgressRefusedError as error:
                refusals.append(str(error))
            except OSError as error:  # the kernel did not say whether it is ours
                raise OpeningError(GateReply.FAILED, f"{address} can't be judged: {error}") from error
            else:
                good.append(address)
        if not good or (by_proxy and refusals):
            raise OpeningError(GateReply.REFUSED_ADDRESS, refusals[0])
        return good

    def _resolved(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            return list(dict.fromkeys(self.resolve(host, port)))
        except socket.gaierror as error:
            # A name that does not exist stays so; a resolver that does not answer may answer later.
            gone = error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}
            code = GateReply.NO_SUCH_NAME if gone else GateReply.RESOLVER_SILENT
            raise OpeningError(code, f"{host!r:.300}: {error}") from error
        except ValueError as error:  # no name at all: a label too long, a zero byte
            raise OpeningError(GateReply.NO_SUCH_NAME, f"{host!r:.300}: {error}") from error
        except OSError as error:
            raise OpeningError(GateReply.RESOLVER_SILENT, f"{host!r:.300}: {error}") from error


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers. Each is a literal; nothing is resolved here."""
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for number, address in enumerate(addresses):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            opened = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            failure = error
            continue
        try:
            opened.settimeout(left if number + 1 == len(addresses) else min(left, ADDRESS_SECONDS))
            opened.connect((address, port))
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    timed_out = isinstance(failure, TimeoutError)
    code = GateReply.TIMED_OUT if timed_out else _REPLIES.get(failure.errno or 0, GateReply.FAILED)
    raise OpeningError(code, f"{addresses} port {port}: {failure}")
