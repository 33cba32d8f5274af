"""Numbered migrations: the files NNNN_what.sql beside this one, applied once each, in order, each in a transaction.

What is missing is known by each number, not by the highest: a number that was left free may be filled later. A
database that knows a number above all of ours was written by a newer program: we refuse it, as its tables may mean
something else by now.
"""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"(\d{4})_\w+\.sql")


def migrations() -> list[tuple[int, str]]:
    """Return every migration as (number, SQL), ascending."""
    found = [
        (int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in resources.files(__name__).iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    return sorted(found)
