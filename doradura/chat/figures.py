"""Formats numbers as people read them on a phone: 1,204, 96.3 %, 1 min 5 s, ▂▅█. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from doradura.chat.texts import Texts

_BLOCKS = "▁▂▃▄▅▆▇█"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def count_text(t: Texts, count: float) -> str:
    """Return a count with separated thousands: 1,204."""
    return t.number(round(count))


def percent_text(t: Texts, share: float) -> str:
    """Return a share from 0 to 1 in per cent, rounded down, so that 100 appears only if nothing is missing."""
    tenths = math.floor(share * 1000 + 1e-9)
    return t.number(tenths / 10, decimals=int(tenths % 10 != 0))


def span_text(t: Texts, seconds: float) -> str:
    """Return a duration in its two largest units; under ten seconds with one decimal."""
    if round(seconds, 1) < 10:
        tenths = round(max(0.0, seconds), 1)
        return t("span.s", count=t.number(tenths, decimals=int(tenths % 1 != 0)))
    whole = round(seconds)
    parts: list[tuple[str, int]] = []
    for unit, length in _UNITS:
        count, whole = divmod(whole, length)
        if count or parts:
            parts.append((unit, count))
    shown = [(unit, count) for unit, count in parts[:2] if count]
    return " ".join(t(f"span.{unit}", count=count) for unit, count in shown)


def ranking_text(t: Texts, counts: Mapping[str, float], most: int) -> str:
    """Return the first `most` entries of a ranking and the sum of the others: "mp3 800, mp4 350, and 12 more"."""
    shown = [f"{word.replace('_', ' ')} {count_text(t, count)}" for word, count in list(counts.items())[:most]]
    left = sum(list(counts.values())[most:])
    return ", ".join([*shown, *([t("ranking.more", count=count_text(t, left))] if left else [])])


def sparkline(values: Sequence[int]) -> str:
    """Return a row of numbers as block characters. A number above 0 is never drawn as 0."""
    most = max(values, default=0)
    if most == 0:
        return _BLOCKS[0] * len(values)
    return "".join(_BLOCKS[math.ceil(value * (len(_BLOCKS) - 1) / most)] for value in values)


def blocks(values: Sequence[float | None], columns: int) -> str:
    """Return a series as block characters: the highest value of each column, a gap where there is none."""
    size = max(1, -(-len(values) // columns))
    groups = [[v for v in values[at : at + size] if v is not None] for at in range(0, len(values), size)]
    most = [max(group, default=None) for group in groups]
    known = [value for value in most if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    low = min(low, 0.0)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join("\u00a0" if value is None else _BLOCKS[round((value - low) * scale)] for value in most)
