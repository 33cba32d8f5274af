"""The commands `down` and `logs` of `python -m stack`, for another terminal or after a kill.

Each returns an exit code.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from doradura.settings import Settings
from stack import engine
from stack.files import stack_directory
from stack.record import Record, end, start_of
from stack.runner import DOWN_SECONDS, EXIT_FAILED, EXIT_OK

LOOK_SECONDS = 0.05

Tell = Callable[[str], object]


def down(settings: Settings, *, environ: Mapping[str, str], tell: Tell) -> int:
    """Stop a stack that runs elsewhere, or what a killed one left; 0 even if there is nothing to stop."""
    directory = stack_directory(settings)
    record = Record(directory)
    if not directory.is_dir():
        tell("The stack is not running.")
        return EXIT_OK
    holder = _holder(directory)
    said = record.read()
    if holder is not None:
        with suppress(ProcessLookupError):
            os.kill(holder, signal.SIGTERM)
        until = time.monotonic() + DOWN_SECONDS
        while _holder(directory) is not None and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        if _holder(directory) is not None:
            tell(f"The stack's runner, process {holder}, does not exit.")
            return EXIT_FAILED
    left = record.children()
    end(left)
    if said.mode == "containers":
        engine.down(settings, environ)
    record.clear()
    tell("The stack is stopped." if holder is not None or left else "The stack is not running.")
    return EXIT_OK


def _holder(directory: Path) -> int | None:
    """Return the pid of the runner that holds the lock; None if there is none."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() and start_of(int(text)) is not None else None
    else:
        return None
    finally:
        os.close(descriptor)


def logs(settings: Settings, name: str | None, *, follow: bool, environ: Mapping[str, str], tell: Tell) -> int:
    """Show a program's log."""
    directory = stack_directory(settings)
    answering = engine.find() if Record(directory).read().mode == "containers" else None
    if answering is not None:
        more = [*(["--follow"] if follow else []), *([name] if name else [])]
        command = answering.compose("logs", *more, with_bot=True)
        return subprocess.run(command, env=answering.environment(settings, environ), check=False).returncode  # noqa: S603
    kept = sorted(path.stem for path in (directory / "logs").glob("*.log"))
    if name not in kept:
        tell(f"There are logs of: {', '.join(kept) or 'nothing yet'}.")
        return EXIT_OK if name is None else EXIT_FAILED
    path = directory / "logs" / f"{name}.log"
    if follow:
        tail = shutil.which("tail") or "tail"
        return subprocess.run([tail, "-n", "200", "-F", str(path)], check=False).returncode  # noqa: S603
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        tell(line)
    return EXIT_OK
