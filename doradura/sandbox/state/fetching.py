"""Files that a bot names by an address. Only the sandbox's own media can be fetched: nothing here reaches outside.

Owns which addresses those are. The media's answer is read directly, without a connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from hypercorn.typing import HTTPRequestEvent

from doradura.sandbox.http.exchange import DropConnection, HttpRequest, Response, is_loopback_host
from doradura.sandbox.state.blobs import Blobs, StoredUpload
from doradura.sandbox.state.refusal import RefusalError, bad_request

URL_LIMIT_BYTES = 20 * 1024 * 1024
PHOTO_URL_LIMIT_BYTES = 5 * 1024 * 1024
_FAMILIES = MappingProxyType(
    {"photo": ("image/",), "video": ("video/",), "audio": ("audio/", "video/mp4"), "animation": ("video/",)}
)


class Fetcher:
    """Gets files from /media/ for methods that were given an address."""

    def __init__(self, blobs: Blobs, media: Callable[[HttpRequest], Awaitable[Response]], port: int) -> None:
        """`media` answers requests under /media/; `port` is where the sandbox listens."""
        self._blobs = blobs
        self._media = media
        self._port = port

    async def fetch(self, url: str, kind: str) -> StoredUpload:
        """Return the file behind an address, to be removed by the caller if unused. Raises RefusalError."""
        path, query = self._own(url)
        answer = await self._media(HttpRequest("GET", path, query, {}, _nothing, body_ended=True))
        content_type = dict(answer.headers).get(b"content-type", b"").decode("latin-1")
        if answer.status != 200:
            raise bad_request("failed to get HTTP URL content")
        if not content_type.startswith(_FAMILIES.get(kind, ("",))) or content_type.startswith("text/html"):
            raise bad_request("wrong type of the web page content")
        limit = PHOTO_URL_LIMIT_BYTES if kind == "photo" else URL_LIMIT_BYTES
        writer = self._blobs.writer()

        async def take(data: bytes) -> None:
            if writer.size + len(data) > limit:
                raise bad_request("failed to get HTTP URL content")
            await writer.write(data)

        try:
            await take(answer.body)
            if answer.stream is not None:
                await answer.stream(take)
        except DropConnection:
            await writer.discard()
            raise bad_request("failed to get HTTP URL content") from None
        except BaseException:
            await writer.discard()
            raise
        size = writer.size
        return StoredUpload(path.rpartition("/")[2], content_type, await writer.finish(), size)

    def _own(self, url: str) -> tuple[str, bytes]:
        """Return path and query if the address is one of the sandbox's own."""
        trouble: RefusalError | None = None
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port or 80
        except ValueError:
            raise bad_request("wrong HTTP URL specified") from None
        if parts.scheme not in {"http", "https"}:
            trouble = bad_request("invalid file HTTP URL specified: Unsupported URL protocol")
        elif parts.scheme == "https" or port != self._port or not is_loopback_host(parts.netloc):
            trouble = bad_request("failed to get HTTP URL content")
        path = unquote(parts.path)
        if trouble is None and not path.startswith("/media/"):
            trouble = bad_request("failed to get HTTP URL content")
        if trouble is not None:
            raise trouble
        return path, parts.query.encode()


async def _nothing() -> HTTPRequestEvent:
    return {"type": "http.request", "body": b"", "more_body": False}
