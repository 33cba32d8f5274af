"""Ids that come back in a button's data, which a changed client may fill with anything."""

from __future__ import annotations

_LONGEST = 19
_LARGEST = 2**63 - 1
"""What a column of ids takes."""


def parse_id(text: str) -> int | None:
    """Read an id of ours; None for what can't be one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST):
        return None
    number = int(text)
    return number if number <= _LARGEST else None
