"""A process that is really stopped, and one whose loop is really blocked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time, trio
from doradura.health import LoopLag
from doradura.pauses import Pauses

async def main():
    pauses = Pauses()
    lag = LoopLag(lambda _seconds: None, paused=pauses.seconds)
    async with trio.open_nursery() as nursery:
        await nursery.start(pauses.run)
        await nursery.start(lag.run)
        print("up", flush=True)
        if sys.argv[1] == "blocked":
            sys.stdin.readline()
        else:
            await trio.to_thread.run_sync(sys.stdin.readline)
        await trio.sleep(0.3)
        found = await lag.check()
        print(found.status, found.facts.get("paused_seconds", 0) > 0.5, flush=True)
        nursery.cancel_scope.cancel()

trio.run(main)
"""


@pytest.mark.parametrize(("how", "said"), [("stopped", "ok True"), ("blocked", "degraded False")])
def test_stopped_or_blocked(how: str, said: str) -> None:
    """After a second of SIGSTOP the loop is called on time; after a second in a call that blocks it, it is not."""
    program = [sys.executable, "-c", PROGRAM, how]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        if how == "stopped":
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.2)
        if how == "stopped":
            process.send_signal(signal.SIGCONT)
        assert process.communicate("go\n", timeout=30)[0].strip() == said
