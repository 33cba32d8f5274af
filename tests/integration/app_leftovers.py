"""What a whole app could leave in this process, on the machine or on disk, and a block that fails when it did."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.integration.app_tools import LOOK_SECONDS, MARK, Home

SETTLE_SECONDS = 30.0
"""What abandoned threads and killed processes have to be gone."""
KEPT = {"lock", "doradura.db", "doradura.db-wal", "doradura.db-shm", "jobs", "mode", "sandbox", "webhook.token"}
"""What a data directory may hold between two starts."""
KEPT_BY_SANDBOX = {"media", "files", "sandbox.sqlite3", "sandbox.sqlite3-wal", "sandbox.sqlite3-shm"}


@dataclass(frozen=True)
class Surroundings:
    """What of this process an app could leave changed."""

    tasks: int
    threads: frozenset[int]
    children: frozenset[int]
    files: frozenset[str]
    handlers: dict[str, tuple[object, ...]]

    @classmethod
    def now(cls) -> Surroundings:
        """Look."""
        loggers = [logging.root, *(each for each in logging.root.manager.loggerDict.values())]
        return cls(
            tasks=trio.lowlevel.current_statistics().tasks_living,
            threads=frozenset(t.ident or 0 for t in threading.enumerate() if not t.name.startswith("Trio thread ")),
            children=frozenset(_children()),
            files=frozenset(_open_files()),
            handlers={
                each.name: tuple(each.handlers)
                for each in loggers
                if isinstance(each, logging.Logger) and each.handlers
            },
        )


@asynccontextmanager
async def nothing_left(*homes: Home) -> AsyncIterator[None]:
    """Fail when what runs inside leaves a task, thread, process, file, socket, temporary file or log handler.

    Threads that were left to themselves, killed processes and the other ends of connections have a moment to go.
    """
    before = Surroundings.now()
    yield
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := _left(before, homes)) and time.monotonic() < deadline:  # noqa: ASYNC110 - threads and processes
        await trio.sleep(LOOK_SECONDS)
    assert not left, f"left: {left}"


def _left(before: Surroundings, homes: tuple[Home, ...]) -> dict[str, Any]:
    now = Surroundings.now()
    found = {
        "tasks": now.tasks - before.tasks,
        "threads": [t.name for t in threading.enumerate() if t.ident in now.threads - before.threads],
        "children": sorted(now.children - before.children),
        "files": sorted(now.files - before.files),
        "handlers": {} if now.handlers == before.handlers else now.handlers,
        "processes": [line for home in homes for line in processes_of(home)],
        "temporary": [name for home in homes for name in _temporary_files(home)],
    }
    return {kind: what for kind, what in found.items() if what}


def _open_files() -> list[str]:
    """Name every descriptor with what it is: a number that was used again for something else is seen too."""
    found = []
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            found.append(f"{entry.name} {entry.readlink()}")
        except OSError:
            continue
    return [name for name in found if not name.endswith(f"/proc/{os.getpid()}/fd")]


def _children() -> list[int]:
    """Return this process's children, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                rest = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(rest[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def processes_of(home: Home) -> list[str]:
    """Return the command lines of processes that an app of this home started, however far down."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{MARK}={home.mark}\0".encode() in environment + b"\0" or os.fsencode(home.directory) in command:
                found.append(f"{entry.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def _temporary_files(home: Home) -> list[str]:
    """Return what lies in the directory and should not between two starts."""
    found = [entry.name for entry in home.directory.iterdir() if entry.name not in KEPT]
    sandbox = home.directory / "sandbox"
    if sandbox.exists():
        found += [f"sandbox/{entry.name}" for entry in sandbox.iterdir() if entry.name not in KEPT_BY_SANDBOX]
        found += [f"sandbox/media/{entry.name}" for entry in (sandbox / "media").glob(".*")]
    return found
