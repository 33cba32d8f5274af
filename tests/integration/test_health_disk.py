from __future__ import annotations

import os
from pathlib import Path

from doradura.health import DiskSpace


async def test_space_is_what_the_system_says(tmp_path: Path) -> None:
    """The figure is the file system's, and goes to the gauge too."""
    measured: list[int] = []
    found = await DiskSpace(tmp_path, measured=measured.append).check()
    system = os.statvfs(tmp_path)
    assert found.facts["total_bytes"] == system.f_blocks * system.f_frsize
    assert measured == [found.facts["free_bytes"]]
    assert 0 < measured[0] <= system.f_blocks * system.f_frsize


async def test_missing_directory_is_failing(tmp_path: Path) -> None:
    """A data directory that went away is told, not raised."""
    found = await DiskSpace(tmp_path / "gone").check()
    assert (found.status, "No such file" in str(found.message)) == ("failing", True)
