"""What is measured with: the sandbox and the bot as processes of their own, a person who writes, and /proc.

Owns the started processes. Every one ends with its context.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import trio

from tests.e2e.program import ROOT, environment

START_SECONDS = 60.0
STOP_SECONDS = 40.0
TOKEN = "700001:BENCHAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
MEBIBYTE = 1 << 20

Event = dict[str, Any]


class RigError(Exception):
    """Something that is measured did not start, or did not do what it is measured at."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process that said it is ready."""

    process: trio.Process
    said: str
    """The first group of its greeting."""
    log: Path

    @property
    def pid(self) -> int:
        """Its process id; for the bot the main process, whatever children it has."""
        return self.process.pid


@asynccontextmanager
async def started(
    arguments: Sequence[str], greeting: str, *, log: Path, variables: Mapping[str, str]
) -> AsyncIterator[Started]:
    """Start `python ARGUMENTS`, wait until standard output matches `greeting`, and end it with the context."""
    with log.open("ab") as log_file:
        process = await trio.lowlevel.open_process(
            [sys.executable, *arguments],
            env=dict(variables),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,  # Linux may share CPU time out by session: each one is to have its own
        )
    try:
        assert process.stdout is not None
        said = await _greeting(process.stdout, greeting)
        if said is None:
            raise RigError(f"{' '.join(arguments)} did not start; its log says:\n{_tail(log)}")
        yield Started(process, said, log)
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _greeting(stdout: trio.abc.ReceiveStream, greeting: str) -> str | None:
    text = b""
    with trio.move_on_after(START_SECONDS):
        async for piece in stdout:
            text += piece
            found = re.search(greeting, text.decode(errors="replace"))
            if found:
                return found[1]
    return None


async def _end(process: trio.Process) -> None:
    if process.poll() is None:
        process.terminate()
        with trio.move_on_after(STOP_SECONDS):
            await process.wait()
    if process.poll() is None:
        process.kill()
    await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def variables(data_dir: Path, **extra: str) -> dict[str, str]:
    """Return the environment of what is measured: production's log level, and no proxy between us."""
    chosen = environment(data_dir, {"DORADURA_LOG_LEVEL": "info", **extra})
    return {name: value for name, value in chosen.items() if not name.lower().endswith("_proxy")}


@asynccontextmanager
async def sandbox(directory: Path) -> AsyncIterator[str]:
    """Start the sandbox alone; give its address."""
    async with started(
        ["-m", "doradura", "sandbox"],
        r"sandbox is ready: (\S+?)/\s",
        log=directory / "sandbox.log",
        variables=variables(directory / "sandbox"),
    ) as running:
        yield running.said


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that is measured, and the person who writes to it."""

    pid: int
    http_url: str
    person: Person
    log: Path


@asynccontextmanager
async def bot(directory: Path, sandbox_url: str, **extra: str) -> AsyncIterator[Bot]:
    """Start the bot against a sandbox, as it is started for Telegram: no `--sandbox`, a token, an address."""
    async with (
        started(
            ["-m", "doradura", "run"],
            r"Numbers: (\S+)/metrics",
            log=directory / "bot.log",
            variables=variables(
                directory / "data",
                DORADURA_TELEGRAM_TOKEN=TOKEN,
                DORADURA_TELEGRAM_API_URL=sandbox_url,
                DORADURA_ADMIN_IDS="1000",
                **{"DORADURA_ALLOWED_PRIVATE": urlsplit(sandbox_url).netloc, **extra},
            ),
        ) as running,
        open_person(sandbox_url, TOKEN) as person,
    ):
        yield Bot(running.pid, running.said, person, running.log)


class Person:
    """Writes to one of the sandbox's bots and sees what it answers."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self._token = {"token": token}

    async def say(self, user_id: int, text: str) -> int:
        """Write; give the message's id."""
        answer = await self._client.post(
            f"/sandbox/chats/{user_id}/messages", params=self._token, json={"from_id": user_id, "text": text}
        )
        if answer.status_code != 200:
            raise RigError(f"the sandbox answers {answer.status_code}: {answer.text}")
        return int(answer.json()["message_id"])

    async def press(self, user_id: int, message_id: int, data: str) -> None:
        """Press a button of a message in one's own chat."""
        answer = await self._client.post(
            f"/sandbox/chats/{user_id}/press",
            params=self._token,
            json={"from_id": user_id, "message_id": message_id, "data": data},
        )
        if answer.status_code != 200:
            raise RigError(f"the sandbox answers {answer.status_code}: {answer.text}")

    async def messages(self, user_id: int, *, after: int) -> list[Event]:
        """Return a chat's messages above a message id."""
        answer = await self._client.get(
            f"/sandbox/chats/{user_id}/messages", params={**self._token, "after": str(after)}
        )
        found: list[Event] = answer.json()["messages"]
        return found

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[Event]]:
        """Return the messages of all chats as they come, from now on."""
        async with (
            self._client.stream("GET", "/sandbox/events", params=self._token, timeout=None) as answer,
            aclosing(_messages(answer)) as messages,
        ):
            await anext(messages)
            yield messages


async def _messages(answer: httpx.Response) -> AsyncGenerator[Event]:
    """Return an empty event when the sandbox listens, then each new message."""
    name = ""
    async with aclosing(answer.aiter_lines()) as lines:  # type: ignore[type-var]  # a generator, typed as an iterator
        async for line in lines:
            field, _, value = line.partition(": ")
            if field == "retry":
                yield {}
            elif field == "event":
                name = value
            elif field == "data" and name == "message":
                yield httpx.Response(200, text=value).json()["message"]


@asynccontextmanager
async def open_person(sandbox_url: str, token: str) -> AsyncIterator[Person]:
    """Return a person who writes to the bot of a token."""
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False, timeout=60) as client:
        yield Person(client, token)


async def next_file(messages: AsyncIterator[Event], chat_id: int, *, seconds: float = 120.0) -> Event:
    """Wait for the next audio or video of a chat. Raises RigError when the bot says that it failed."""
    with trio.fail_after(seconds):
        async for message in messages:
            if message["chat"]["id"] == chat_id and ("audio" in message or "video" in message):
                return message
    raise RigError("the sandbox stopped telling what happens")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time a process has used, all its threads and none of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> tuple[int, int]:
    """Return the memory a process holds, and the most it held since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    now, peak = (re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE) for name in ("VmRSS", "VmHWM"))
    assert now is not None
    assert peak is not None
    return int(now[1]) * 1024, int(peak[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let the kernel count a process's peak anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def samples_of(scrape: str) -> dict[str, float]:
    """Read a scrape's text: sample -> value."""
    lines = (line for line in scrape.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
