"""Lengths as Telegram counts them: in UTF-16 code units."""

from __future__ import annotations


def units(text: str) -> int:
    """Count a text's UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shorten(text: str, limit: int) -> str:
    """Cut a text at so many UTF-16 units, between characters, with an ellipsis when something is lost."""
    if units(text) <= limit:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: (limit - 1) * 2].decode("utf-16-le", "ignore")
    return kept.rstrip() + "…"
