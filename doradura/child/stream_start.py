"""Reads the beginning of a plain file within seconds, and recognises streams that have no end.

Owns what is believed of an answer's headers and first bytes. A server's word on ranges and lengths is often wrong:
whatever contradicts the received bytes counts as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import HTTPError, RequestError

from doradura.child.facts import inspect
from doradura.child.failures import JobError
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.reasons import Reason

START_SECONDS: Final = 3.0
"""How long a slow site is read; what has arrived by then must do."""
ENDLESS_BYTES: Final = 64 * 1024 * 1024
"""Sound of unknown length that continues beyond this, or beyond START_SECONDS, counts as an endless stream."""
_PIECE_BYTES: Final = 16 * 1024
_NAMING_BYTES: Final = 64 * 1024
"""This many bytes tell sound from a film if the server doesn't."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """The first bytes of an address."""

    content: bytes
    whole_bytes: int | None
    """The file's length, if the server states a plausible one."""
    ended: bool
    """Whether this is the whole file."""
    ranged: bool = False
    """Whether the server sent it as a part."""


class Site(Protocol):
    """What requests go through: yt-dlp's networking, as in `fetching.Extractor`."""

    params: dict[str, Any]
    unbounded: Unbounded

    def urlopen(self, req: Request) -> Any:
        """Return the answer's head, with its body still to be read. Raises yt-dlp's errors."""
        ...


def refuse_endless(headers: Message) -> None:
    """Raise JobError `live` if the answer's headers say that it is a radio or a camera."""
    radio = any(name.lower().startswith("icy-") for name in headers)
    if radio and length_of(headers) is None:
        raise JobError(Reason.LIVE, "an internet radio (icy headers)")
    if headers.get_content_type() == "multipart/x-mixed-replace":
        raise JobError(Reason.LIVE, "pictures that replace each other without an end")


Unbounded = Literal["", "sound", "unnamed"]


def unbounded_kind(headers: Message) -> Unbounded:
    """Return the kind of an answer of unknown length: sound, or something of unknown type; else "".

    Playlists have an audio type too, and are not meant.
    """
    if length_of(headers) is not None:
        return ""
    kind = headers.get_content_type()
    if kind == "application/ogg" or (kind.startswith("audio/") and not kind.endswith(("mpegurl", "scpls"))):
        return "sound"
    return "unnamed" if kind.endswith("/octet-stream") or "Content-Type" not in headers else ""


def length_of(headers: Mapping[str, str] | Message) -> int | None:
    """Return the length of the whole file in bytes by an answer's headers; None if they don't say.

    For a part of a file (an answer with Content-Range), Content-Length is only the part's.
    """
    part = headers.get("Content-Range")
    pattern, told = (r"\d{1,18}", headers.get("Content-Length")) if part is None else (_PART, part)
    found = re.fullmatch(pattern, (told or "").strip(), re.ASCII)
    return None if found is None else int(found[0].rpartition("/")[2])


def whole_of(status: int, headers: Mapping[str, str] | Message, got_bytes: int) -> int | None:
    """Return the length of the whole file by an answer of which this much came; None if it is unknown or can't be true.

    A part (206) that does not say what it is part of states only its own length, although it must say so (RFC 9110,
    15.3.7).
    """
    told = None if status == 206 and headers.get("Content-Range") is None else length_of(headers)
    return told if told is not None and told >= got_bytes else None


_PART: Final = r"bytes \d+-\d+/\d{1,18}"


def refuse_endless_sound(site: Site, info: Mapping[str, Any]) -> None:
    """Raise JobError `live` for sound of unknown length that does not end soon. Raises yt-dlp's errors too."""
    if not info.get("direct") or not site.unbounded:
        return
    chosen = (info.get("formats") or [info])[0]
    if site.unbounded == "unnamed" and not _is_sound(site, info):
        return
    start = _read(site, Request(chosen["url"], headers=_headers(chosen)), ENDLESS_BYTES, keep=False)
    if not start.ended:
        raise JobError(Reason.LIVE, "sound of unknown length that does not end")


def _is_sound(site: Site, info: Mapping[str, Any]) -> bool:
    """Return whether a plain file begins as sound without a picture."""
    start = read_start(site, info, _NAMING_BYTES, ranged=False)
    if start is None:
        return False
    path = Path(site.params["paths"]["home"]) / "unnamed"
    path.write_bytes(start.content)
    facts = inspect(path)
    return facts is not None and facts.video is None and facts.audio is not None


def read_start(site: Site, info: Mapping[str, Any], limit_bytes: int, *, ranged: bool = True) -> StreamStart | None:
    """Return the first bytes of a plain file; None if the site sends none within START_SECONDS.

    With `ranged` it requests only those. A server that refuses a range, or hangs up on one, is asked without. Raises
    yt-dlp's errors.
    """
    chosen = (info.get("formats") or [info])[0]
    headers = _headers(chosen)
    part = {"Range": f"bytes=0-{limit_bytes - 1}"} if ranged else {}
    try:
        start = _read(site, Request(chosen["url"], headers={**headers, **part}), limit_bytes)
    except RequestError as error:
        if ranged:
            return read_start(site, info, limit_bytes, ranged=False)
        if isinstance(error, HTTPError):
            return None
        raise
    return start if start.content or start.ended else None


def _headers(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {**(chosen.get("http_headers") or {}), "Accept-Encoding": "identity"}


def _read(site: Site, request: Request, limit_bytes: int, *, keep: bool = True) -> StreamStart:
    """Read this much, or until the time is up. `keep` says whether the bytes are needed."""
    content, got, ended = bytearray(), 0, False
    response = None
    with suppress(TimeIsUpError), at_most(START_SECONDS):
        response = site.urlopen(request)
        with response:
            while got < limit_bytes and not ended:
                piece = response.read(min(_PIECE_BYTES, limit_bytes - got))
                got += len(piece)
                content += piece if keep else b""
                ended = not piece
    if response is None or response.headers.get("Content-Encoding"):
        return StreamStart(bytes(content), None, ended)
    ranged = response.status == 206
    whole = whole_of(response.status, response.headers, got)
    if ranged:
        ended = got == whole
    return StreamStart(bytes(content), whole, ended and whole in {None, got}, ranged)
