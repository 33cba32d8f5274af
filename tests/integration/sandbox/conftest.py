"""A running sandbox for each test; the sample media are made once a session."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
import trio

from doradura.sandbox import SANDBOX_TOKEN, Sandbox
from tests.botapi.check import check_answer
from tests.botapi.sense import check_files


@dataclass(frozen=True, slots=True)
class Client:
    """A bot and a person in one."""

    url: str
    http: httpx.AsyncClient

    async def call(self, method: str, token: str = SANDBOX_TOKEN, **parameters: object) -> Any:
        """Call the Bot API with JSON and give the envelope."""
        return (await self.http.post(f"/bot{token}/{method}", json=parameters)).json()

    async def result(self, method: str, token: str = SANDBOX_TOKEN, **parameters: object) -> Any:
        """Call the Bot API and give the result of a success."""
        envelope = await self.call(method, token, **parameters)
        assert envelope["ok"], envelope
        return envelope["result"]

    async def refusal(self, method: str, **parameters: object) -> str:
        """Call a method that is refused with 400; return why."""
        envelope = await self.call(method, SANDBOX_TOKEN, **parameters)
        assert envelope["error_code"] == 400, envelope
        return str(envelope["description"]).removeprefix("Bad Request: ")

    async def act(self, path: str, **body: object) -> Any:
        """Do something as a person."""
        response = await self.http.post(f"/sandbox/{path}", params={"token": SANDBOX_TOKEN}, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def messages(self, chat_id: int = 1000, after: int = 0) -> list[Any]:
        """Read a chat."""
        query: dict[str, str | int] = {"token": SANDBOX_TOKEN, "after": after}
        found: list[Any] = (await self.http.get(f"/sandbox/chats/{chat_id}/messages", params=query)).json()["messages"]
        return found


Opener = Callable[[Path | None], AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def media_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the samples are made by the first sandbox that starts."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture
def open_sandbox(media_directory: Path) -> Opener:
    """Open a sandbox that keeps its state in a folder, or in memory."""

    @asynccontextmanager
    async def opened(keep: Path | None) -> AsyncIterator[Client]:
        sandbox = Sandbox(
            bind="127.0.0.1:0",
            media_directory=media_directory,
            keep_directory=keep,
            ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
        )
        async with trio.open_nursery() as nursery:
            url = await nursery.start(sandbox.run)
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
                yield Client(url, http)
                await _judge_answers(http)
            nursery.cancel_scope.cancel()

    return opened


async def _judge_answers(http: httpx.AsyncClient) -> None:
    """Judge whatever the bots of a test that went well were answered."""
    lines = (await http.get("/sandbox/requests")).text.splitlines()
    calls = [json.loads(line) for line in lines]
    assert [problem for call in calls for problem in check_answer(call)] == []
    assert check_files(calls) == []


@pytest.fixture
async def client(open_sandbox: Opener) -> AsyncIterator[Client]:
    """Run a sandbox in memory for one test."""
    async with open_sandbox(None) as opened:
        yield opened
