"""Runs programs: starts the stack's, shows their logs together, and ends all of them whatever happens.

Each program is a child in a session of its own, so that a terminal's Ctrl-C reaches only this process. If one ends by
itself, all end: ProgramEndedError. Cancelling `run` asks every program to stop, waits, and kills what is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import trio

from stack.facts import StackError
from stack.logfile import LogFile
from stack.programs import Place, Program
from stack.record import Record

READY_SECONDS = 60.0
LOOK_SECONDS = 0.1
LINE_BYTES = 65_536
LAST_WORDS_SECONDS = 1.0
"""How long the rest of a program's output may take; a grandchild that holds the pipe open must not delay us."""


class ProgramEndedError(StackError):
    """A program ended without being asked to."""


class NotReadyError(StackError):
    """A program runs but does not answer."""


async def run(
    programs: Sequence[Program],
    ready: Iterable[Place],
    *,
    logs: Path,
    record: Record,
    environment: Mapping[str, str],
    show: Callable[[str], object],
    ready_seconds: float = READY_SECONDS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the programs until cancelled; `started()` once every place answers.

    Raises ProgramEndedError, NotReadyError, OSError, all inside an exception group.
    """
    width = max(len(program.name) for program in programs)
    async with trio.open_nursery() as nursery:
        for program in programs:
            prefix = f"{program.name:{width}} | "
            path = logs / f"{program.name}.log"
            await nursery.start(_logged, program, environment, record, partial(_Output, path, prefix, show))
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            for place in ready:
                await _until_ready(client, place, ready_seconds)
        task_status.started()


async def _until_ready(client: httpx.AsyncClient, place: Place, seconds: float) -> None:
    with trio.move_on_after(seconds):
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(place.ready_url)).status_code == httpx.codes.OK:
                    return
            await trio.sleep(LOOK_SECONDS)
    raise NotReadyError(f"{place.name} does not answer at {place.ready_url} after {seconds:.0f} s; see its log")


class _Output:
    """The destination of one program's lines: its log and, with the program's name before them, the terminal."""

    def __init__(self, path: Path, prefix: str, show: Callable[[str], object]) -> None:
        self.log = LogFile(path)
        self._prefix = prefix
        self._show = show

    def take(self, line: bytes) -> None:
        self.log.write(line)
        self._show(self._prefix + line.decode("utf-8", "replace"))


async def _logged(
    program: Program,
    environment: Mapping[str, str],
    record: Record,
    open_output: Callable[[], _Output],
    task_status: trio.TaskStatus[None],
) -> None:
    output = open_output()
    try:
        await _keep(program, environment, record, output, task_status)
    finally:
        output.log.close()


async def _keep(
    program: Program,
    environment: Mapping[str, str],
    record: Record,
    output: _Output,
    task_status: trio.TaskStatus[None],
) -> None:
    """Run one program; at the end, end it and everything it started."""
    process = await trio.lowlevel.open_process(
        list(program.command),
        env={**environment, **program.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    pump = partial(_pump, process.stdout, output)
    try:
        record.add(program.name, process.pid)
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump)
            code = await process.wait()
            nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_SECONDS
        raise ProgramEndedError(f"{program.name} stopped unexpectedly, {_how(code)}; its log is {output.log.path}")
    finally:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump)  # a program that writes while exiting must not find a full pipe
                await _end(process, program.term_seconds)
                nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_SECONDS
            await process.stdout.aclose()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


async def _end(process: trio.Process, term_seconds: float) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with trio.move_on_after(term_seconds):
            await process.wait()
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _pump(stream: trio.abc.ReceiveStream, output: _Output) -> None:
    """Pass on what a program writes, line by line, until it closes its end."""
    rest = b""
    try:
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            async for piece in stream:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    output.take(line)
                if len(rest) > LINE_BYTES:
                    output.take(rest)
                    rest = b""
    finally:
        if rest:
            output.take(rest)
