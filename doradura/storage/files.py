"""Queries on sent files: Telegram's file_id of what was sent once."""

from __future__ import annotations

from typing import NamedTuple

from doradura.storage.seam import Connection


class SentFile(NamedTuple):
    """A file Telegram has."""

    file_id: str
    kind: str
    title: str
    size_bytes: int


def get(db: Connection, bot_id: int, cache_key: str, fmt: str, quality: str) -> SentFile | None:
    """Return what was sent for this link, format and quality."""
    row = db.execute(
        "SELECT file_id, kind, title, size_bytes FROM sent_files"
        " WHERE cache_key = ? AND format = ? AND quality = ? AND bot_id = ?",
        (cache_key, fmt, quality, bot_id),
    ).fetchone()
    return None if row is None else SentFile(*row)


def put(  # noqa: PLR0917 - a row's values
    db: Connection,
    bot_id: int,
    cache_key: str,
    fmt: str,
    quality: str,
    file: SentFile,
    now_ms: int,
) -> None:
    """Remember what was sent."""
    db.execute(
        "INSERT INTO sent_files (cache_key, format, quality, bot_id, file_id, kind, title, size_bytes, sent_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cache_key, format, quality, bot_id) DO UPDATE SET"
        " file_id = excluded.file_id, kind = excluded.kind, title = excluded.title,"
        " size_bytes = excluded.size_bytes, sent_ms = excluded.sent_ms",
        (cache_key, fmt, quality, bot_id, *file, now_ms),
    )


def forget(db: Connection, bot_id: int, file_id: str) -> None:
    """Telegram does not know this file_id any more."""
    db.execute("DELETE FROM sent_files WHERE bot_id = ? AND file_id = ?", (bot_id, file_id))
