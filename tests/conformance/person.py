"""The person in a conversation: drives the human side, for scripts on asyncio."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

USER = 2000
PATIENCE_SECONDS = 10.0


class Person:
    """A user of the sandbox's, and what a test asks of it."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, params={"token": token}, timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def act(self, path: str, **body: object) -> Any:
        """POST to the human side."""
        answer = await self._http.post(f"/sandbox/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    async def ask(self, path: str) -> Any:
        """GET from the human side."""
        answer = await self._http.get(f"/sandbox/{path}")
        answer.raise_for_status()
        return answer.json()

    async def say(self, text: str, chat: int = USER) -> Any:
        """Write a text."""
        return await self.act(f"chats/{chat}/messages", from_id=USER, text=text)

    async def newest(self, chat: int = USER) -> Any:
        """Return a chat's last message."""
        return (await self.ask(f"chats/{chat}/messages"))["messages"][-1]

    async def press(self, message_id: int, data: str, chat: int = USER) -> Any:
        """Press a button and give the answer."""
        pressed = await self.act(f"chats/{chat}/press", from_id=USER, message_id=message_id, data=data)
        return await eventually(
            lambda: self.ask(f"callbacks/{pressed['callback_query_id']}"), lambda answer: answer["answered"]
        )

    async def fault(self, **fault: object) -> None:
        """Let the next call fail."""
        await self.act("faults", times=1, **fault)

    async def sample(self) -> bytes:
        """Return the sample video."""
        answer = await self._http.get("/media/sample.mp4")
        return answer.content


async def eventually(look: Callable[[], Awaitable[Any]], good: Callable[[Any], Any]) -> Any:
    """Look until what is seen is good; fails with what was seen last."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = await look()
        if good(seen):
            return seen
        if time.monotonic() > until:
            raise AssertionError(f"not seen in time; there is {seen}")
        await asyncio.sleep(0.02)


def known(value: Any) -> Callable[[], Awaitable[Any]]:
    """Return a look at something that others change."""

    async def look() -> Any:
        await asyncio.sleep(0)
        return value

    return look


@contextmanager
def step(name: str) -> Iterator[None]:
    """Name a step of the conversation, for whoever reads why it failed."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the step: {name}")
        raise
    print(name, flush=True)  # noqa: T201 - the test reads the steps


async def refused(call: Awaitable[Any], kind: type[Exception], text: str) -> Exception:
    """Make a call that must fail with exactly this exception and these words, in any letters: clients change them."""
    try:
        await call
    except kind as error:
        if type(error) is not kind or text.lower() not in str(error).lower():
            raise AssertionError(f"refused with {error!r}, not with {kind.__name__} {text!r}") from error
        return error
    raise AssertionError(f"not refused, though expected: {kind.__name__} {text!r}")


def same(found: object, expected: object) -> None:
    """Compare; a failure shows both."""
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def arguments() -> tuple[str, str, Path]:
    """Return what the script was started with: the sandbox's address, the bot's token, a folder."""
    url, token, folder = sys.argv[1:]
    return url, token, Path(folder)


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000a0000000a080200000002505"
    "8ea0000000d49444154789c63f8cfc0f01f00050001ff6a2f5c1e0000000049454e44ae426082"
)
"""A picture of ten by ten pixels."""
