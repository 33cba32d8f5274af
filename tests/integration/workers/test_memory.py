"""What a worker can read of the bot, whose user it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from doradura.__main__ import main


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has /proc")
@pytest.mark.parametrize(("memory", "seen"), [("closed", "nothing"), ("open", "mem environ maps fd")])
def test_a_worker_cannot_read_the_bot(tmp_path: Path, memory: str, seen: str) -> None:
    """A worker opens nothing of a bot that has closed its memory, everything of one that has not.

    The bot itself still counts its descriptors, as the process metrics do.
    """
    program = str(Path(__file__).with_name("peeked_bot.py"))
    said = subprocess.run(
        [sys.executable, program, str(tmp_path), memory],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.strip() == f"{seen} True", said.stderr


def test_the_bot_closes_its_memory_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` closes the memory before it reads its settings."""
    done: list[str] = []
    monkeypatch.setattr("doradura.cli.run.close_memory", lambda: done.append("closed"))
    monkeypatch.setattr("doradura.cli.edge.read_settings", lambda *_, **__: pytest.fail("read") if not done else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["run"])
    assert done == ["closed"]
