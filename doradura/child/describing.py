"""What a site says of an item, in our words.

Owns the reading of yt-dlp's loose dictionaries into `Metadata`. What is not known is None, never 0 or an empty text.
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
"""What files are called for their part in a player: it says nothing of what is in them. Single characters neither."""
_VARIANT = re.compile(r"(?:[-_. ]?(?:[bvw]?\d+|\d{3,4}p|\d+k))+$", re.IGNORECASE)
"""What players' files have behind such a name: "index_0", "chunklist_b2000000", "master-720p"."""

GUESS_FACTOR = 3
"""A size guessed from bit rate and length counts when it is so many times over the limit: rates told may be peaks."""

FILE_NAME = "doradura_file_name"
"""Our own key of an item: the name that its server gives the file, without its ending."""


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
    """Put together what is known; what is given beats what the site says."""
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
    """The site's title on one line, else the host's name."""
    title = clean(info.get("title"))
    if title is not None and is_generic(info):
        title = clean(title.removesuffix(" (1)"))  # yt-dlp counts a page's media even where there is one
        if not has_own_title(info):
            title = clean(info.get(FILE_NAME)) or title
            title = None if title is None or _is_no_title(title) else title
    return title or (urlsplit(url).hostname or "media").removeprefix("www.")


def _is_no_title(name: str) -> bool:
    return len(name) == 1 or name.lower() in _NO_TITLES or _VARIANT.sub("", name.lower()) in _NO_TITLES


def has_own_title(info: Mapping[str, Any]) -> bool:
    """Whether the title is more than the name of a plain file."""
    plain = info.get("direct") or not info.get("title") or info.get("title") == info.get("id")
    return not (is_generic(info) and plain)


def is_generic(info: Mapping[str, Any]) -> bool:
    """Whether no extractor made for its site described the item: it is a plain file, or what a page embeds."""
    return info.get("extractor_key") in {"Generic", "HTML5MediaEmbed", "QuotedHTML"}


def performer_of(info: Mapping[str, Any]) -> str | None:
    """Who made it, by the most telling name there is."""
    for key in ("artist", "artists", "creator", "creators", "channel", "uploader"):
        value = info.get(key)
        text = clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)
        if text is not None:
            return text
    return None


def duration_of(info: Mapping[str, Any]) -> float | None:
    """The length in seconds, where it is told."""
    value = info.get("duration")
    return float(value) if isinstance(value, int | float) and 0 < value <= MOST_SECONDS else None


def believable(seconds: float | None) -> float | None:
    """A file's own word on its length; None for one that nothing can have."""
    return None if seconds is None or not 0 <= seconds <= MOST_SECONDS else seconds


def told_bytes(parts: Sequence[Mapping[str, Any]]) -> int | None:
    """What the parts weigh together, where the site tells it of each."""
    told = [whole(part.get("filesize")) or guessed_bytes(part) for part in parts]
    return sum(told) if all(told) else None


def guessed_bytes(part: Mapping[str, Any]) -> int:
    """What a part weighs by its site's guess; 0 without one."""
    return whole(part.get("filesize_approx")) or 0


def whole(value: object) -> int | None:
    """A count that is told; None for what is none."""
    return int(value) if isinstance(value, int | float) and 0 < value <= MOST_BYTES else None


def clean(value: object) -> str | None:
    """A text on one line without control characters, cut to a sane length; None for nothing."""
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
    """The shorter side of the largest picture: a film filmed upright in 1080x1920 is called 1080p."""
    sides = []
    for entry in info.get("formats") or (info,):
        told = [side for side in (entry.get("width"), entry.get("height")) if isinstance(side, int | float)]
        if isinstance(entry.get("height"), int | float) and 0 < min(told) <= MOST_LINES:
            sides.append(int(min(told)))
    return max(sides, default=None)
