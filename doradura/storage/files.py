"""Queries on sent files: the file_ids by which Telegram sends a file again."""

from __future__ import annotations

from dataclasses import dataclass

from doradura.media.variant import Variant
from doradura.storage.seam import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class SentFile:
    """A file that Telegram has stored."""

    file_id: str
    kind: str
    title: str
    size_bytes: int
    lines: int | None = None
    """The shorter side of a film's picture in pixels."""


def get(db: Connection, bot_id: int, cache_key: str, variant: Variant) -> SentFile | None:
    """Return the file that a bot sent for a link and a variant; None if it has sent none."""
    row = db.execute(
        "SELECT file_id, kind, title, size_bytes, lines FROM sent_files"
        " WHERE cache_key = ? AND variant = ? AND bot_id = ?",
        (cache_key, variant.key, bot_id),
    ).fetchone()
    if row is None:
        return None
    file_id, kind, title, size_bytes, lines = row
    return SentFile(file_id=file_id, kind=kind, title=title, size_bytes=size_bytes, lines=lines)


def put(  # noqa: PLR0917 - a row's values
    db: Connection,
    bot_id: int,
    cache_key: str,
    variant: Variant,
    file: SentFile,
    now_ms: int,
) -> None:
    """Store a file that was sent. It replaces an older one for the same link and variant."""
    db.execute(
        "INSERT INTO sent_files (cache_key, variant, bot_id, file_id, kind, title, size_bytes, lines, sent_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cache_key, variant, bot_id) DO UPDATE SET"
        " file_id = excluded.file_id, kind = excluded.kind, title = excluded.title,"
        " size_bytes = excluded.size_bytes, lines = excluded.lines, sent_ms = excluded.sent_ms",
        (
            cache_key,
            variant.key,
            bot_id,
            file.file_id,
            file.kind,
            file.title,
            file.size_bytes,
            file.lines,
            now_ms,
        ),
    )


def forget(db: Connection, bot_id: int, file_id: str) -> None:
    """Delete a file_id that Telegram no longer accepts."""
    db.execute("DELETE FROM sent_files WHERE bot_id = ? AND file_id = ?", (bot_id, file_id))
