"""The rendered files on disk."""

from __future__ import annotations

import os
from pathlib import Path

from stack.facts import Asked, settings_of
from stack.files import closed_umask, committed, render_for_start, replace_files


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Who has a file open reads the old text to its end; whoever opens it then reads the new; an equal file stays."""
    replace_files(tmp_path, {"prometheus/a.yml": "old\n" * 100_000, "prometheus/b.yml": "same"})
    same = (tmp_path / "prometheus" / "b.yml").stat().st_ino
    with (tmp_path / "prometheus" / "a.yml").open() as reading:
        assert reading.readline() == "old\n"
        replace_files(tmp_path, {"prometheus/a.yml": "new\n", "prometheus/b.yml": "same"})
        assert reading.read() == "old\n" * 99_999
    assert (tmp_path / "prometheus" / "a.yml").read_text() == "new\n"
    assert (tmp_path / "prometheus" / "b.yml").stat().st_ino == same


def test_what_is_no_longer_rendered_goes(tmp_path: Path) -> None:
    """A rule file that was taken away is not loaded for ever; what the programs themselves keep is not touched."""
    kept = tmp_path / "data" / "prometheus" / "wal"
    kept.parent.mkdir(parents=True)
    kept.touch()
    replace_files(tmp_path, {"prometheus/rules/a.yml": "", "prometheus/rules/b.yml": "", "bot/telegram.token": "t"})
    replace_files(tmp_path, {"prometheus/rules/b.yml": ""})
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["data/prometheus/wal", "prometheus/rules/b.yml"]


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Directories are 0700 and files 0600, whatever the umask and whatever mode an older file had."""
    before = os.umask(0)
    try:
        settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path / "data")})
        render_for_start(settings, Asked())
        (tmp_path / "data" / "stack" / "alertmanager" / "alertmanager.yml").chmod(0o644)
        render_for_start(settings, Asked())
        with closed_umask():
            (tmp_path / "data" / "own").touch()
    finally:
        os.umask(before)
    made = list((tmp_path / "data").rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_dir()} == {"0o700"}
    assert all((tmp_path / "data" / "stack" / name).is_file() for name in committed())
