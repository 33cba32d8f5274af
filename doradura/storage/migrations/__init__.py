"""Numbered migrations: the files NNNN_what.sql in this directory, applied once each, in order, each in a transaction.

The database stores every applied number, not only the highest, so a number that was left free can be added later. A
database with a number above all of ours was used by a newer program. It is refused, since its tables may have another
meaning.
"""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"(\d{4})_\w+\.sql")


def migrations() -> list[tuple[int, str]]:
    """Return all migrations as (number, SQL) in ascending order."""
    found = [
        (int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in resources.files(__name__).iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    return sorted(found)
