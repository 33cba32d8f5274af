"""Serves the web chat: the files of page/, with a policy that lets them load nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

import trio

from doradura.sandbox.http.exchange import Headers, HttpRequest, Response

PAGE_DIRECTORY = Path(__file__).parent / "page"

_NAME = re.compile(r"(?:[a-z]{1,16}/)?[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII | re.IGNORECASE)
"""One of the page's files, or of a folder in it."""
_TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".ico": "image/x-icon",
        ".woff2": "font/woff2",
    }
)
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    b"media-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Headers = (
    (b"cache-control", b"no-cache"),
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


async def page_answer(request: HttpRequest) -> Response:
    """Answer one GET or HEAD of / or /page/..."""
    if request.method not in {"GET", "HEAD"}:
        return Response.text("only GET and HEAD\n", 405)
    name = "index.html" if request.path == "/" else request.path.removeprefix("/page/")
    kind = _TYPES.get(Path(name).suffix.lower())
    if not _NAME.fullmatch(name) or kind is None:
        return Response.text("not found\n", 404)
    try:
        body = await trio.to_thread.run_sync((PAGE_DIRECTORY / name).read_bytes)
    except OSError:
        return Response.text("not found\n", 404)
    return Response(200, body, [(b"content-type", kind.encode()), *HEADERS])
