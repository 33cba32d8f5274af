"""What the program says when it ends by an error that a person can mend."""

from __future__ import annotations

import pytest

from doradura.cli.edge import exit_code
from doradura.cli.run import RefusedTokenError
from doradura.data_directory import DataDirectoryLockedError
from doradura.runbooks import BOOK
from doradura.startup import EXIT_FAILED, EXIT_LOCKED, EXIT_TOKEN
from doradura.storage import DAMAGE_ADVICE, StorageError
from doradura.telegram.errors import TokenRefusedError


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (StorageError("database: database disk image is malformed", reason="corrupt"), 1),
        (StorageError("database: disk I/O error", reason="unreadable"), 1),
        (StorageError("database: database or disk is full", reason="full"), 0),
    ],
)
def test_a_damaged_database_ends_the_start_with_what_to_do(
    error: StorageError, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever query met the damage, the last line names the runbook, once; other faults are no damage."""

    def run() -> None:
        raise ExceptionGroup("a nursery's", [error])

    assert exit_code(run) == EXIT_FAILED
    (said,) = caplog.messages
    assert said.startswith(str(error))
    assert said.count(f". {DAMAGE_ADVICE}.") == times
    assert said.count("StorageFailing") == times


def test_the_advice_is_what_the_runbook_has() -> None:
    """Both ways out are in the sentence and in the section it names."""
    runbook = BOOK.find("StorageFailing")
    assert runbook is not None
    section = " ".join(block.text for block in runbook.in_earnest())
    assert "StorageFailing in docs/runbooks.md" in DAMAGE_ADVICE
    for words in ("restore a backup", ".recover"):
        assert words in DAMAGE_ADVICE
        assert words in section


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        (
            RefusedTokenError(TokenRefusedError("getMe", 401, "Unauthorized")),
            EXIT_TOKEN,
            "Telegram refuses DORADURA_TELEGRAM_TOKEN (401 Unauthorized). Copy it once more",
        ),
        (DataDirectoryLockedError("the data directory is in use"), EXIT_LOCKED, "the data directory is in use"),
    ],
)
def test_the_last_line_is_a_sentence(
    error: Exception, code: int, begins: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the name of a call or the number of an error; the code is the error's own."""

    def run() -> None:
        raise ExceptionGroup("a nursery's", [error])

    assert exit_code(run) == code
    (said,) = caplog.messages
    assert said.startswith(begins)


def test_what_is_not_expected_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours ends with code 1 and says where it was."""

    def run() -> None:
        raise ExceptionGroup("a nursery's", [ZeroDivisionError()])

    assert exit_code(run) == EXIT_FAILED
    (record,) = caplog.records
    assert record.exc_info
