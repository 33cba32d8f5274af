"""The real program, started as a user does, and a person in its sandbox's chat."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import trio

from tests.botapi.check import check_call
from tests.botapi.sense import check_files

ROOT = Path(__file__).parent.parent.parent
MEDIA_CACHE = ROOT / ".pytest_cache" / "sandbox-media"
CHECKED = ROOT / ".pytest_cache" / "calls-checked"
"""How many calls were judged, a line a program; for whoever wants to know."""
START_SECONDS = 60.0
LOOK_SECONDS = 0.05
"""How often a chat is looked at while something is waited for: the one place where the e2e tests poll."""

Message = dict[str, Any]


async def until(true: Callable[[], Awaitable[object]], *, seconds: float) -> None:
    """Wait until something asked for again and again is so."""
    with trio.fail_after(seconds):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in another process
            await trio.sleep(LOOK_SECONDS)


@dataclass
class Program:
    """A running `python -m doradura run --sandbox`."""

    process: trio.Process
    data_dir: Path
    http_url: str
    sandbox_url: str
    client: httpx.AsyncClient
    log_path: Path
    extra: dict[str, str] = field(default_factory=dict)
    is_alone: bool = True
    """Whether nobody but the bot calls the Bot API: only then has it to answer for every call of the record."""

    def media(self, path: str) -> str:
        """Return the link of a sample."""
        return f"{self.sandbox_url}/media/{path}"

    async def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """Call the sandbox's human side; fails on an error answer."""
        answer = await self.client.request(method, f"{self.sandbox_url}{path}", **arguments)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def say(self, user_id: int, text: str) -> Message:
        """Let a person write to the bot."""
        message: Message = await self.ask(
            "POST", f"/sandbox/chats/{user_id}/messages", json={"from_id": user_id, "text": text}
        )
        return message

    async def messages(self, chat_id: int, after: int = 0) -> list[Message]:
        """Return a chat's messages."""
        found = await self.ask("GET", f"/sandbox/chats/{chat_id}/messages", params={"after": after})
        messages: list[Message] = found["messages"]
        return messages

    async def wait(
        self, chat_id: int, wanted: Callable[[Message], Any], *, after: int = 0, seconds: float = 60.0
    ) -> Message:
        """Wait for a message of the bot's that is wanted; fails with what there is instead."""
        found: list[Message] = []
        with trio.move_on_after(seconds):
            while True:
                found = await self.messages(chat_id, after)
                for message in found:
                    if message["from"]["is_bot"] and wanted(message):
                        return message
                await trio.sleep(LOOK_SECONDS)
        raise AssertionError(f"not seen in {seconds} s; there is {found}")

    async def press(self, user_id: int, message: Message, label: str) -> dict[str, Any]:
        """Press the button whose text begins so; give the bot's answer."""
        rows = message["reply_markup"]["inline_keyboard"]
        data = next(button["callback_data"] for row in rows for button in row if button["text"].startswith(label))
        pressed = await self.ask(
            "POST",
            f"/sandbox/chats/{message['chat']['id']}/press",
            json={"from_id": user_id, "message_id": message["message_id"], "data": data},
        )
        with trio.fail_after(60):
            while True:
                answer: dict[str, Any] = await self.ask("GET", f"/sandbox/callbacks/{pressed['callback_query_id']}")
                if answer["answered"]:
                    return answer
                await trio.sleep(LOOK_SECONDS)

    async def fault(self, **fault: Any) -> None:
        """Let the Bot API fail."""
        await self.ask("POST", "/sandbox/faults", json=fault)

    async def clear_faults(self) -> None:
        """Let the Bot API work again."""
        await self.ask("DELETE", "/sandbox/faults")

    async def requests(self, method: str | None = None) -> list[dict[str, Any]]:
        """Return the Bot API calls made so far."""
        import json  # noqa: PLC0415

        answer = await self.client.get(f"{self.sandbox_url}/sandbox/requests")
        found = [json.loads(line) for line in answer.text.split("\n") if line]
        return [call for call in found if method is None or call["method"].lower() == method.lower()]

    async def fetch(self, file: Mapping[str, Any], target: Path) -> Path:
        """Take a file object's bytes, as a person who plays or saves it does."""
        answer = await self.client.get(f"{self.sandbox_url}{file['file_url']}")
        assert answer.status_code == 200
        await trio.to_thread.run_sync(target.write_bytes, answer.content)
        return target

    async def metrics(self) -> dict[str, float]:
        """Scrape; give sample -> value."""
        answer = await self.client.get(f"{self.http_url}/metrics")
        assert answer.status_code == 200
        lines = (line for line in answer.text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def wait_for_success(self, fmt: str, quality: str, *, seconds: float = 30.0) -> None:
        """Wait until a delivery is counted (a moment after the file is there)."""
        name = f'doradura_download_success_total{{format="{fmt}",quality="{quality}"}}'

        async def counted() -> float:
            return (await self.metrics())[name]

        await until(counted, seconds=seconds)

    async def health(self) -> dict[str, Any]:
        """Ask /health."""
        report: dict[str, Any] = (await self.client.get(f"{self.http_url}/health")).json()
        return report

    async def kill(self) -> None:
        """Kill it, as kill -9 does."""
        self.process.kill()
        await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM, *, seconds: float = 40.0) -> int:
        """Ask it to stop; give the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(seconds):
            return await self.process.wait()

    def log(self) -> str:
        """Return what was logged so far."""
        return self.log_path.read_text(encoding="utf-8")


def environment(data_dir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a started program: this one's, less our settings, with free ports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DORADURA_")}
    return {
        **kept,
        "DORADURA_DATA_DIR": str(data_dir),
        "DORADURA_HTTP_BIND": "127.0.0.1:0",
        "DORADURA_SANDBOX_BIND": "127.0.0.1:0",
        "DORADURA_LOG_LEVEL": "debug",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


@asynccontextmanager
async def running(data_dir: Path, **extra: str) -> AsyncIterator[Program]:
    """Start the program and wait until it says it is ready; at the end it is stopped, and must have stopped well."""
    log_path = data_dir.parent / f"{data_dir.name}.log"
    media = data_dir / "sandbox" / "media"
    if MEDIA_CACHE.is_dir() and not media.exists():
        await trio.to_thread.run_sync(shutil.copytree, MEDIA_CACHE, media)
    with log_path.open("ab") as log_file:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "doradura", "run", "--sandbox"],
            env=environment(data_dir, extra),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
        )
    try:
        said = await _greeting(process, log_path)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            program = Program(process, data_dir, said["http"], said["sandbox"], client, log_path)
            await trio.to_thread.run_sync(_keep_media, media)
            yield program
            if process.poll() is None and program.sandbox_url and program.is_alone:
                await judge_record(program)
        if process.poll() is None:
            process.terminate()
            with trio.fail_after(40):
                assert await process.wait() == 0, program.log()[-3000:]
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.kill()
            await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()


async def judge_record(program: Program) -> None:
    """Judge every call the bot made by the Bot API as data, and every update it was given."""
    calls = await program.requests()
    problems = [f"call {call['n']}: {problem}" for call in calls for problem in check_call(call)]
    problems += check_files(calls)
    await trio.to_thread.run_sync(_note_checked, len(calls))
    assert problems == [], "\n".join(problems[:20])


def _note_checked(count: int) -> None:
    CHECKED.parent.mkdir(exist_ok=True)
    with CHECKED.open("a") as counts:
        counts.write(f"{count}\n")


def _keep_media(media: Path) -> None:
    """Keep the samples for the next program: making them takes a second each time."""
    if not MEDIA_CACHE.is_dir() and media.is_dir():
        MEDIA_CACHE.parent.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=MEDIA_CACHE.parent))
        shutil.copytree(media, made, dirs_exist_ok=True)
        try:
            made.rename(MEDIA_CACHE)
        except OSError:  # another run was first
            shutil.rmtree(made)


async def _greeting(process: trio.Process, log_path: Path) -> dict[str, str]:
    assert process.stdout is not None
    text = b""
    with trio.move_on_after(START_SECONDS):
        async for piece in process.stdout:
            text += piece
            numbers = re.search(rb"Numbers: (\S+)/metrics", text)
            if numbers:
                sandbox = re.search(rb"Open (\S+)/ in", text)
                return {"http": numbers[1].decode(), "sandbox": sandbox[1].decode() if sandbox else ""}
    raise AssertionError(f"not ready; it said {text.decode()!r}, its log is {log_path}")


def ffmpeg_facts(path: Path) -> str:
    """What ffmpeg says of a file."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    return subprocess.run([ffmpeg, "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False).stderr


def seconds_of(facts: str) -> float:
    """The length ffmpeg says."""
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", facts).groups()  # type: ignore[union-attr]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def session_processes(sid: int) -> list[int]:
    """The pids of a session's processes that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                rest = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if rest[0] != "Z" and int(rest[3]) == sid:
                found.append(int(entry.name))
    return found


def processes_in(directory: Path) -> list[str]:
    """The command lines of processes that name a directory or work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(directory) in command or where.startswith(str(directory)):
                found.append(f"{entry.name}: {command}")
    return found
