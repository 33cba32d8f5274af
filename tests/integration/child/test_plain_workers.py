"""Child processes without a fork server: one a job, ended with all they started."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from doradura.media.processes import read_process
from doradura.media.protocol import Failure, Result, WorkerLostError
from doradura.workers.plain import PlainWorkers

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs


@pytest.fixture
def jobs(jobs: Jobs) -> Jobs:
    """Jobs in processes of their own."""
    jobs.workers = PlainWorkers()
    return jobs


def child(code: str) -> PlainWorkers:
    """Workers whose children run a few lines of Python."""
    return PlainWorkers((sys.executable, "-c", f"import os, signal, sys, time\nsys.stdin.readline()\n{code}"))


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    process = read_process(pid)
    return process is not None and process.alive


async def test_leaving_ends_ffmpeg_too(jobs: Jobs, tmp_path: Path) -> None:
    """Cancelling a job ends the child and an ffmpeg below it that ignores SIGTERM."""
    fifo, script = tmp_path / "fifo", tmp_path / "stubborn"
    os.mkfifo(fifo)
    script.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\ntrap '' TERM\nsleep 1000 &\necho $$ $! >'{fifo}'\nwait\nwait\n")
    script.chmod(0o755)
    with trio.fail_after(60), trio.CancelScope() as scope:
        async with jobs.workers.work(jobs.order("/sample.mp4", ffmpeg=str(script))) as conversation:
            leader = conversation.pid
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def read() -> None:
                    async for _ in conversation:
                        pass

                pids = [int(pid) for pid in (await trio.to_thread.run_sync(fifo.read_text)).split()]
                assert all(is_running(pid) for pid in (leader, *pids))
                scope.cancel()
    assert scope.cancelled_caught
    assert not any(is_running(pid) for pid in (leader, *pids))


async def test_a_child_knows_its_process(jobs: Jobs) -> None:
    """The conversation tells the pid and start time by which a later process of ours can find the child."""
    async with jobs.workers.work(jobs.order("/sample.mp4")) as conversation:
        process = read_process(conversation.pid)
        assert process is not None
        assert (process.session, process.group) == (conversation.pid, conversation.pid)
        assert conversation.started_at == process.start_time


async def test_an_end_without_a_word_is_a_crash(jobs: Jobs) -> None:
    """A child that dies ends the conversation with tool_crash, its exit status and its last words."""
    workers = child("sys.stderr.write('x' * 100000 + ' the last words')\nsys.stderr.flush()\nos.kill(os.getpid(), 9)")
    async with workers.work(jobs.order("/")) as conversation:
        messages = [message async for message in conversation]
    assert len(messages) == 1
    assert isinstance(messages[0], Failure)
    assert messages[0].reason == "tool_crash"
    assert messages[0].detail.endswith("the last words")
    assert len(messages[0].detail) <= 500


@pytest.mark.parametrize(
    ("by", "reason"), [("SIGXFSZ", "too_large"), ("SIGXCPU", "deadline"), ("SIGPROF", "unsupported")]
)
async def test_an_end_by_a_limit_has_its_reason(jobs: Jobs, by: str, reason: str) -> None:
    """A child that the kernel ended for its file's size or its processor time fails as one of the fork server does."""
    workers = child(f"signal.signal(signal.{by}, signal.SIG_DFL)\nos.kill(os.getpid(), signal.{by})\ntime.sleep(1000)")
    with trio.fail_after(60):
        async with workers.work(jobs.order("/")) as conversation:
            messages = [message async for message in conversation]
    assert [message.reason for message in messages if isinstance(message, Failure)] == [reason]


@pytest.mark.parametrize(
    "said",
    ["'{}\\n'", "'words\\n'", "'x' * 300000", '\'{"type": "result"}\\n\'', "'y' * 300000 + '\\n'"],
)
async def test_nonsense_is_a_crash(jobs: Jobs, said: str) -> None:
    """What is no message, or longer than a line may be, ends the conversation; the child is ended though it goes on."""
    workers = child(f"sys.stdout.write({said})\nsys.stdout.flush()\ntime.sleep(1000)")
    with trio.fail_after(60):
        async with workers.work(jobs.order("/")) as conversation:
            messages = [message async for message in conversation]
    assert [message.reason for message in messages if isinstance(message, Failure)] == ["tool_crash"]
    assert not is_running(conversation.pid)


async def test_the_bodys_error_comes_out_as_it_is(jobs: Jobs) -> None:
    """An error raised while a job runs is not wrapped in a group."""
    with pytest.raises(ZeroDivisionError):
        async with child("time.sleep(1000)").work(jobs.order("/")):
            raise ZeroDivisionError


async def test_no_process_is_a_lost_worker(jobs: Jobs) -> None:
    """Where no child can be started, the job is not to blame."""
    with pytest.raises(WorkerLostError):
        async with PlainWorkers(("/nowhere/at/all",)).work(jobs.order("/")):
            pytest.fail("there is no such program")


async def test_a_spare_serves_the_next_job(jobs: Jobs) -> None:
    """While `run` runs, a job is given the waiting process, and another takes its place."""
    workers = PlainWorkers()
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        spare = workers._spare
        assert spare is not None
        async with workers.work(jobs.order("/sample.mp4", "mp3", "128k")) as conversation:
            assert conversation.pid == spare.pid
            messages = [message async for message in conversation]
        assert isinstance(messages[-1], Result)
        nursery.cancel_scope.cancel()
    assert not is_running(spare.pid)


async def test_run_leaves_no_spare_behind() -> None:
    """Cancelling `run` ends the process that still waits."""
    workers = PlainWorkers()
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        spare = workers._spare
        assert spare is not None
        assert is_running(spare.pid)
        nursery.cancel_scope.cancel()
    assert not is_running(spare.pid)
