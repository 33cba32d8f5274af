"""The units of stack/systemd, judged by systemd's own tool, and what docs/install.md says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from doradura.startup import EXIT_LOCKED, EXIT_SETTINGS, EXIT_TOKEN
from stack.files import HERE
from tests.programs import found

UNITS = sorted((HERE / "systemd").glob("*.service"))
INSTALL = HERE.parent / "docs" / "install.md"


def analyze(tmp_path: Path, unit: Path, *arguments: str) -> str:
    """Ask systemd-analyze about a unit as it would be installed, with this environment's Python in its place."""
    here = str(Path(sys.prefix))
    text = (
        unit.read_text(encoding="utf-8").replace("/opt/doradura/.venv", here).replace("=/opt/doradura", f"={tmp_path}")
    )
    copy = tmp_path / unit.name
    copy.write_text(text, encoding="utf-8")
    command = [found("systemd-analyze"), *arguments, str(copy)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(tmp_path: Path, unit: Path) -> None:
    """Each line is known to systemd and its program is there: not one word of complaint."""
    assert analyze(tmp_path, unit, "verify", "--man=no") == ""


def test_a_wrong_line_is_found(tmp_path: Path) -> None:
    """The tool names a setting it does not know, so that the test above can fail."""
    wrong = tmp_path / "in" / "wrong.service"
    wrong.parent.mkdir()
    wrong.write_text(UNITS[0].read_text(encoding="utf-8").replace("KillMode=", "KillMood="), encoding="utf-8")
    assert "KillMood" in analyze(tmp_path, wrong, "verify", "--man=no")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_unit_is_closed(tmp_path: Path, unit: Path) -> None:
    """Systemd's own judgement of how much a broken program could reach: under 4 of 10 ("OK" begins at 5)."""
    analyze(tmp_path, unit, "security", "--offline=true", "--no-pager", "--threshold=40")


def test_no_restart_where_none_helps() -> None:
    """The bot's unit leaves it at those exit codes that a person must mend."""
    (unit,) = [unit for unit in UNITS if unit.name == "doradura.service"]
    codes = re.search(r"^RestartPreventExitStatus=(.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    assert codes is not None
    assert {int(code) for code in codes[1].split()} == {EXIT_SETTINGS, EXIT_LOCKED, EXIT_TOKEN}
