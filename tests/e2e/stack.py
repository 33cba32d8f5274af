"""The real stack, started as an operator does; a plain receiver of its alerts; a bot and a sandbox of their own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.program import ROOT, environment
from tests.ports import free_address

READY = "The stack is ready."
Alert = dict[str, Any]


@dataclass
class Stack:
    """A running `python -m stack run`."""

    process: trio.Process
    data_dir: Path
    environ: Mapping[str, str]
    client: httpx.AsyncClient
    said: str = ""
    urls: dict[str, str] = field(default_factory=dict)

    async def until_said(self, wanted: str, *, seconds: float = 60) -> None:
        """Read what it says until something stands there, or it ends."""
        assert self.process.stdout is not None
        with trio.fail_after(seconds):
            while wanted not in self.said:
                piece = await self.process.stdout.receive_some()
                assert piece, f"it ended and never said {wanted!r}: {self.said[-3000:]}"
                self.said += piece.decode("utf-8", "replace")
        self.urls = {name.lower(): url for name, url in re.findall(r"^  (\w+) +(http://\S+)$", self.said, re.MULTILINE)}

    async def until_ended(self, *, seconds: float = 60) -> int:
        """Read to the end; give the exit code."""
        assert self.process.stdout is not None
        with trio.fail_after(seconds):
            async for piece in self.process.stdout:
                self.said += piece.decode("utf-8", "replace")
            return await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; give the exit code."""
        self.process.send_signal(number)
        return await self.until_ended()

    async def query(self, promql: str) -> list[dict[str, Any]]:
        """Ask its Prometheus."""
        answer = await self.client.get(f"{self.urls['prometheus']}/api/v1/query", params={"query": promql})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    async def up(self) -> dict[str, float]:
        """Return which jobs' targets are up: the lowest of each job."""
        return {sample["metric"]["job"]: float(sample["value"][1]) for sample in await self.query("min by (job) (up)")}

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run another command of the stack's on the same data directory; give its exit code and what it said."""
        answer = await trio.run_process(
            [sys.executable, "-m", "stack", *arguments],
            env=dict(self.environ),
            cwd=ROOT,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return answer.returncode, answer.stdout.decode()


@asynccontextmanager
async def stack(data_dir: Path, *arguments: str, **extra: str) -> AsyncIterator[Stack]:
    """Start the stack on free ports, natively; whatever the test does, nothing of it is left."""
    addresses = {f"DORADURA_STACK_{name}": free_address() for name in ("PROMETHEUS", "ALERTMANAGER", "GRAFANA")}
    environ = environment(data_dir, {**addresses, **extra})
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "stack", "run", "--native", *arguments],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        running = Stack(process, data_dir, environ, client)
        try:
            yield running
        finally:
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.terminate()
                    with trio.move_on_after(40):
                        await running.until_ended()
                if process.poll() is None:
                    process.kill()
                await process.wait()
                await running.command("down")
                if process.stdout is not None:
                    await process.stdout.aclose()


@dataclass
class Receiver:
    """A plain webhook receiver: keeps every alert it is sent, in order."""

    url: str
    alerts: list[Alert] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _came: trio.Event = field(default_factory=trio.Event)

    def take(self, head: bytes, body: bytes) -> None:
        """Keep one POST."""
        lines = head.decode("latin-1").split("\r\n")[1:]
        self.headers.append({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
        self.alerts += json.loads(body)["alerts"]
        self._came.set()
        self._came = trio.Event()

    def named(self, name: str) -> list[Alert]:
        """Return what came of an alert, in order."""
        return [alert for alert in self.alerts if alert["labels"]["alertname"] == name]

    async def until(self, name: str, status: str, *, least: int = 1, seconds: float = 90) -> Alert:
        """Wait until the last word on an alert is this, and as many words came."""
        with trio.move_on_after(seconds):
            while len(came := self.named(name)) < least or came[-1]["status"] != status:
                await self._came.wait()
            return came[-1]
        words = sorted({f"{alert['labels']['alertname']} {alert['status']}" for alert in self.alerts})
        raise AssertionError(f"{name} is not {status} in {seconds} s; there came {words}")


@asynccontextmanager
async def answering(answer: Callable[[bytes, bytes], bytes]) -> AsyncIterator[str]:
    """Serve HTTP/1.1, a request a connection: `answer` takes head and body and gives the answer's body."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = await stream.receive_some()
                if not piece:
                    return
                got += piece
            head, _, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            while length and len(body) < int(length[1]):
                body += await stream.receive_some()
            said = answer(head, body)
            kind = b"Content-Type: text/plain; version=0.0.4\r\n"
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(said), said)
            )

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Serve a webhook receiver."""
    kept = Receiver("")

    def answer(head: bytes, body: bytes) -> bytes:
        kept.take(head, body)
        return b""

    async with answering(answer) as url:
        kept.url = f"{url}/hook"
        yield kept


@asynccontextmanager
async def started(
    ready: str, *arguments: str, environ: Mapping[str, str], log: Path
) -> AsyncIterator[tuple[trio.Process, str]]:
    """Start `python -m doradura ...`, wait for a line that matches; give the process and the match's group."""
    with log.open("ab") as log_file:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "doradura", *arguments],
            env=dict(environ),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        text = ""
        with trio.fail_after(60):
            while not (found := re.search(ready, text)):
                piece = await process.stdout.receive_some()
                assert piece, f"it ended, see {log}: {text!r}"
                text += piece.decode()
        yield process, found[1]
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
                with trio.move_on_after(40):
                    await process.wait()
            if process.poll() is None:
                process.kill()
            await process.wait()
            await process.stdout.aclose()
