"""The messages of one child, from the bot's side, with a final one whatever happens to the child.

Owns the reading and the meaning of an exit status. It must not start or stop anything.
"""

from __future__ import annotations

import dataclasses
import signal
from typing import Final

import msgspec
import trio

from doradura.media.forkcontrol import Exited
from doradura.media.protocol import (
    LINE_LIMIT_BYTES,
    Failure,
    Metadata,
    Progress,
    Task,
    WorkerLostError,
    WorkerMessage,
)
from doradura.media.reasons import Reason

LEAVING_SECONDS: Final = 5.0
"""How long a child may keep running after it closed the conversation without a final message."""
_PIECE_BYTES: Final = 64 * 1024
_DETAIL_LENGTH: Final = 500
_DECODER: Final[msgspec.json.Decoder[WorkerMessage]] = msgspec.json.Decoder(WorkerMessage)


@dataclasses.dataclass(eq=False)
class Work:
    """One child, as far as whoever started it has reported."""

    work_id: int
    pid: int = 0
    start_time: int = 0
    exited: Exited | None = None
    lost: bool = False
    """The server is gone, and whatever it left of this child too."""
    begun: trio.Event = dataclasses.field(default_factory=trio.Event)
    """It runs, or never will: one of the other fields says which."""
    ended: trio.Event = dataclasses.field(default_factory=trio.Event)
    """Nothing of it is running."""

    def end(self, exited: Exited | None) -> None:
        """Record the end with its report, or None if the fork server was lost."""
        self.exited = exited
        self.lost = exited is None
        self.begun.set()
        self.ended.set()


def failure_of(exited: Exited) -> Failure:
    """Return the failure that an end without a final message stands for.

    The child itself holds only what the link's site sent, so excessive memory is the link's fault. A job that exceeds
    its limits would do so again.
    """
    if exited.over_limit is not None:
        unreadable = exited.over_limit == "memory" and not exited.by_tool
        reason = Reason.UNSUPPORTED if unreadable else Reason.TOOL_CRASH
        failure = _failure(reason, f"killed: over its {exited.over_limit} limit", exited.tail)
        return msgspec.structs.replace(failure, final=True)
    if exited.status == -signal.SIGXFSZ:
        return _failure(Reason.TOO_LARGE, "it wrote a file larger than allowed", exited.tail)
    if exited.status == -signal.SIGPROF:  # see child/bounds.py
        return _failure(Reason.UNSUPPORTED, "reading what is at the link took too much processor time", exited.tail)
    if exited.status == -signal.SIGXCPU:
        return _failure(Reason.DEADLINE, "it used more processor time than allowed", exited.tail)
    if exited.status is not None and exited.status < 0:
        return _failure(Reason.TOOL_CRASH, f"killed by signal {-exited.status}", exited.tail)
    return _failure(Reason.TOOL_CRASH, f"ended with status {exited.status} and without a result", exited.tail)


def _failure(reason: Reason, detail: str, tail: str = "") -> Failure:
    """Return the failure; the last line of the output is the exception, if there was one."""
    last = tail.strip().rpartition("\n")[2]
    return Failure(reason=reason, detail=(f"{detail}: {last}" if last else detail)[:_DETAIL_LENGTH])


class ChildConversation:
    """The messages of one child, in order. Iterate in one task only.

    The last message is always a final one. A line that is no message, or too long, ends the conversation as
    `tool_crash`; so does the end of file. Nothing is read ahead, so a child that sends too much has to wait. Raises
    WorkerLostError if the server died under the job.
    """

    def __init__(self, work: Work, stream: trio.abc.ReceiveStream, task: Task) -> None:
        self._work = work
        self._stream = stream
        self._task = task
        self._unread = bytearray()
        self._over = False

    @property
    def pid(self) -> int:
        """The leader of the job's session and process group."""
        return self._work.pid

    @property
    def started_at(self) -> int:
        """The kernel's start time of that process, in clock ticks."""
        return self._work.start_time

    def __aiter__(self) -> ChildConversation:
        """Iterate over the child's messages."""
        return self

    async def __anext__(self) -> WorkerMessage:
        """Return the next message; StopAsyncIteration after a final one."""
        if self._over:
            raise StopAsyncIteration
        message = await self._next()
        self._over = not isinstance(message, Progress | Metadata) or (
            isinstance(message, Metadata) and self._task == "probe"
        )
        return message

    async def _next(self) -> WorkerMessage:
        end = self._unread.find(b"\n")
        while end < 0 and len(self._unread) <= LINE_LIMIT_BYTES:
            try:
                piece = await self._stream.receive_some(_PIECE_BYTES)
            except trio.BrokenResourceError:  # it died with something of ours unread
                piece = b""
            if not piece:
                return await self._ended()
            known = len(self._unread)
            self._unread += piece
            end = self._unread.find(b"\n", known)
        if end < 0 or end > LINE_LIMIT_BYTES:
            return _failure(Reason.TOOL_CRASH, f"said a line of more than {LINE_LIMIT_BYTES} bytes")
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        try:
            return _DECODER.decode(line)
        except msgspec.DecodeError as error:  # ValidationError too
            return _failure(Reason.TOOL_CRASH, f"said what is no message: {error}")

    async def _ended(self) -> Failure:
        with trio.move_on_after(LEAVING_SECONDS):
            await self._work.ended.wait()
        if self._work.lost:
            raise WorkerLostError("the fork server died under the job")
        if self._work.exited is None:
            return _failure(Reason.TOOL_CRASH, "ended the conversation but not itself")
        return failure_of(self._work.exited)
