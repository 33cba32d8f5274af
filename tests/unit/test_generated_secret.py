"""The secret the program makes for itself."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from doradura.data_directory import DataDirectoryError, generated_secret


def test_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """Long, the same at every start, mode 0600, and nothing half made is left beside it."""
    path = tmp_path / "webhook.token"
    made = generated_secret(path)
    assert len(made) == 43
    assert generated_secret(path) == made == path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert generated_secret(tmp_path / "other") != made


def test_what_stands_there_is_used(tmp_path: Path) -> None:
    """A secret somebody wrote by hand counts, without the line's end; an empty file does not."""
    path = tmp_path / "webhook.token"
    path.write_text("by-hand\n", encoding="utf-8")
    assert generated_secret(path) == "by-hand"
    path.write_text("\n", encoding="utf-8")
    assert len(generated_secret(path)) == 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_can_not_be_used_is_said(tmp_path: Path) -> None:
    """A sentence names the file and the setting, never a traceback."""
    path = tmp_path / "webhook.token"
    path.mkdir()
    with pytest.raises(DataDirectoryError, match=r"webhook\.token.*DORADURA_WEBHOOK_TOKEN"):
        generated_secret(path)


def test_what_a_kill_left_half_made_is_removed(tmp_path: Path) -> None:
    """Whether or not the secret was there already; what another program may be making just now stays."""
    path = tmp_path / "webhook.token"
    old, new = tmp_path / "webhook.token.123.new", tmp_path / "webhook.token.456.new"
    for _ in ("no secret yet", "one"):
        for made in (old, new):
            made.write_text("half a sec")
        os.utime(old, (0, time.time() - 61))
        assert len(generated_secret(path)) == 43
        assert sorted(tmp_path.iterdir()) == [path, new]
