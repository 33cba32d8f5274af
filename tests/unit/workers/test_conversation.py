from __future__ import annotations

import signal
from typing import Literal

import msgspec
import pytest
import trio.testing

from doradura.media.forkcontrol import Exited
from doradura.media.protocol import (
    LINE_LIMIT_BYTES,
    MOST_CHARACTERS,
    MOST_LINES,
    MOST_SECONDS,
    Failure,
    Metadata,
    Progress,
    Result,
    SelfTest,
    Size,
    Task,
    WorkerLostError,
    WorkerMessage,
)
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.workers.conversation import ChildConversation, Work, failure_of

RESULT = Result(path="/x/media.mp3", size_bytes=5, title="Title")


def conversation(said: bytes, exited: Exited | None = None, task: Task = "download") -> ChildConversation:
    """A child that said this and then closed its end."""
    stream = trio.testing.MemoryReceiveStream()
    stream.put_data(said)
    stream.put_eof()
    work = Work(1, pid=77, start_time=5)
    if exited is not None:
        work.end(exited)
    return ChildConversation(work, stream, task)


def line(message: WorkerMessage) -> bytes:
    """The message as a child says it."""
    return msgspec.json.encode(message) + b"\n"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("download", [Metadata(title="T"), Progress(stage="fetching", fetched_bytes=1), RESULT]),
        ("download", [Progress(stage="converting"), Failure(reason=Reason.GONE, detail="404")]),
        ("probe", [Metadata(title="T")]),
    ],
)
async def test_messages(task: Literal["download", "probe"], said: list[WorkerMessage]) -> None:
    """Messages come in order up to the final one; what a child says after that is not heard."""
    told = conversation(b"".join(map(line, said)) + line(RESULT), task=task)
    assert [message async for message in told] == said
    assert (told.pid, told.started_at) == (77, 5)


async def test_lines_in_pieces() -> None:
    """A line that comes byte by byte is one message."""
    stream = trio.testing.MemoryReceiveStream(receive_some_hook=trio.lowlevel.checkpoint)
    stream.put_data(line(RESULT))
    stream.put_eof()

    class OneByOne(trio.abc.ReceiveStream):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:  # noqa: ARG002 - the interface's
            return bytes(await stream.receive_some(1))

        async def aclose(self) -> None:
            pass

    assert [message async for message in ChildConversation(Work(1), OneByOne(), "download")] == [RESULT]


@pytest.mark.parametrize(
    "said",
    [
        b'{"type": "result", "path": "/x/media.mp3", "size_bytes": -1, "title": "T"}',
        b'{"type": "result", "path": "/x/media.mp3", "size_bytes": 1e300, "title": "T"}',
        b'{"type": "result", "path": "/x/media.mp3", "size_bytes": 1, "title": ""}',
        b'{"type": "result", "path": "/x/media.mp3", "size_bytes": 1, "title": "T", "duration_seconds": 1e300}',
        b'{"type": "result", "path": "/x/media.mp3", "size_bytes": 1, "title": "T", "width": 99999999999}',
        b'{"type": "result", "path": "/x/' + b"m" * 5000 + b'", "size_bytes": 1, "title": "T"}',
        b'{"type": "metadata", "title": "' + b"T" * 20_000 + b'"}',
        b'{"type": "metadata", "duration_seconds": -1}',
        b'{"type": "progress", "stage": "fetching", "fetched_bytes": -1}',
        b'{"type": "progress", "stage": "converting", "share": 7}',
        b'{"type": "failure", "reason": "rate_limited", "detail": "", "retry_after_seconds": 1e300}',
    ],
)
async def test_what_no_honest_child_says_is_no_message(said: bytes) -> None:
    """Sizes, lengths and texts out of all bounds end the conversation: no part of the bot has to expect them."""
    (end,) = [message async for message in conversation(said + b"\n")]
    assert isinstance(end, Failure)
    assert end.reason is Reason.TOOL_CRASH
    assert end.detail.startswith("said what is no message")


SIZE = Size(variant=Variant("mp3", "320k"), size_bytes=1)


@pytest.mark.parametrize(
    "message",
    [
        Metadata(sizes=(SIZE,) * 201),
        Metadata(sizes=(msgspec.structs.replace(SIZE, size_bytes=-1),)),
        Metadata(height=MOST_LINES + 1),
        Metadata(performer="P" * (MOST_CHARACTERS + 1)),
        Metadata(extraction_seconds=-1.0),
        Progress(stage="fetching", bytes_per_second=-1.0),
        Progress(stage="converting", seconds_left=1e300),
        Failure(reason=Reason.TOO_LARGE, detail="", sizes=(SIZE,) * 201),
        Failure(reason=Reason.TOO_LARGE, detail="", lines=-1),
        Failure(reason=Reason.GONE, detail="", unresolved="h" * (MOST_CHARACTERS + 1)),
        msgspec.structs.replace(RESULT, thumbnail_path="/x/" + "t" * 4096),
        msgspec.structs.replace(RESULT, title="T" * (MOST_CHARACTERS + 1)),
        msgspec.structs.replace(RESULT, fetched_bytes=-1),
        SelfTest(yt_dlp="1" * (MOST_CHARACTERS + 1), ffmpeg="1", guarded=True),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_each_bound_holds(message: WorkerMessage) -> None:
    """One value that is over its bound is enough, in whatever message it stands."""
    (end,) = [each async for each in conversation(line(message))]
    assert isinstance(end, Failure)
    assert end.detail.startswith("said what is no message")


async def test_what_is_just_within_the_bounds_is_a_message() -> None:
    """The longest text, the most lines and seconds, and as many sizes as there may be."""
    said = Metadata(title="T" * MOST_CHARACTERS, duration_seconds=MOST_SECONDS, height=MOST_LINES, sizes=(SIZE,) * 200)
    assert [each async for each in conversation(line(said), task="probe")] == [said]


async def test_longest_line() -> None:
    """A line of exactly the limit is a message; one byte more ends the conversation, newline or not."""
    spare = LINE_LIMIT_BYTES - len(line(Failure(reason=Reason.GONE, detail=""))) + 1
    longest = Failure(reason=Reason.GONE, detail="x" * spare)
    assert [message async for message in conversation(line(longest))] == [longest]
    too_long = [Failure(reason=Reason.TOOL_CRASH, detail=f"said a line of more than {LINE_LIMIT_BYTES} bytes")]
    longer = line(Failure(reason=Reason.GONE, detail="x" * (spare + 1)))
    assert [message async for message in conversation(longer)] == too_long
    assert [message async for message in conversation(b"x" * (LINE_LIMIT_BYTES * 2))] == too_long


@pytest.mark.parametrize("said", [b"\n", b"{}\n", b"[1\n", b'{"type":"other"}\n', b'{"type":"result"}\n', b"\xff\n"])
async def test_no_message(said: bytes) -> None:
    """A line that is no message ends the conversation as a crash of the tool."""
    (end,) = [message async for message in conversation(said + line(RESULT))]
    assert isinstance(end, Failure)
    assert end.reason == "tool_crash"
    assert end.detail.startswith("said what is no message")


async def test_an_unknown_reason_is_no_message() -> None:
    """A reason that is not in the closed set is a crash of the tool, and its word is in the detail."""
    said = line(Failure(reason=Reason.GONE, detail="404")).replace(b'"gone"', b'"vanished"')
    (end,) = [message async for message in conversation(said)]
    assert isinstance(end, Failure)
    assert end.reason is Reason.TOOL_CRASH
    assert end.detail == "said what is no message: Invalid enum value 'vanished' - at `$.reason`"


async def test_a_cut_line_is_no_message() -> None:
    """What a dying child had said of a line is dropped; its exit tells."""
    told = conversation(line(RESULT)[:-1], Exited(work_id=1, status=-9))
    assert [message async for message in told] == [Failure(reason=Reason.TOOL_CRASH, detail="killed by signal 9")]


async def test_lost_server() -> None:
    """When the server died the conversation ends in WorkerLostError, not in a failure of the job."""
    work = Work(1)
    work.end(None)
    stream = trio.testing.MemoryReceiveStream()
    stream.put_eof()
    with pytest.raises(WorkerLostError):
        await anext(ChildConversation(work, stream, "download"))


async def test_closed_but_running(autojump_clock: trio.testing.MockClock) -> None:
    """A child that closes its conversation and lives on is given five seconds."""
    began = trio.current_time()
    assert [message async for message in conversation(b"")] == [
        Failure(reason=Reason.TOOL_CRASH, detail="ended the conversation but not itself")
    ]
    assert trio.current_time() - began == 5


@pytest.mark.parametrize(
    ("exited", "reason", "detail"),
    [
        (Exited(work_id=1, status=0), "tool_crash", "ended with status 0 and without a result"),
        (Exited(work_id=1, status=1, tail="a\nb\n\n"), "tool_crash", "ended with status 1 and without a result: b"),
        (Exited(work_id=1, status=-11), "tool_crash", "killed by signal 11"),
        (Exited(work_id=1, status=-signal.SIGXFSZ), "too_large", "it wrote a file larger than allowed"),
        (
            Exited(work_id=1, status=-signal.SIGPROF),
            "unsupported",
            "reading what is at the link took too much processor time",
        ),
        (Exited(work_id=1, status=-signal.SIGXCPU), "deadline", "it used more processor time than allowed"),
    ],
)
def test_failure_of(exited: Exited, reason: str, detail: str) -> None:
    """Each way to end without a final message has its reason."""
    assert failure_of(exited) == Failure(reason=Reason(reason), detail=detail)


@pytest.mark.parametrize(
    ("over_limit", "by_tool", "reason"),
    [("memory", False, "unsupported"), ("memory", True, "tool_crash"), ("processes", False, "tool_crash")],
)
def test_what_is_over_a_limit_is_not_tried_again(*, over_limit: str, by_tool: bool, reason: str) -> None:
    """The child holds what the site sent, so its memory is the link's fault; a tool's is the tool's."""
    exited = Exited(work_id=1, status=-9, over_limit=over_limit, by_tool=by_tool)
    assert failure_of(exited) == Failure(
        reason=Reason(reason), detail=f"killed: over its {over_limit} limit", final=True
    )


def test_detail_is_bounded() -> None:
    """However long the last line was, the detail is at most 500 characters."""
    assert len(failure_of(Exited(work_id=1, status=1, tail="x" * 2000)).detail) == 500
