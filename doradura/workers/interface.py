"""What the supervisor needs of whatever runs jobs in child processes.

Owns two interfaces. It must not import Trio or yt-dlp: the client of the fork server, the plain processes and the
tests' doubles all implement it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from doradura.media.protocol import Order, WorkerMessage


class Conversation(Protocol):
    """The messages of one job, in order; the last is a final one, whatever happens to the child."""

    @property
    def pid(self) -> int:
        """The leader of the job's session and process group."""
        ...

    @property
    def started_at(self) -> int:
        """The kernel's start time of that process in clock ticks (proc(5), stat, field 22); 0 if unknown."""
        ...

    def __aiter__(self) -> Conversation:
        """Iterate over the child's messages."""
        ...

    async def __anext__(self) -> WorkerMessage:
        """Return the next message; StopAsyncIteration after a final one."""
        ...


class Workers(Protocol):
    """Runs jobs."""

    def work(self, order: Order) -> AbstractAsyncContextManager[Conversation]:
        """Start one job; leaving the context, for whatever reason, ends its whole session."""
        ...
