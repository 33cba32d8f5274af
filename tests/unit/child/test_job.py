"""The barrier around one job."""

from __future__ import annotations

import pytest

from doradura.child import job
from doradura.media.protocol import Failure, Limits, Order, WorkerMessage


@pytest.mark.parametrize(("error", "reason"), [(RecursionError(), "unsupported"), (MemoryError(), "internal")])
def test_a_stack_or_memory_too_small_ends_the_job(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """A page nested too deeply for Python, or too large for the job's memory, ends in a reason like any other."""

    def perform(_: object) -> WorkerMessage:
        raise error

    monkeypatch.setattr(job._Work, "perform", perform)
    said: list[WorkerMessage] = []
    limits = Limits(file_bytes=1, upload_bytes=1, cpu_seconds=1, memory_bytes=1, processes=1)
    job.run_job(Order(job_id=1, task="download", directory="/", limits=limits, ffmpeg=""), said.append)
    assert [message.reason for message in said if isinstance(message, Failure)] == [reason]
