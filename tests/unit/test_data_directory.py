from __future__ import annotations

import os
from pathlib import Path

import pytest

from doradura.data_directory import DataDirectoryError, claim_for_mode
from doradura.settings import Mode

OTHER: dict[Mode, Mode] = {"telegram": "sandbox", "sandbox": "telegram"}


@pytest.mark.parametrize("mode", OTHER)
def test_a_directory_belongs_to_whoever_started_first(tmp_path: Path, mode: Mode) -> None:
    """The first start marks the directory; the same mode may come again, the other is refused and told what to do."""
    claim_for_mode(tmp_path, mode)
    claim_for_mode(tmp_path, mode)
    assert (tmp_path / "mode").read_text() == f"{mode}\n"
    with pytest.raises(DataDirectoryError, match="DORADURA_DATA_DIR"):
        claim_for_mode(tmp_path, OTHER[mode])
    assert [path.name for path in tmp_path.iterdir()] == ["mode"]


def test_data_from_before_there_was_a_mark_are_told_by_what_they_hold(tmp_path: Path) -> None:
    """With the sandbox's world they are the sandbox's; with that removed, as the refusal says, they are the bot's."""
    (tmp_path / "doradura.db").touch()
    (tmp_path / "sandbox").mkdir()
    with pytest.raises(DataDirectoryError, match="don't exist on Telegram"):
        claim_for_mode(tmp_path, "telegram")
    assert not (tmp_path / "mode").exists()
    (tmp_path / "sandbox").rmdir()
    with pytest.raises(DataDirectoryError, match="your bot's data"):
        claim_for_mode(tmp_path, "sandbox")
    claim_for_mode(tmp_path, "telegram")


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("data", [], "data-sandbox"),
        ("data", ["data-sandbox"], "data-sandbox-2"),
        ("data", ["data-sandbox", "data-sandbox-2"], "data-sandbox-3"),
        ("data-sandbox", [], "data-sandbox-2"),
    ],
)
def test_the_sandboxes_data_can_be_moved_to_where_nothing_is(
    tmp_path: Path, name: str, taken: list[str], free: str
) -> None:
    """The refusal names a directory that is not there yet: mv would put the data into one that is."""
    for each in (name, *taken):
        (tmp_path / each).mkdir()
    claim_for_mode(tmp_path / name, "sandbox")
    with pytest.raises(DataDirectoryError) as refused:
        claim_for_mode(tmp_path / name, "telegram")
    assert f": mv {tmp_path / name} {tmp_path / free}. (" in str(refused.value)


def test_a_start_that_was_killed_at_the_mark_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever process it was: the half-made mark is used up."""

    def killed(_self: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            claim_for_mode(tmp_path, "telegram")
    assert not (tmp_path / "mode").exists()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    claim_for_mode(tmp_path, "telegram")
    assert [path.name for path in tmp_path.iterdir()] == ["mode"]


@pytest.mark.parametrize("content", ["production", "", "\xff\n", "sandbox\nsandbox"])
def test_a_mark_nobody_wrote_is_not_taken_for_ours(tmp_path: Path, content: str) -> None:
    """A mark that says something else refuses both modes; an empty one, left by a full disk, says nothing."""
    (tmp_path / "mode").write_bytes(content.encode("latin-1"))
    if content:
        for mode in OTHER:
            with pytest.raises(DataDirectoryError):
                claim_for_mode(tmp_path, mode)
    else:
        claim_for_mode(tmp_path, "telegram")
        assert (tmp_path / "mode").read_text() == "telegram\n"


def test_a_mark_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A directory in the mark's place is a sentence, not a traceback."""
    (tmp_path / "mode").mkdir()
    with pytest.raises(DataDirectoryError, match="can't be read"):
        claim_for_mode(tmp_path, "telegram")
