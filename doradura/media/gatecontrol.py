"""What the bot, the gate and the children agree on: the gate's replies, its limits, and how it is told of jobs.

Imports nothing but the standard library, because the gate is small. Bot and gate send each other JSON objects, one per
line, over a socket pair that nobody else has:

    to the gate    {"op": "job", "token", "job", "allowed", "way", "direct"}
                                                                     a job may connect; `way` is a proxy's URL, or null,
                                                                     `direct` what is connected to without it
                   {"op": "notify", "token", "last"}                 its connects are to be answered; the listener of
                                                                     their notifications comes along (SCM_RIGHTS);
                                                                     `last` is the last call that an earlier gate
                                                                     received, or null
                   {"op": "end", "token"}                            it may no longer: its connections are closed
                   {"op": "serve"}                                   all running jobs were told: accept connections
                   {"op": "ping"}
    from the gate  {"op": "serving"}
                   {"op": "pong"}
                   {"op": "received", "token", "call"}               the number of a connect, before it is answered
                   {"op": "ended", "job", "sent", "received", "connections", "outcomes", "hosts", "refused"}

`sent` and `received` are bytes, `outcomes` the number of connections by `GateOutcome`, `hosts` and `refused` the first
names that were asked for and the first reasons why there was no connection.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, TypeAlias

USER: Final = "job"
"""The user name of every SOCKS login. The password is the job's token."""
CONNECTIONS_OF_ONE_JOB: Final = 64
OPENING_SECONDS: Final = 13.0
"""How long resolving and connecting may take together: less than the 15 s after which yt-dlp stops waiting."""
RESOLVING_SECONDS: Final = 8.0


GateOutcome: TypeAlias = Literal["connected", "refused", "failed"]
"""What became of a request for a connection; refused is what our own rules refuse."""


class GateReply(IntEnum):
    """How a CONNECT ended (RFC 1928, 6). Our own codes are beyond the assigned ones."""

    DONE = 0
    FAILED = 1
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED_BY_SITE = 5
    TIMED_OUT = 6
    NO_SUCH_COMMAND = 7
    NO_SUCH_KIND_OF_ADDRESS = 8
    REFUSED_ADDRESS = 240
    """The judge refused it."""
    NO_SUCH_NAME = 241
    RESOLVER_SILENT = 242
    TOO_MANY = 243
    """The job has as many connections as a job may have."""
    WAY_FAILED = 244
    """The proxy that is the way out can't be reached, refuses, or answers nonsense."""
