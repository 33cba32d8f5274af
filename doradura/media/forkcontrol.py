"""What the bot and its fork server say to each other: one JSON object a packet of a SOCK_SEQPACKET socket pair.

Owns the shapes alone; both sides import it. `work_id` is the bot's number for one child, never used twice by a server:
two probes may run for one job, and a job may run again before the last of its former child is gone.
"""

from __future__ import annotations

import msgspec

DEFAULT_JOB = "doradura.child.job:run_job"
"""What a child does with its order."""
PACKET_BYTES = 64 * 1024
READY_SECONDS = 60.0
"""How long a server may load before it is called failed."""
EX_CONFIG = 78
"""The server's exit status when it must not run at all as things are installed (sysexits.h)."""


class StartChild(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="start"):
    """Fork a child; its conversation's socket comes with the packet (SCM_RIGHTS)."""

    work_id: int
    memory_bytes: int
    processes: int


class StopChild(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="stop"):
    """SIGTERM to the child's group now, SIGKILL to its session after the grace. Always answered by `Exited`."""

    work_id: int
    grace_seconds: float


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="ready"):
    """The server has loaded and takes orders. Its first packet."""

    loaded_seconds: float


class Started(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="started"):
    """The child runs."""

    work_id: int
    pid: int
    start_time: int


class Exited(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="exited"):
    """The child and all of its session are gone; nothing more comes of this work_id."""

    work_id: int
    status: int | None = None
    """Exit status, or minus the signal; None when there was no child to be had (or none of that id)."""
    over_limit: str | None = None
    """What it was killed for: `memory` or `processes`."""
    by_tool: bool = False
    """Of `memory`: a program that the child had started held most of it, not the child itself."""
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    """The largest sum seen for the session, at least what the child alone had at its height."""
    tail: str = ""
    """The end of what it wrote to stdout and stderr."""


ControlRequest = StartChild | StopChild
Report = Ready | Started | Exited
