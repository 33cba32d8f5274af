"""ForkWorkers against a real fork server: how jobs run, end, and are ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from doradura.downloads.products import ForeignFileError, take_product
from doradura.media import processes
from doradura.media.processes import Stray
from doradura.media.protocol import Failure, Order, Progress, Result, WorkerMessage
from doradura.media.reasons import Reason
from doradura.workers.fork import ForkWorkers, WorkersError, end_strays
from doradura.workers.interface import Conversation

NewOrder = Callable[..., Order]
Gone = Callable[[int], Awaitable[None]]


async def messages(conversation: Conversation) -> list[WorkerMessage]:
    """All that the child says."""
    return [message async for message in conversation]


async def outcome(workers: ForkWorkers, order: Order) -> WorkerMessage:
    """What the child says last."""
    with trio.fail_after(30):
        async with workers.work(order) as conversation:
            return (await messages(conversation))[-1]


def open_descriptors() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    process = processes.read_process(pid)
    return process is not None and process.alive


async def test_fifty_jobs_eight_at_once(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Fifty quick jobs, eight at a time, each end with their result, on one server."""
    room = trio.CapacityLimiter(8)
    ends: list[WorkerMessage] = []

    async def one(order: Order) -> None:
        async with room:
            ends.append(await outcome(workers, order))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one, new_order("quick"))
    assert [type(end) for end in ends] == [Result] * 50
    assert workers.starts == 1


async def test_surroundings(workers: ForkWorkers, new_order: NewOrder) -> None:
    """A job finds its own session, directory and limits, and nothing of the bot's environment or descriptors."""
    order = new_order("surroundings", file_bytes=1234567, cpu_seconds=17)
    async with workers.work(order) as conversation:
        (end,) = await messages(conversation)
        pid, start_time = conversation.pid, conversation.started_at
    assert isinstance(end, Result)
    found = json.loads(end.title)
    assert found["pid"] == found["session"] == found["group"] == pid
    assert found["start_time"] == start_time > 0
    assert found["cwd"] == found["environment"]["HOME"] == found["environment"]["TMPDIR"] == order.directory
    assert "secret" not in end.title
    own = {"HOME", "TMPDIR", "PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "YTDLP_NO_PLUGINS"}
    kept = {"LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    assert found["environment"].keys() - kept == own | {"DORADURA_SESSION"}
    assert found["environment"]["DORADURA_SESSION"] == f"{pid}:{start_time}"
    assert found["fsize"] == [1234567, 1234567]
    assert found["cpu"][0] == 17
    assert found["core"] == [0, 0]
    assert found["nice"] == max(10, os.getpriority(os.PRIO_PROCESS, 0))
    assert not found["autogroup"] or found["autogroup"].endswith("nice 10\n"), (
        "the session yields, not only the process"
    )
    assert found["umask"] == 0o077
    assert len(found["descriptors"]) == 5  # 0, 1, 2, the conversation, and the one that lists them
    assert found["stdin"] == "/dev/null"
    assert found["sigterm"]
    assert found["blocked"] == 0
    assert "NoNewPrivs:\t1" in found["status"]


async def test_a_start_is_observed_once(
    nursery: trio.Nursery, environment: dict[str, str], new_order: NewOrder
) -> None:
    """How long a start took is told once, when the child runs."""
    observed: list[float] = []
    workers = ForkWorkers(observe_start=observed.append, environment=environment, job="nasty_job:run_job")
    await nursery.start(workers.run)
    async with workers.work(new_order("quick")) as conversation:
        assert isinstance((await messages(conversation))[-1], Result)
    assert len(observed) == 1
    assert 0 < observed[0] < 5


@pytest.mark.parametrize(
    ("url", "figures", "reason", "detail"),
    [
        ("silent", {}, "tool_crash", "ended with status 0 and without a result"),
        ("raising", {}, "tool_crash", "ended with status 70 and without a result: RuntimeError: on purpose"),
        ("last_words", {}, "tool_crash", "ended with status 3 and without a result: the last line"),
        ("killed", {}, "tool_crash", "killed by signal 9"),
        ("big_file", {"file_bytes": 100_000}, "too_large", "it wrote a file larger than allowed"),
        ("spinning", {"cpu_seconds": 1}, "deadline", "it used more processor time than allowed"),
        ("hog", {"memory_bytes": 150_000_000}, "unsupported", "killed: over its memory limit"),
        ("gulping", {"memory_bytes": 300_000_000}, "unsupported", "killed: over its memory limit"),
        ("gulping_child", {"memory_bytes": 300_000_000}, "tool_crash", "killed: over its memory limit"),
        ("bomb", {"processes": 20}, "tool_crash", "killed: over its processes limit"),
        ("long_line", {}, "tool_crash", "said a line of more than 262144 bytes"),
        ("nonsense", {}, "tool_crash", "said what is no message: Invalid value 'surprise' - at `$.type`"),
    ],
)
async def test_bad_ends(
    *, workers: ForkWorkers, new_order: NewOrder, url: str, figures: dict[str, int], reason: str, detail: str
) -> None:
    """Whatever way a job ends without a product, its conversation ends with the failure that says so."""
    with trio.fail_after(30):
        async with workers.work(new_order(url, **figures)) as conversation:
            ends = await messages(conversation)
            session = conversation.pid
    assert ends == [Failure(reason=Reason(reason), detail=detail, final=detail.startswith("killed: over"))]
    assert not processes.session_members(session)


async def test_missing_directory(workers: ForkWorkers, new_order: NewOrder) -> None:
    """A job whose directory is not there fails for a reason of ours, and not for a full disk."""
    order = new_order("quick")
    await trio.Path(order.directory).rmdir()
    end = await outcome(workers, order)
    assert isinstance(end, Failure)
    assert end.reason == "internal"


async def test_floods(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Ten megabytes on each of stdout and stderr stop neither the job nor the server."""
    assert isinstance(await outcome(workers, new_order("flooding")), Result)


async def test_slow_reader(workers: ForkWorkers, new_order: NewOrder) -> None:
    """A reader slower than the job holds it back and loses no line."""
    async with workers.work(new_order("talkative")) as conversation:
        for _ in range(100):
            await trio.testing.wait_all_tasks_blocked(0.001)
        said = await messages(conversation)
    assert [message.fetched_bytes for message in said if isinstance(message, Progress)] == list(range(20_000))
    assert isinstance(said[-1], Result)


@pytest.mark.parametrize("url", ["stubborn", "orphaning", "escaping"])
async def test_grandchildren_are_ended(workers: ForkWorkers, new_order: NewOrder, gone: Gone, url: str) -> None:
    """Grandchildren end with the job, in whatever group they are and whether the child ended or was stopped.

    One that made a session of its own is ended as soon as its parent is gone.
    """
    count = 1 if url == "escaping" else 2
    pids: list[int] = []
    with trio.fail_after(30):
        async with workers.work(new_order(url)) as conversation:
            async for message in conversation:
                if isinstance(message, Progress):
                    pids.append(message.fetched_bytes)
                if url == "stubborn" and len(pids) == count:
                    break
            session = conversation.pid
        assert not processes.session_members(session)
        for pid in pids:
            await gone(pid)
    assert len(pids) == count
    assert not [pid for pid in [*pids, session] if running(pid)]


async def test_stubborn_job_gets_its_grace(workers: ForkWorkers, new_order: NewOrder, gone: Gone) -> None:
    """Leaving a job that ignores SIGTERM takes its grace of three seconds; then it is killed."""
    async with workers.work(new_order("stubborn")) as conversation:
        for _ in range(2):
            await anext(aiter(conversation))
        left = trio.current_time()
    assert 2.9 < trio.current_time() - left < 20
    with trio.fail_after(30):  # leaving gives up after five seconds, whether the job lives or not
        await gone(conversation.pid)


@pytest.mark.parametrize("delay", [0, 0.0005, 0.001, 0.002, 0.004, 0.01, 0.05])
async def test_cancel_leaves_nothing(
    nursery: trio.Nursery, environment: dict[str, str], new_order: NewOrder, delay: float
) -> None:
    """A job cancelled at any instant of its start or life leaves no process and no directory in use."""
    workers = ForkWorkers(environment=environment, job="nasty_job:run_job")
    await nursery.start(workers.run)
    order = new_order("hang")
    with trio.move_on_after(delay):
        async with workers.work(order) as conversation:
            await messages(conversation)
    # What a child started and did not reap is the server's child too: it adopts orphans.
    assert not [process for process in processes.all_processes() if process.parent == workers.server_pid]


async def test_no_descriptor_is_lost(workers: ForkWorkers, new_order: NewOrder) -> None:
    """After a hundred jobs neither the bot nor the server nor a child has more descriptors open than after one."""

    async def count() -> tuple[int, int, int | None]:
        async with workers.work(new_order("descriptors")) as conversation:
            progress = (await messages(conversation))[0]
        assert isinstance(progress, Progress)
        return open_descriptors(), progress.fetched_bytes, progress.total_bytes

    first = await count()
    for number in range(100):
        await outcome(workers, new_order("quick" if number % 4 else "killed"))
    assert await count() == first


def noted(pid: int, start_time: int) -> Stray:
    """A worker of job 1's."""
    return Stray(owner_id=1, pid=pid, start_time=start_time)


async def test_end_strays(workers: ForkWorkers, new_order: NewOrder) -> None:
    """Strays are ended only when pid and start time are both those that were noted."""
    async with workers.work(new_order("hang")) as conversation:
        await anext(aiter(conversation))
        pid, started = conversation.pid, conversation.started_at
        wrong = [
            noted(*each) for each in ((pid, started + 1), (os.getpid(), started), (1, started), (0, 0), (2**22 - 1, 5))
        ]
        assert await trio.to_thread.run_sync(end_strays, wrong) == 0
        assert running(pid)
        assert await trio.to_thread.run_sync(end_strays, [*wrong, noted(pid, started)]) == 1
        assert not running(pid)
        assert await messages(conversation) == [Failure(reason=Reason.TOOL_CRASH, detail="killed by signal 9")]


async def test_end_strays_whose_leader_is_gone(tmp_path: Path) -> None:
    """Without a leader, only processes go that carry its name in their environment."""
    script = (
        "import os, subprocess, sys\n"
        "from doradura.media import processes\n"
        "os.setsid()\n"
        "start = processes.read_process(os.getpid()).start_time\n"
        "named = dict(os.environ, DORADURA_SESSION=f'{os.getpid()}:{start}')\n"
        "sleep = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "ours, other = subprocess.Popen(sleep, env=named), subprocess.Popen(sleep)\n"
        "print(os.getpid(), start, ours.pid, other.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    with (tmp_path / "said").open("wb") as said:
        await trio.run_process([sys.executable, "-c", script], stdout=said)
    pid, start, ours, other = map(int, (tmp_path / "said").read_text().split())
    try:
        assert await trio.to_thread.run_sync(end_strays, [noted(pid, start + 1)]) == 0
        assert running(ours)
        assert await trio.to_thread.run_sync(end_strays, [noted(pid, start)]) == 1
        assert not running(ours)
        assert running(other)
    finally:
        os.kill(other, signal.SIGKILL)


async def test_first_start_that_fails(environment: dict[str, str]) -> None:
    """A server that cannot load makes `run` raise, with the server's own words."""
    workers = ForkWorkers(environment=environment, job="no_such_module:run_job")
    with pytest.raises(WorkersError, match="No module named 'no_such_module'"):
        await workers.run()
    assert not workers.alive


async def test_curl_cffi_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """Where curl_cffi is installed the server does not start, and says what to do."""
    (tmp_path / "curl_cffi.py").touch()
    path = os.pathsep.join((str(tmp_path), environment["PYTHONPATH"]))
    workers = ForkWorkers(environment={**environment, "PYTHONPATH": path}, job="nasty_job:run_job")
    with pytest.raises(WorkersError, match=r"^curl_cffi is installed: .* \(pip uninstall curl_cffi\)"):
        await workers.run()


async def test_a_link_that_a_child_made_is_not_followed(
    workers: ForkWorkers, new_order: NewOrder, tmp_path: Path
) -> None:
    """A real child can put a link to any file where its product is to be: the bot takes that for no product."""
    (tmp_path / "secret").write_text("secret")
    order = new_order("deceiving")
    told = await outcome(workers, order)
    assert isinstance(told, Result)
    assert await trio.Path(told.path).read_text() == "secret"
    with pytest.raises(ForeignFileError, match="not a regular file"):
        take_product(told, Path(order.directory), tmp_path / "ready")
