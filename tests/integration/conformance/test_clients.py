"""aiogram and python-telegram-bot hold a whole conversation with the sandbox, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest
import trio

from doradura.sandbox import Sandbox

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE_SECONDS = 120
STEPS = {"with_aiogram": 24, "with_ptb": 24}


@pytest.mark.parametrize("client", STEPS)
async def test_a_client_nobody_here_wrote(client: str, tmp_path: Path) -> None:
    """Every step of its conversation goes as with Telegram; a failure names the step."""
    sandbox = Sandbox(
        bind="127.0.0.1:0",
        media_directory=tmp_path / "media",
        keep_directory=tmp_path / "kept",
        ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
    )
    async with trio.open_nursery() as nursery:
        url = await nursery.start(sandbox.run)
        with trio.fail_after(PATIENCE_SECONDS):
            talked = await trio.run_process(
                [sys.executable, "-m", f"tests.conformance.{client}", url, f"5:{'C' * 35}", str(tmp_path)],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=ROOT,
                env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"},
            )
        nursery.cancel_scope.cancel()
    _judge(client, talked)


def _judge(client: str, talked: subprocess.CompletedProcess[bytes]) -> None:
    steps = talked.stdout.decode().splitlines()
    assert talked.returncode == 0, f"after {steps[-1:]}:\n{talked.stderr.decode()[-3000:]}"
    assert len(steps) == STEPS[client], steps
