"""Request bodies that know how far they got.

httpx says that an exchange failed, but not whether the server can have had the whole request; that decides whether a
message may be sent again. A body sees it: it is asked for the next piece only when the one before has been written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping

import httpx
import msgspec


class Body(httpx.AsyncByteStream, ABC):
    """A body for one attempt; `handed_over` turns true when its last byte was written to the connection."""

    content_type: str
    length: int
    handed_over: bool = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    @abstractmethod
    async def __anext__(self) -> bytes:
        """Return the next piece, having written all before it."""

    async def aclose(self) -> None:
        """Let go of what the body holds open."""


class JsonBody(Body):
    """Parameters as one JSON object, in one piece."""

    content_type = "application/json"

    def __init__(self, parameters: Mapping[str, object]) -> None:
        self._content: bytes | None = msgspec.json.encode(parameters)
        self.length = len(self._content)

    async def __anext__(self) -> bytes:
        """Return the one piece."""
        if self._content is None:
            self.handed_over = True
            raise StopAsyncIteration
        content, self._content = self._content, None
        return content


def text_value(value: object) -> str:
    """Return a parameter as multipart text: strings as they are, all else as the JSON the server expects."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
