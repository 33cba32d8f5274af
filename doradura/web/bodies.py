"""Request bodies: read when a route asks for them, with a limit on all bytes held at once.

A body counts from the announcement of its length, or from the arrival of its bytes, until its content has been
processed: parsing needs three times its size in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import trio
from quart import Request
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers.request import TrioBody


class BodiesFullError(Exception):
    """So many bytes are held already that this body has to be sent again later."""


class BodyTooLargeError(Exception):
    """The body has more bytes than one may have."""


class WantedBody(TrioBody):
    """A body that tells when it is wanted."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.wanted = trio.Event()

    def __aiter__(self) -> WantedBody:
        self.wanted.set()
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        self.wanted.set()
        return super().__await__()


class LazyHTTPConnection(TrioASGIHTTPConnection):
    """quart-trio's side of a request; it receives nothing before the body is wanted."""

    async def handle_messages(self, nursery: trio.Nursery, request: Request, receive: Any) -> None:  # type: ignore[override]  # as its parent
        """Pass the body on as it arrives, until cancelled."""
        assert isinstance(request.body, WantedBody)
        await request.body.wanted.wait()
        await super().handle_messages(nursery, request, receive)


class BodyBudget:
    """Counts the bytes of all bodies that are held."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def hold(self, announced_bytes: int) -> Iterator[HeldBytes]:
        """Hold a body's bytes for the duration of the block. Raises BodiesFullError if too many are held already."""
        held = HeldBytes(self)
        try:
            held.grow(announced_bytes)
            yield held
        finally:
            self.held_bytes -= held.size_bytes

    def add(self, size_bytes: int) -> None:
        """Count more bytes. Raises BodiesFullError."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise BodiesFullError
        self.held_bytes += size_bytes


class HeldBytes:
    """The bytes that one body holds."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Set how many bytes there are now. Raises BodiesFullError."""
        if size_bytes > self.size_bytes:
            self._budget.add(size_bytes - self.size_bytes)
            self.size_bytes = size_bytes


async def read_body(request: Request, held: HeldBytes, limit_bytes: int) -> bytes:
    """Read a whole body. Raises BodyTooLargeError, BodiesFullError."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.body:
        size += len(piece)
        if size > limit_bytes:
            raise BodyTooLargeError
        held.grow(size)
        pieces.append(piece)
    return b"".join(pieces)
