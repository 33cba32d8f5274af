"""How a job's file is sent: its kind, name and caption. Values only; `delivery` sends the file."""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import urlsplit

from doradura.media.peoples_text import on_one_line
from doradura.media.protocol import Result
from doradura.storage import jobs
from doradura.telegram.lengths import CAPTION_UNITS
from doradura.telegram.media import Media, MediaKind, Upload
from doradura.telegram.units import shorten

HOST_UNITS = 60
NAME_BYTES = 200
"""The longest name without its extension. File systems allow 255 bytes for a name."""


def media_of(job: jobs.Job, result: Result) -> Media:
    """Return the media to send for a worker's file: the fields that its kind has, and a name made from the title."""
    fmt = job.variant.row
    side = min(result.width, result.height) if result.width and result.height else None
    return Media(
        kind=fmt.sent_as,
        file=Upload(Path(result.path), file_name(result, fmt.extension), fmt.mime_type),
        title=result.title if fmt.sent_as == "audio" else None,
        performer=result.performer if fmt.sent_as == "audio" else None,
        caption=caption_of(fmt.sent_as, result.title, job, height=side),
        duration_seconds=None if result.duration_seconds is None else max(1, round(result.duration_seconds)),
        width=result.width if fmt.sent_as == "video" else None,
        height=result.height if fmt.sent_as == "video" else None,
        thumbnail=None if result.thumbnail_path is None else Path(result.thumbnail_path),
    )


def caption_of(kind: MediaKind, title: str, job: jobs.Job, *, height: int | None = None) -> str:
    """Return the caption as HTML: the title, then the format and the site. Audio has no title, as players show it.

    `height` is the film's shorter side in pixels. If it is None, the caption has the quality that was asked for.
    """
    asked = job.variant.format if job.variant.quality == "best" else job.variant.words
    what = f"{job.variant.format} {height}p" if kind == "video" and height else asked
    host = (urlsplit(job.url).hostname or job.site).removeprefix("www.")
    line = f'{what} · <a href="{html.escape(job.url)}">{html.escape(shorten(host, HOST_UNITS))}</a>'
    if kind == "audio":
        return line
    room = CAPTION_UNITS - len(what) - HOST_UNITS - 4
    return f"{html.escape(shorten(title, room), quote=False)}\n{line}"


def file_name(result: Result, extension: str) -> str:
    """Return the name a user sees when saving: performer and title, without the characters that file systems refuse."""
    whole = f"{result.performer} - {result.title}" if result.performer else result.title
    kept = on_one_line("".join(" " if c in '\\/:*?"<>|' else c for c in whole))
    short = kept.encode()[:NAME_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"{short or 'media'}.{extension}"
