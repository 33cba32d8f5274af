"""Lengths as Telegram counts them: in UTF-16 code units."""

from __future__ import annotations

from doradura.telegram.graphemes import joined


def units(text: str) -> int:
    """Count a text's UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shorten(text: str, limit: int) -> str:
    """Cut a text at so many UTF-16 units, between characters, with an ellipsis when something is lost.

    A character that has no room at all is cut between its code points.
    """
    if units(text) <= limit:
        return text
    text = text[:limit]
    end = character = room = 0
    for index, joins in enumerate([*joined(text), False]):
        if room >= limit:
            break
        end = index
        character = character if joins else index
        room += units(text[index : index + 1])
    return text[: character or end].rstrip() + "…"
