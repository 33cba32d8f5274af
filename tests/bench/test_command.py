"""`just bench` as it is started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.__main__ import ROWS, main
from tests.e2e.program import ROOT


def test_an_unknown_row_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name ends in 2 before anything is started, and the message lists the rows."""
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ROWS)


@pytest.mark.long
def test_every_row_can_be_measured() -> None:
    """One turn of everything ends in 0, and each row has its lines."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--runs", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broke" not in done.stdout
    assert [line.partition(" ")[0] for line in done.stdout.splitlines() if " turns: " in line] == list(ROWS)
