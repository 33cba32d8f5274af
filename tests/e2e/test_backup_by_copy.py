"""docs/install.md's backup, until there is a command for it: stop, copy the data directory, start."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.program import running
from tests.ports import free_address

USER = 2000


async def test_a_copy_of_the_stopped_bots_data_goes_on_where_it_was(tmp_path: Path) -> None:
    """On the copy people are known, and what was sent once is sent again without a download."""
    bind = free_address()
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=bind) as program:
        asked = await program.say(USER, f"/download {program.media('sample.mp4')} m4a")
        await program.wait(USER, lambda message: "audio" in message, after=asked["message_id"])
        link = program.media("sample.mp4")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    shutil.rmtree(tmp_path / "data")
    # At the same address: the file is known by its link.
    async with running(tmp_path / "copy", DORADURA_SANDBOX_BIND=bind) as program:
        metrics = await program.metrics()
        assert metrics["doradura_registered_users"] == 1
        asked = await program.say(USER, f"/download {link} m4a")
        await program.wait(USER, lambda message: "audio" in message, after=asked["message_id"])
        metrics = await program.metrics()
        assert metrics['doradura_file_cache_lookups_total{outcome="hit"}'] == 1
        assert metrics["doradura_download_bytes_total"] == 0
