"""The record of what is running: DATA_DIR/stack/running.json, so that a later command ends what a killed runner left.

A process is identified by pid and start time together: a pid alone may soon be another process's. Nothing is touched
unless both match the record.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

FILE = "running.json"
TERM_SECONDS = 20.0
"""How long a program has to exit: Prometheus writes what it holds in memory before it exits."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the stack; it leads a session of its own."""

    name: str
    pid: Annotated[int, msgspec.Meta(gt=1)]  # killpg 0 would signal the caller's own group
    start: str

    @property
    def alive(self) -> bool:
        """Whether exactly that process is still running."""
        return start_of(self.pid) == self.start


def start_of(pid: int) -> str | None:
    """Return when a process started, in the kernel's unit; None if there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


@dataclass(slots=True)
class Said:
    """The content of the file."""

    mode: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)


class Record:
    """The file. It is written whole at every change, by whoever holds the stack's lock."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._said = Said()

    def begin(self, *, mode: str, urls: dict[str, str]) -> None:
        """Record how the stack runs, before its first process is started."""
        self._said = Said(mode, urls)
        self._write()

    def add(self, name: str, pid: int) -> None:
        """Record that a process was started."""
        start = start_of(pid)
        if start is not None:
            self._said.children.append(Child(name, pid, start))
            self._write()

    def clear(self) -> None:
        """Record that nothing is running."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        made = self._path.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(self._said))
        made.replace(self._path)

    def read(self) -> Said:
        """Return the file's content; nothing if it is missing, torn or of another form."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Said)
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
            return Said()

    def children(self) -> list[Child]:
        """Return the recorded processes that still run."""
        return [child for child in self.read().children if child.alive]


def end(children: Iterable[Child], *, seconds: float = TERM_SECONDS) -> None:
    """End processes that are not our children: ask, wait, then kill them with all that they started. Blocks."""
    left = [child for child in children if child.alive]
    _signal(left, signal.SIGTERM)
    until = time.monotonic() + seconds
    while left and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        left = [child for child in left if child.alive]
    _signal(left, signal.SIGKILL)


def _signal(children: Iterable[Child], number: int) -> None:
    for child in children:
        if child.alive:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
