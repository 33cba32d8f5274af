"""What the bot, the gate and the children agree on: the gate's replies, and how it is told of jobs.

Owns the words alone. It must import nothing but the standard library: the gate is small. Between bot and gate goes one
JSON object a line, over a socket pair that nobody else has:

    to the gate    {"op": "job", "token", "job", "allowed", "way", "direct"}
                                                                     a job may connect; `way` is a proxy's URL, or null,
                                                                     `direct` what is connected to without it
                   {"op": "notify", "token"}                         its connects are answered; the listener of their
                                                                     notifications comes along (SCM_RIGHTS)
                   {"op": "end", "token"}                            it may not any more: its connections are closed
                   {"op": "serve"}                                   every job that runs was told: take connections
    from the gate  {"op": "serving"}
                   {"op": "ended", "token", "job", "sent", "received", "connections", "hosts", "refused"}
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

USER: Final = "job"
"""The user's name of every SOCKS login; who somebody is, the password says, the job's token."""
CONNECTIONS_OF_ONE_JOB: Final = 64
OPENING_SECONDS: Final = 13.0
"""What resolving and connecting may take together, below the 15 s after which yt-dlp stops to wait."""
RESOLVING_SECONDS: Final = 8.0


class GateReply(IntEnum):
    """How a CONNECT ended (RFC 1928, 6). Those of our own are beyond what is assigned."""

    DONE = 0
    FAILED = 1
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED_BY_SITE = 5
    TIMED_OUT = 6
    NO_SUCH_COMMAND = 7
    NO_SUCH_KIND_OF_ADDRESS = 8
    REFUSED_ADDRESS = 240
    """The judge's word."""
    NO_SUCH_NAME = 241
    RESOLVER_SILENT = 242
    TOO_MANY = 243
    """The job has as many connections as one may have."""
    WAY_FAILED = 244
    """The proxy that is the way out is not there, refuses, or makes no sense."""
