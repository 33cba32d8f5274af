"""The messages between the bot and its fork server: one JSON object per packet of a SOCK_SEQPACKET socket pair.

Owns only the shapes; both sides import it. `work_id` is the bot's number for one child, never used twice on one server:
two probes may run for one job, and a job may run again before the last process of its former child is gone.
"""

from __future__ import annotations

import msgspec

DEFAULT_JOB = "doradura.child.job:run_job"
"""The function by which a child carries out its order."""
PACKET_BYTES = 64 * 1024
READY_SECONDS = 60.0
"""How long a server may take to load before it counts as failed."""


class StartChild(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="start"):
    """Fork a child; the socket of its conversation comes with the packet (SCM_RIGHTS)."""

    work_id: int
    memory_bytes: int
    processes: int


class StopChild(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="stop"):
    """Send SIGTERM to the child's group now, SIGKILL to its session after the grace period.

    Always answered by `Exited`.
    """

    work_id: int
    grace_seconds: float


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="ready"):
    """The server has loaded and accepts orders. Its first packet."""

    loaded_seconds: float


class Started(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="started"):
    """The child is running."""

    work_id: int
    pid: int
    start_time: int


class Exited(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="exited"):
    """The child and its whole session are gone; nothing more comes for this work_id."""

    work_id: int
    status: int | None = None
    """The exit status, or minus the signal; None if no child could be started (or none has that id)."""
    over_limit: str | None = None
    """The limit that it was killed for: `memory` or `processes`."""
    by_tool: bool = False
    """For `memory`: a program that the child had started held most of it, not the child itself."""
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    """The largest sum seen for the session, at least the child's own peak."""
    tail: str = ""
    """The end of what it wrote to stdout and stderr."""


ControlRequest = StartChild | StopChild
Report = Ready | Started | Exited
