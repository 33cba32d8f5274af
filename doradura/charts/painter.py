"""The bot's side of a drawing: starts the child, sends it the values, reads the picture, and always ends the child."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import util
from pathlib import Path

import msgspec
import trio

from doradura.charts.chart import Chart

DRAW_SECONDS = 20.0
"""A drawing takes one second; the first one on a machine (matplotlib lists its fonts) up to ten."""
PICTURE_BYTES = 5 * 1024**2
"""The largest picture; Telegram accepts photos up to 10 MB."""
SAID_BYTES = 2000
PNG = b"\x89PNG\r\n\x1a\n"

COMMAND = (sys.executable, "-m", "doradura.charts")
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""The part of the environment that the child sees; the rest contains the bot's secrets."""

log = logging.getLogger(__name__)


class ChartError(Exception):
    """There is no picture; the text says why, for the log."""


class Charts:
    """Draws one picture at a time."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        command: Sequence[str] = COMMAND,
        draw_seconds: float = DRAW_SECONDS,
    ) -> None:
        """Take the directory where matplotlib may keep its list of fonts, and the bot's own environment."""
        self._directory = directory
        self._command = tuple(command)
        self._draw_seconds = draw_seconds
        self._environment = {name: environment[name] for name in _KEPT if name in environment}
        self._one = trio.CapacityLimiter(1)

    @property
    def available(self) -> bool:
        """Return whether the extra `charts` is installed, without importing it."""
        return util.find_spec("matplotlib") is not None

    async def draw(self, chart: Chart) -> bytes:
        """Return the picture as PNG. Raises ChartError. When cancelled, it kills the child before it returns."""
        if not self.available:
            raise ChartError("matplotlib is not installed: the extra `charts` is missing")
        async with self._one:
            try:
                await trio.Path(self._directory).mkdir(mode=0o700, parents=True, exist_ok=True)
                with trio.fail_after(self._draw_seconds):
                    return await self._draw(chart)
            except trio.TooSlowError:
                raise ChartError(f"no picture within {self._draw_seconds:g} s") from None
            except OSError as error:
                raise ChartError(f"the drawing can't be started: {error}") from error

    async def _draw(self, chart: Chart) -> bytes:
        process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**self._environment, "MPLCONFIGDIR": str(self._directory), "MPLBACKEND": "agg"},
        )
        picture, said = bytearray(), bytearray()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_feed, process, msgspec.json.encode(chart))
                nursery.start_soon(_collect, process.stderr, said, SAID_BYTES)
                await _collect(process.stdout, picture, PICTURE_BYTES)
            code = await process.wait()
        finally:
            await _end(process)
        if code != 0:
            last = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise ChartError(f"the drawing ended with {code}: {last}")
        if not picture.startswith(PNG) or len(picture) >= PICTURE_BYTES:
            raise ChartError(f"the drawing gave {len(picture)} bytes that are no picture")
        return bytes(picture)


async def _feed(process: trio.Process, figures: bytes) -> None:
    """Write the values; a child that ended already says why by its exit code."""
    assert process.stdin is not None
    async with process.stdin:
        with contextlib.suppress(trio.BrokenResourceError):
            await process.stdin.send_all(figures)


async def _collect(stream: trio.abc.ReceiveStream | None, into: bytearray, limit: int) -> None:
    """Read to the end, because a full pipe would block the child; keep at most this many bytes."""
    assert stream is not None
    async with stream:
        async for piece in stream:
            into += piece[: limit - len(into)]


async def _end(process: trio.Process) -> None:
    """Kill the child's session, whatever it was doing, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with trio.CancelScope(shield=True):
        await process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                await pipe.aclose()
