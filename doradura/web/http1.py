"""What is refused of HTTP/1.1 before anything reads it. Pure: bytes and parsed heads in, a status and a reason out.

h11 parses; this module is where the server is stricter. A message that two programs could frame differently (RFC 9112,
section 11.2: a proxy in front sees one request, we see two) gets a 400 and its connection ends. HTTP/2 and WebSocket
are not supported: no scraper or probe uses them, and a client that opens an empty window and pings could hold its
connection for as long as it likes. A request's target is checked too, because one that is neither a path nor a URL
makes the framework raise, with a traceback in the log each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

_ABSOLUTE = re.compile(rb"https?://[^/?#]+([/?][^#]*)?", re.IGNORECASE)
_HEAD_END = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class RequestFault:
    """Why a request is refused: the status, and a sentence for the sender."""

    status: int
    error: str


def origin_form(target: bytes) -> bytes | None:
    """Return a request's target as a path with its query (RFC 9112, section 3.2); None if it has none.

    Of a whole URL only the path counts, whatever host it names, and the asterisk of OPTIONS stays.
    """
    if target.startswith(b"/") or target == b"*":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return None
    path: bytes = absolute[1] or b"/"
    return path if path.startswith(b"/") else b"/" + path


def spelling_fault(received: bytes) -> RequestFault | None:
    """Check the bytes of a head, complete or not: h11 accepts line ends and folded lines that others read differently.

    RFC 9112, sections 2.2 (a bare LF or CR) and 5.2 (a line continued on the next one).
    """
    end = _HEAD_END.search(received)
    head = received if end is None else received[: end.end()]
    if re.search(rb"(?<!\r)\n|\r(?!\n|\Z)", head):
        return RequestFault(400, "lines must end with CR LF; a lone CR or LF is not allowed")
    if re.search(rb"\n[ \t]", head):
        return RequestFault(400, "a header must not continue on another line")
    return None


def head_fault(request: h11.Request) -> RequestFault | None:
    """Check a parsed head; h11 has refused two different lengths, malformed lengths, and unknown codings."""
    names = [name for name, _ in request.headers]
    if not request.http_version.startswith(b"1."):
        return RequestFault(505, "only HTTP/1.1 is supported")
    if origin_form(request.target) is None:
        return RequestFault(400, "the request has no path")
    if b"transfer-encoding" in names and b"content-length" in names:
        return RequestFault(400, "a request must not have both Content-Length and Transfer-Encoding")
    if b"transfer-encoding" in names and request.http_version < b"1.1":
        return RequestFault(400, "HTTP/1.0 knows no Transfer-Encoding")
    if any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in request.headers):
        return RequestFault(400, "WebSocket is not supported")
    return None
