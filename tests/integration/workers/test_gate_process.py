"""The gate's process beside the bot's: it ends when the bot does, by whatever death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import trio

from doradura.media import processes

BOT = """
import os, signal, trio
from doradura.workers.gate import Gate

async def main():
    gate = Gate(environment=os.environ)
    async with trio.open_nursery() as nursery:
        await nursery.start(gate.run)
        print(gate.pid, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_a_bot_that_is_killed_leaves_no_gate(gone: Callable[[int], Awaitable[None]]) -> None:
    """Its end of the control socket is the gate's end; signals of a terminal or a service manager are not."""
    bot = await trio.lowlevel.open_process([sys.executable, "-c", BOT], stdout=subprocess.PIPE)
    try:
        assert bot.stdout is not None
        with trio.fail_after(60):
            pid = int(await bot.stdout.receive_some(100))
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
            process = processes.read_process(pid)
            assert process is not None
            assert process.alive
            bot.kill()
            await gone(pid)
    finally:
        bot.kill()
        with trio.CancelScope(shield=True):
            await bot.wait()
            assert bot.stdout is not None
            await bot.stdout.aclose()
