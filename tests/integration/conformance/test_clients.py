"""aiogram and python-telegram-bot hold a whole conversation with the sandbox, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
import trio

from doradura.sandbox import Sandbox
from tests.botapi.check import check_answer, check_call
from tests.botapi.sense import check_files

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE_SECONDS = 400
CALLS_AT_LEAST = 70
STEPS = {"with_aiogram": 24, "with_ptb": 24}


@pytest.mark.parametrize("client", STEPS)
async def test_a_client_nobody_here_wrote(client: str, tmp_path: Path) -> None:
    """Every step goes as with Telegram, and every answer and update is of the Bot API's types, no field amiss."""
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
        calls = await _calls(url)
        nursery.cancel_scope.cancel()
    _judge(client, talked)
    assert len(calls) > CALLS_AT_LEAST
    problems = [f"call {call['n']}: {problem}" for call in calls for problem in _problems(call)]
    assert problems == []
    assert check_files(calls) == []


def _judge(client: str, talked: subprocess.CompletedProcess[bytes]) -> None:
    steps = talked.stdout.decode().splitlines()
    assert talked.returncode == 0, f"after {steps[-1:]}:\n{talked.stderr.decode()[-3000:]}"
    assert len(steps) == STEPS[client], steps


def _problems(call: dict[str, Any]) -> list[str]:
    """Judge a call whole if it was taken; of one refused only the refusal: some are made wrong to be refused."""
    return check_call(call) if call["status"] == 200 else check_answer(call)


async def _calls(url: str) -> list[dict[str, Any]]:
    """Return the record of every call, the polls that brought updates included."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        lines = (await http.get(f"{url}/sandbox/requests")).text.splitlines()
    return [json.loads(line) for line in lines]
