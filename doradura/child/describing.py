"""Turns a site's description of an item into ours.

Owns the conversion of yt-dlp's loose dictionaries into `Metadata`. Unknown values are None, never 0 or an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from doradura.media.peoples_text import on_one_line
from doradura.media.protocol import MOST_BYTES, MOST_LINES, MOST_SECONDS, Metadata, Size

_TITLE_CHARACTERS = 300
_NO_TITLES = frozenset(
    {
        *("audio", "chunklist", "default", "download", "file", "hls", "index", "init", "main", "manifest", "master"),
        *("media", "out", "output", "play", "playlist", "prog_index", "stream", "untitled", "video", "videoplayback"),
    }
)
"""File names that only say which part a player uses, not what is in it. Single characters say nothing either."""
_VARIANT = re.compile(r"(?:[-_. ]?(?:[bvw]?\d+|\d{3,4}p|\d+k))+$", re.IGNORECASE)
"""What players append to such names: "index_0", "chunklist_b2000000", "master-720p"."""

GUESS_FACTOR = 3
"""A size guessed from bit rate and length counts only if it exceeds the limit this many times: stated rates may be
peaks."""

FILE_NAME = "doradura_file_name"
"""Our own key in an item: the name that the server gives the file, without its ending."""


def describe(
    info: Mapping[str, Any],
    *,
    extraction_seconds: float,
    title: str | None = None,
    performer: str | None = None,
    duration_seconds: float | None = None,
    has_video: bool | None = None,
    has_audio: bool | None = None,
    has_subtitles: bool | None = None,
    has_picture: bool | None = None,
    height: int | None = None,
    sizes: tuple[Size, ...] = (),
) -> Metadata:
    """Return what is known of an item; the given values take precedence over the site's.

    Pictures are the exception: an item has one if its site or its file has one.
    """
    return Metadata(
        title=title or title_of(info, str(info.get("webpage_url") or "")),
        performer=performer or performer_of(info),
        duration_seconds=believable(duration_seconds) or duration_of(info),
        extractor=info.get("extractor") or None,
        has_video=has_video if has_video is not None else _has_video(info),
        has_audio=has_audio if has_audio is not None else _has_audio(info),
        has_subtitles=has_subtitles,
        has_picture=True if info.get("thumbnail") or info.get("thumbnails") else has_picture,
        height=height or _height(info),
        sizes=sizes,
        extraction_seconds=extraction_seconds,
    )


def title_of(info: Mapping[str, Any], url: str) -> str:
    """Return the site's title on one line, else the host's name."""
    title = clean(info.get("title"))
    if title is not None and is_generic(info):
        title = clean(title.removesuffix(" (1)"))  # yt-dlp numbers a page's media even if there is only one
        if not has_own_title(info):
            title = clean(info.get(FILE_NAME)) or title
            title = None if title is None or _is_no_title(title) else title
    return title or (urlsplit(url).hostname or "media").removeprefix("www.")


def _is_no_title(name: str) -> bool:
    return len(name) == 1 or name.lower() in _NO_TITLES or _VARIANT.sub("", name.lower()) in _NO_TITLES


def has_own_title(info: Mapping[str, Any]) -> bool:
    """Return whether the title is more than the name of a plain file."""
    plain = info.get("direct") or not info.get("title") or info.get("title") == info.get("id")
    return not (is_generic(info) and plain)


def is_generic(info: Mapping[str, Any]) -> bool:
    """Return whether no extractor of its site described the item: it is a plain file, or embedded in a page."""
    return info.get("extractor_key") in {"Generic", "HTML5MediaEmbed", "QuotedHTML"}


def performer_of(info: Mapping[str, Any]) -> str | None:
    """Return the artist, by the most specific field there is; None if there is none."""
    for key in ("artist", "artists", "creator", "creators", "channel", "uploader"):
        value = info.get(key)
        text = clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)
        if text is not None:
            return text
    return None


def duration_of(info: Mapping[str, Any]) -> float | None:
    """Return the length in seconds, or None if the site does not state it."""
    value = info.get("duration")
    return float(value) if isinstance(value, int | float) and 0 < value <= MOST_SECONDS else None


def believable(seconds: float | None) -> float | None:
    """Return the length that a file states, in seconds; None for a length that no file can have."""
    return None if seconds is None or not 0 <= seconds <= MOST_SECONDS else seconds


def told_bytes(parts: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the total size of the parts in bytes, if the site states each; else None."""
    told = [whole(part.get("filesize")) or guessed_bytes(part) for part in parts]
    return sum(told) if all(told) else None


def guessed_bytes(part: Mapping[str, Any]) -> int:
    """Return the site's estimate of a part's size in bytes; 0 if there is none."""
    return whole(part.get("filesize_approx")) or 0


def whole(value: object) -> int | None:
    """Return a number as a whole count; None for anything else, and for more bytes than anything has."""
    return int(value) if isinstance(value, int | float) and 0 < value <= MOST_BYTES else None


def clean(value: object) -> str | None:
    """Return a text on one line without control characters and of bounded length; None if nothing is left."""
    if not isinstance(value, str):
        return None
    return on_one_line(on_one_line(value)[:_TITLE_CHARACTERS]) or None


def _has_video(info: Mapping[str, Any]) -> bool | None:
    codecs = {entry.get("vcodec") for entry in info.get("formats") or (info,)}
    if codecs == {"none"}:
        return False
    return True if any(codec not in {None, "none"} for codec in codecs) or _height(info) else None


def _has_audio(info: Mapping[str, Any]) -> bool | None:
    codecs = {entry.get("acodec") for entry in info.get("formats") or (info,)}
    if codecs == {"none"}:
        return False
    return True if any(codec not in {None, "none"} for codec in codecs) or _has_video(info) is False else None


def _height(info: Mapping[str, Any]) -> int | None:
    """Return the shorter side of the largest picture, None if unknown: upright 1080x1920 is called 1080p."""
    sides = []
    for entry in info.get("formats") or (info,):
        told = [side for side in (entry.get("width"), entry.get("height")) if isinstance(side, int | float)]
        if isinstance(entry.get("height"), int | float) and 0 < min(told) <= MOST_LINES:
            sides.append(int(min(told)))
    return max(sides, default=None)
