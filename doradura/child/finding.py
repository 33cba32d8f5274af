"""Findings: what a probe found, as yt-dlp describes it, in a file from which a download starts without asking the site.

Owns the file's content, and the decision whether it still serves. The bot only moves the file: it never reads it. What
is in it comes from a child that read a hostile site, so it is worth no more than the site's own answer: whatever is odd
about it means a fresh look, never a failure. It can hold cookies.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections import ChainMap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yt_dlp
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import DownloadError, ReExtractInfo
from yt_dlp.version import __version__ as yt_dlp_version

from doradura.child.failures import NoMediaError, chain_of
from doradura.child.gate_replies import gate_reply
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.gatecontrol import GateReply
from doradura.media.protocol import FINDING_BYTES

Info = dict[str, Any]

KEEPING_SECONDS: Final = 1.0
"""How long writing a finding may take: the person waits for the probe meanwhile."""
LEAST_LIFE_SECONDS: Final = 60
"""An address that expires sooner is not fetched from any more."""
_NAMED_EXPIRY: Final = re.compile(r"(?<![a-z])(?:expir(?:es|e|y)|exp)[=/](\d{10})(?!\d)", re.IGNORECASE)
_META_EXPIRY: Final = re.compile(r"[?&]oe=([0-9a-f]{8})(?![0-9a-z])", re.IGNORECASE)
"""Facebook's and Instagram's: hexadecimal."""


_REFUSED: Final = re.compile(r"HTTP Error 4(?!29)\d\d")
"""In the text of yt-dlp's error for a segment, which does not carry its cause."""


def keep(extractor: yt_dlp.YoutubeDL, item: Info, url: str, path: Path) -> None:
    """Write what a probe of `url` found to a file, mode 0600. What can't be kept is left out without an error.

    The barrier for that: the probe has succeeded, and a site's item may contain anything.
    """
    try:
        with at_most(KEEPING_SECONDS):
            content = json.dumps({"url": url, "item": _sanitized(extractor, item)}).encode()
        if len(content) <= FINDING_BYTES:
            _write(path, content)
    except (Exception, TimeIsUpError):  # noqa: BLE001 -- the barrier named above
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _sanitized(extractor: yt_dlp.YoutubeDL, item: Info) -> Any:
    """Return the item as yt-dlp writes it to a file, each format with the headers and cookies that its address needs.

    yt-dlp adds those only once it has chosen formats.
    """
    whole = dict(item)
    if whole.get("formats"):
        whole["formats"] = [dict(entry) for entry in whole["formats"]]
    for entry in whole.get("formats") or [whole]:
        if entry.get("url"):
            entry["http_headers"] = dict(extractor._calc_headers(ChainMap(entry, whole)))  # noqa: SLF001 -- sets `cookies` too
    return extractor.sanitize_info(whole, remove_private_keys=True)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def take(path: Path, url: str) -> Info | None:
    """Read a finding, and remove the file. Return the item; None if there is none for this address and this yt-dlp."""
    try:
        with path.open("rb") as file:
            content = file.read(FINDING_BYTES + 1)
        path.unlink()
        found = json.loads(content) if len(content) <= FINDING_BYTES else None
    except (OSError, ValueError, RecursionError):  # no file, cut off, not JSON, or nested without end
        return None
    match found:
        case {"url": str(kept_url), "item": {"_type": "video", "_version": {"version": str(version)}} as item}:
            # Further addresses would be looked at, and are only for playlists.
            item.pop("additional_urls", None)
            return item if (kept_url, version) == (url, yt_dlp_version) else None
    return None


def is_expired(parts: list[Info], now: float | None = None) -> bool:
    """Return whether an address that would be fetched says that it has expired, or is about to. `now` is since 1970."""
    least = (time.time() if now is None else now) + LEAST_LIFE_SECONDS
    return any(expiry < least for part in parts for expiry in _expiries(str(part.get("url") or "")))


def _expiries(url: str) -> Iterator[int]:
    yield from (int(found) for found in _NAMED_EXPIRY.findall(url))
    yield from (int(found, 16) for found in _META_EXPIRY.findall(url))


def is_outdated(error: Exception) -> bool:
    """Return whether a failure may be due to an address that was good only when the link was looked at.

    Such as: the server refuses it or no longer knows it, its host is gone, or a page comes in the file's place.
    """
    if isinstance(error, NoMediaError):
        return True
    return any(
        isinstance(link, ReExtractInfo | socket.gaierror)
        or gate_reply(link) is GateReply.NO_SUCH_NAME
        or (isinstance(link, HTTPError) and 400 <= link.status < 500 and link.status != 429)
        or (isinstance(link, DownloadError) and _REFUSED.search(str(link)) is not None)
        for link in chain_of(error, contexts=True)
    )
