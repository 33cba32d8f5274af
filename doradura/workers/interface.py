"""What the supervisor asks of whatever runs jobs in child processes.

Owns two interfaces. It must not import Trio or yt-dlp: the fork server's client, the plain processes and the tests'
doubles all stand behind it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from doradura.media.protocol import Order, WorkerMessage


class Conversation(Protocol):
    """One job's messages, in order; the last is a final one, whatever becomes of the child."""

    @property
    def pid(self) -> int:
        """The leader of the job's session and process group."""
        ...

    @property
    def started_at(self) -> int:
        """The kernel's start time of that process in clock ticks (proc(5), stat, field 22); 0 where there is none."""
        ...

    def __aiter__(self) -> Conversation:
        """Iterate over what the child says."""
        ...

    async def __anext__(self) -> WorkerMessage:
        """Return the next message; StopAsyncIteration after a final one."""
        ...


class Workers(Protocol):
    """Runs jobs."""

    def work(self, order: Order) -> AbstractAsyncContextManager[Conversation]:
        """Start one job; leaving the context, for whatever reason, ends its whole session."""
        ...
