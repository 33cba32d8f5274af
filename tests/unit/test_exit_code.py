"""What the program says when it ends by an error that a person can mend."""

from __future__ import annotations

import errno

import pytest

from doradura.__main__ import EXIT_FAILED, EXIT_SETTINGS, EXIT_TOKEN, _exit_code
from doradura.storage import StorageError
from doradura.telegram.errors import TokenRefusedError


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


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        (
            TokenRefusedError("getMe", 401, "Unauthorized"),
            EXIT_TOKEN,
            "Telegram refuses DORADURA_TELEGRAM_TOKEN (401 Unauthorized). Copy it once more",
        ),
        (
            OSError(errno.EADDRINUSE, "the sandbox cannot listen on 127.0.0.1:1: Address already in use"),
            EXIT_SETTINGS,
            "the sandbox cannot listen on 127.0.0.1:1: Address already in use. Stop what listens there",
        ),
    ],
)
def test_the_last_line_is_a_sentence(
    error: Exception, code: int, begins: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the name of a call or the number of an error."""

    def run() -> None:
        raise ExceptionGroup("a nursery's", [error])

    assert _exit_code(run) == code
    (said,) = caplog.messages
    assert said.startswith(begins)
