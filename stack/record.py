"""What runs, on disk: DATA_DIR/stack/running.json, so that a later command ends what a killed runner left.

A process is known by pid and start time together: a pid alone is soon somebody else's. Nothing here is touched unless
both are as recorded.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "running.json"
TERM_SECONDS = 20.0
"""Prometheus writes what it holds in memory before it leaves."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the stack's; it leads a session of its own."""

    name: str
    pid: int
    start: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return start_of(self.pid) == self.start


def start_of(pid: int) -> str | None:
    """When a process started, in whatever unit the kernel counts; None when there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class Record:
    """The file. Written whole at every change; whoever holds the stack's lock writes it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._said: dict[str, Any] = {"mode": None, "urls": {}, "children": []}

    def begin(self, *, mode: str, urls: dict[str, str]) -> None:
        """Say how the stack runs, before its first process is started."""
        self._said = {"mode": mode, "urls": urls, "children": []}
        self._write()

    def add(self, name: str, pid: int) -> None:
        """Say that a process was started."""
        start = start_of(pid)
        if start is not None:
            self._said["children"].append(asdict(Child(name, pid, start)))
            self._write()

    def clear(self) -> None:
        """Say that nothing runs."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        made = self._path.with_suffix(".new")
        made.write_text(json.dumps(self._said), encoding="utf-8")
        made.replace(self._path)

    def read(self) -> dict[str, Any]:
        """Return what the file says; nothing when there is none or it is torn."""
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
            said["children"] = [Child(**child) for child in said["children"]]
        except (OSError, ValueError, LookupError, TypeError):
            return {"mode": None, "urls": {}, "children": []}
        return dict(said)

    def children(self) -> list[Child]:
        """Return the recorded processes that still run."""
        return [child for child in self.read()["children"] if child.alive]


def end(children: Iterable[Child], *, seconds: float = TERM_SECONDS) -> None:
    """End processes that are not our children: ask, wait, then kill with all they started. Blocks."""
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
