"""The gate's process beside the bot's: it ends when the bot does, by whatever death."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from doradura.media import processes
from tests.integration.wall.users import NOBODY, becoming, interpreter_of

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


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has /proc")
def test_its_memory_is_closed() -> None:
    """It contains every job's token, so another process of its user can't read it. Root's own could not tell."""
    user = os.getuid() or NOBODY
    command, environment = interpreter_of(user)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        descriptors = (listener.fileno(), theirs.fileno())
        arguments = ("-m", "doradura.gate", f"--listen={descriptors[0]}", f"--control={descriptors[1]}")
        with subprocess.Popen(
            [*command, *arguments], pass_fds=descriptors, env=environment, cwd="/", **becoming(user)
        ) as gate:
            try:
                ours.settimeout(60)
                ours.sendall(b'{"op": "ping"}\n')
                assert ours.recv(100) == b'{"op": "pong"}\n'
                process = Path(f"/proc/{gate.pid}")
                assert f"Uid:\t{user}" in (process / "status").read_text()
                assert (process / "mem").stat().st_uid == 0, "an undumpable process's files are root's (proc(5))"
            finally:
                gate.kill()
