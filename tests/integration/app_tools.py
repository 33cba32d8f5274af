"""Whole apps in the test's own process: where one lives, a person who talks to it, and what it left behind."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import imageio_ffmpeg
import trio

from doradura.app import App
from doradura.metrics import BuildFacts
from doradura.sandbox.samples import make_samples
from doradura.settings import SANDBOX_TOKEN, Settings, read_settings

LOOK_SECONDS = 0.02
"""How often something in another task, thread or process is looked at while it is waited for."""
SETTLE_SECONDS = 5.0
"""What abandoned threads and killed processes have to be gone."""
MARK = "LC_DORADURA_TEST"
"""A variable that jobs inherit (locale variables are kept), by which all processes of one app are found."""
KEPT = {"lock", "doradura.db", "doradura.db-wal", "doradura.db-shm", "jobs", "sandbox"}
"""What a data directory may hold between two starts."""
KEPT_BY_SANDBOX = {"media", "files", "sandbox.sqlite3", "sandbox.sqlite3-wal", "sandbox.sqlite3-shm"}

ONE_BY_ONE = httpx.Limits(max_keepalive_connections=0)
"""A person keeps no connection between two acts: open ones are counted as the app's."""

Message = dict[str, Any]


def make_media(directory: Path) -> Path:
    """Make the sandbox's samples once, for all data directories of a test run, where a sandbox would have them."""
    media = directory / "sandbox" / "media"

    async def make() -> None:
        await make_samples(imageio_ffmpeg.get_ffmpeg_exe(), media)

    trio.run(make)
    return media


def free_port() -> int:
    """Give a port that was free a moment ago: a sandbox that comes back must be where its links point."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Home:
    """A data directory and the settings of the apps that live in it, one after the other."""

    directory: Path
    sandbox_port: int = 0
    telegram_url: str | None = None
    """A Telegram of its own, outside the app; None: the app runs its sandbox."""
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, directory: Path, media: Path, **more: Any) -> Home:
        """Make the directory with the sample media in it, so that no start has to encode them."""
        home = cls(directory, **more)
        if home.telegram_url is None:
            shutil.copytree(media, directory / "sandbox" / "media", copy_function=os.link)
        return home

    def environment(self) -> dict[str, str]:
        """Give the settings as the variables they are."""
        given = {
            "DORADURA_HTTP_BIND": "127.0.0.1:0",
            "DORADURA_SANDBOX_BIND": f"127.0.0.1:{self.sandbox_port}",
            "DORADURA_DATA_DIR": str(self.directory),
            **self.extra,
        }
        if self.telegram_url is not None:
            given["DORADURA_TELEGRAM_TOKEN"] = SANDBOX_TOKEN
            given["DORADURA_TELEGRAM_API_URL"] = self.telegram_url
            given["DORADURA_ADMIN_IDS"] = "1000"
            given["DORADURA_ALLOWED_PRIVATE"] = self.telegram_url.removeprefix("http://")
        return given

    def settings(self) -> Settings:
        """Read the settings as the command line does."""
        return read_settings(self.environment(), sandbox=self.telegram_url is None)

    def app(self) -> App:
        """Make an app, not started."""
        settings = self.settings()
        return App(
            settings,
            environment={**os.environ, MARK: self.mark},
            build=BuildFacts(version="1", python="3", yt_dlp="2", ffmpeg="7", mode=settings.mode),
            ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
        )

    async def live(
        self,
        meanwhile: Callable[[App, AtStep], Awaitable[None]],
        *,
        at: int | None = None,
        act: Callable[[App], None] | None = None,
    ) -> AtStep:
        """Run an app and what happens meanwhile, until either is over: then the other is cancelled.

        At the app's step `at` both are cancelled too, or `act` is called instead.
        """
        app = self.app()
        with trio.CancelScope() as scope:
            step = AtStep(scope.cancel if act is None else lambda: act(app))

            async def armed() -> None:
                step.arm(trio.lowlevel.current_task(), at)
                await app.run()
                scope.cancel()

            trio.lowlevel.add_instrument(step)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(armed)
                    await meanwhile(app, step)
                    scope.cancel()
            finally:
                trio.lowlevel.remove_instrument(step)
        return step

    @property
    def mark(self) -> str:
        """What marks the processes of this home's apps."""
        return str(self.directory)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Run an app until the end of the block, then let it drain."""
        async with trio.open_nursery() as nursery:
            app = self.app()
            with trio.fail_after(30):
                await nursery.start(app.run)
            try:
                yield app
            except BaseException:
                nursery.cancel_scope.cancel()
                raise
            app.stop()
            nursery.cancel_scope.deadline = trio.current_time() + 40
        assert not nursery.cancel_scope.cancelled_caught, "it did not leave"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database, on a connection of the test's own."""
        with closing(sqlite3.connect(f"file:{self.directory}/doradura.db?mode=ro", uri=True)) as db:
            return list(db.execute(sql))

    def temporary_files(self) -> list[str]:
        """Give what lies in the directory and should not between two starts."""
        found = [entry.name for entry in self.directory.iterdir() if entry.name not in KEPT]
        sandbox = self.directory / "sandbox"
        if sandbox.exists():
            found += [f"sandbox/{entry.name}" for entry in sandbox.iterdir() if entry.name not in KEPT_BY_SANDBOX]
            found += [f"sandbox/media/{entry.name}" for entry in (sandbox / "media").glob(".*")]
        return found


@dataclass
class Person:
    """Somebody in a sandbox's chat, and whoever asks the app over HTTP."""

    client: httpx.AsyncClient
    sandbox_url: str
    user_id: int = 2000

    def media(self, path: str) -> str:
        """Give the link of a sample."""
        return f"{self.sandbox_url}/media/{path}"

    async def say(self, text: str) -> Message:
        """Write to the bot."""
        return await self._post(f"chats/{self.user_id}/messages", {"from_id": self.user_id, "text": text})

    async def press(self, message: Message, data: str) -> None:
        """Press a button."""
        body = {"from_id": self.user_id, "message_id": message["message_id"], "data": data}
        await self._post(f"chats/{self.user_id}/press", body)

    async def fault(self, **fault: Any) -> None:
        """Let the Bot API fail."""
        await self._post("faults", fault)

    async def clear_faults(self) -> None:
        """Let the Bot API work again."""
        (await self.client.delete(f"{self.sandbox_url}/sandbox/faults")).raise_for_status()

    async def calls(self, method: str) -> list[dict[str, Any]]:
        """Give the calls of a Bot API method."""
        lines = (await self.client.get(f"{self.sandbox_url}/sandbox/requests")).text.splitlines()
        found = [httpx.Response(200, content=line).json() for line in lines]
        return [call for call in found if call["method"].lower() == method.lower()]

    async def messages(self, after: int = 0) -> list[Message]:
        """Give the chat's messages."""
        answer = await self.client.get(
            f"{self.sandbox_url}/sandbox/chats/{self.user_id}/messages", params={"after": after}
        )
        found: list[Message] = answer.json()["messages"]
        return found

    async def files(self) -> list[Message]:
        """Give the messages that hold a file of the bot's."""
        return [m for m in await self.messages() if {"audio", "video", "document"} & m.keys()]

    async def wait(self, wanted: Callable[[Message], Any], *, after: int = 0, seconds: float = 30) -> Message:
        """Wait for a message of the bot's; fails with what there is instead."""
        found: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                found = await self.messages(after)
                for message in found:
                    if message["from"]["is_bot"] and wanted(message):
                        return message
                await trio.sleep(LOOK_SECONDS)
        raise AssertionError(f"not seen in {seconds} s; there is {found}")

    async def _post(self, path: str, body: dict[str, Any]) -> Message:
        answer = await self.client.post(f"{self.sandbox_url}/sandbox/{path}", json=body)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        found: Message = answer.json()
        return found


@asynccontextmanager
async def telegram(media: Path) -> AsyncIterator[str]:
    """Run a Telegram that outlives apps, in a process of its own: what hangs in it is not counted as an app's."""
    directory = media.parent.parent
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "doradura", "sandbox"],
        env={**os.environ, "DORADURA_DATA_DIR": str(directory), "DORADURA_SANDBOX_BIND": "127.0.0.1:0"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        text = b""
        with trio.fail_after(30):
            while (found := re.search(rb"ready: (\S+)/\n", text)) is None:
                text += await process.stdout.receive_some()
        yield found[1].decode()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            await process.stdout.aclose()


@asynccontextmanager
async def person(sandbox_url: str | None, user_id: int = 2000) -> AsyncIterator[Person]:
    """Give a person in a sandbox, with an HTTP client that is closed at the end."""
    assert sandbox_url is not None
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=ONE_BY_ONE) as client:
        yield Person(client, sandbox_url, user_id)


async def until(true: Callable[[], Any], *, seconds: float = 30) -> None:
    """Wait until something in this process is so."""
    with trio.fail_after(seconds):
        while not true():  # noqa: ASYNC110 - threads and processes tell no trio event
            await trio.sleep(LOOK_SECONDS)


def sample(app: App, name: str, **labels: str) -> float:
    """Give a metric's sample of an app; 0 where it has none."""
    return app.metrics.registry.get_sample_value(f"doradura_{name}", labels) or 0.0


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
        "temporary": [name for home in homes for name in home.temporary_files()],
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
    """Give this process's children, zombies included."""
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
    """Give the command lines of processes that an app of this home started, however far down."""
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


class AtStep(trio.abc.Instrument):
    """Calls `act` right before the N-th step of any task inside an app's task, counting from `arm`."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._root: trio.lowlevel.Task | None = None
        self._at: int | None = None
        self.steps = 0
        self.task = ""
        """The task whose step it was."""

    def arm(self, root: trio.lowlevel.Task, at: int | None) -> None:
        """Count from now on what runs inside `root`; act at step `at`, None: only count."""
        self._root, self._at, self.steps = root, at, 0

    def act_after(self, steps: int) -> None:
        """Act so many steps from now."""
        self._at = self.steps + steps

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and act when it is time."""
        if self._root is None or not self._inside(task):
            return
        self.steps += 1
        if self.steps == self._at:
            self.task = task.name
            self._act()

    def _inside(self, task: trio.lowlevel.Task) -> bool:
        at: trio.lowlevel.Task | None = task
        while at is not None and at is not self._root:
            at = None if at.parent_nursery is None else at.parent_nursery.parent_task
        return at is not None


class Disk:
    """What databases are on: once `full`, whatever they are asked fails."""

    def __init__(self) -> None:
        self.full = False

    def sqlite3(self) -> SimpleNamespace:
        """Give a module to put in the place of sqlite3."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                if disk.full:
                    error = sqlite3.OperationalError("database or disk is full")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise error
                return super().execute(*arguments)

        return SimpleNamespace(**{**vars(sqlite3), "connect": partial(sqlite3.connect, factory=Connection)})


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, trio.Event]]:
    """Take connections and say nothing; give the address, and what tells that a request came."""
    asked = trio.Event()

    async def silence(stream: trio.SocketStream) -> None:
        async with stream:
            while await stream.receive_some():
                asked.set()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, silence, 0)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", asked
        nursery.cancel_scope.cancel()
