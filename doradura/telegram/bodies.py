"""Request bodies that know how much of them was written.

httpx reports that an exchange failed, but not whether the server can have received the whole request. That decides
whether a message may be sent again. A body knows: it is asked for the next piece only after the last one was written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping

import httpx
import msgspec


class Body(httpx.AsyncByteStream, ABC):
    """The body of one attempt; `handed_over` becomes true once its last byte was written to the connection."""

    content_type: str
    length: int
    handed_over: bool = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    @abstractmethod
    async def __anext__(self) -> bytes:
        """Return the next piece; everything before it has been written by then."""

    async def aclose(self) -> None:
        """Release whatever the body holds open."""


class JsonBody(Body):
    """Parameters as one JSON object, in one piece."""

    content_type = "application/json"

    def __init__(self, parameters: Mapping[str, object]) -> None:
        self._content: bytes | None = msgspec.json.encode(parameters)
        self.length = len(self._content)

    async def __anext__(self) -> bytes:
        """Return the only piece."""
        if self._content is None:
            self.handed_over = True
            raise StopAsyncIteration
        content, self._content = self._content, None
        return content


def text_value(value: object) -> str:
    """Return a parameter as multipart text: strings unchanged, anything else as JSON, as the server expects."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
