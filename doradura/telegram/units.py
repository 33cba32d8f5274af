"""Lengths as Telegram counts them: in UTF-16 code units."""

from __future__ import annotations

from doradura.telegram.graphemes import joined


def units(text: str) -> int:
    """Return how many UTF-16 code units a text has."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shorten(text: str, limit: int) -> str:
    """Shorten a text to this many UTF-16 units, between characters, with an ellipsis if something is cut.

    If not even one whole character fits, it is cut between its code points.
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
