"""What the program says when it ends by an error that a person can mend."""

from __future__ import annotations

import pytest

from doradura.__main__ import EXIT_FAILED, _exit_code
from doradura.storage import StorageError


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (StorageError("database: database disk image is malformed", reason="corrupt"), 1),
        (StorageError("database: disk I/O error", reason="unreadable"), 1),
        (StorageError("it is damaged: see StorageFailing in docs/runbooks.md", reason="corrupt"), 1),
        (StorageError("database: database or disk is full", reason="full"), 0),
    ],
)
def test_a_damaged_database_ends_the_start_with_what_to_do(
    error: StorageError, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever query met the damage, the last line names the runbook, once; other faults are no damage."""

    def run() -> None:
        raise ExceptionGroup("a nursery's", [error])

    assert _exit_code(run) == EXIT_FAILED
    (said,) = caplog.messages
    assert said.startswith(str(error))
    assert said.count("StorageFailing") == times
