"""Whole apps in the test's own process: where one lives, a person who talks to it, and what it left behind."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
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
from doradura.sandbox.media.samples import make_samples
from doradura.settings import SANDBOX_TOKEN, Settings, read_settings

LOOK_SECONDS = 0.02
"""How often something in another task, thread or process is looked at while it is waited for."""
MARK = "LC_DORADURA_TEST"
"""A variable that jobs inherit (locale variables are kept), by which all processes of one app are found."""

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


@dataclass
class Home:
    """A data directory and the settings of the apps that live in it, one after the other."""

    directory: Path
    telegram_url: str | None = None
    """A Telegram of its own, outside the app; None: the app runs its sandbox."""
    extra: dict[str, str] = field(default_factory=dict)
    token: str = SANDBOX_TOKEN
    """Of the bot; another one only beside a Telegram of its own."""

    @classmethod
    def make(cls, directory: Path, media: Path, **more: Any) -> Home:
        """Make the directory with the sample media in it, so that no start has to encode them."""
        home = cls(directory, **more)
        if home.telegram_url is None:
            shutil.copytree(media, directory / "sandbox" / "media", copy_function=os.link)
        return home

    def environment(self) -> dict[str, str]:
        """Return the settings as the variables they are."""
        given = {
            "DORADURA_HTTP_BIND": "127.0.0.1:0",
            "DORADURA_SANDBOX_BIND": "127.0.0.1:0",
            "DORADURA_DATA_DIR": str(self.directory),
            **self.extra,
        }
        if self.telegram_url is not None:
            given["DORADURA_TELEGRAM_TOKEN"] = self.token
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


@dataclass
class Person:
    """Somebody in a sandbox's chat, and whoever asks the app over HTTP."""

    client: httpx.AsyncClient
    sandbox_url: str
    user_id: int = 2000
    token: str | None = None
    """Of the bot they talk to; None: the first that called."""

    def media(self, path: str) -> str:
        """Return the link of a sample."""
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
        """Return the calls of a Bot API method."""
        lines = (await self.client.get(f"{self.sandbox_url}/sandbox/requests")).text.splitlines()
        found = [httpx.Response(200, content=line).json() for line in lines]
        return [call for call in found if call["method"].lower() == method.lower()]

    async def messages(self, after: int = 0) -> list[Message]:
        """Return the chat's messages."""
        answer = await self.client.get(
            f"{self.sandbox_url}/sandbox/chats/{self.user_id}/messages", params={"after": after, **self._bot()}
        )
        found: list[Message] = answer.json()["messages"]
        return found

    async def files(self) -> list[Message]:
        """Return the messages that hold a file of the bot's."""
        return [m for m in await self.messages() if {"audio", "video", "document"} & m.keys()]

    async def wait(self, wanted: Callable[[Message], Any], *, after: int = 0, seconds: float = 90) -> Message:
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

    def _bot(self) -> dict[str, str]:
        return {} if self.token is None else {"token": self.token}

    async def _post(self, path: str, body: dict[str, Any]) -> Message:
        answer = await self.client.post(f"{self.sandbox_url}/sandbox/{path}", json=body, params=self._bot())
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
    """Return a person in a sandbox, with an HTTP client that is closed at the end."""
    assert sandbox_url is not None
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=ONE_BY_ONE) as client:
        yield Person(client, sandbox_url, user_id)


async def until(true: Callable[[], Any], *, seconds: float = 90) -> None:
    """Wait until something in this process is so."""
    with trio.fail_after(seconds):
        while not true():  # noqa: ASYNC110 - threads and processes tell no trio event
            await trio.sleep(LOOK_SECONDS)


def sample(app: App, name: str, **labels: str) -> float:
    """Return a metric's sample of an app; 0 where it has none."""
    return app.metrics.registry.get_sample_value(f"doradura_{name}", labels) or 0.0


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
        """Return a module to put in the place of sqlite3."""
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
