"""Parts of a WHERE clause that depend on the values: SQL has no empty list, and PostgreSQL no NULL without a type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from doradura.storage.seam import Value


class Clause(NamedTuple):
    """A condition that begins with " AND ", with the values of its marks; empty for all rows."""

    sql: str = ""
    values: tuple[Value, ...] = ()


ALL = Clause()


def marks(values: Collection[Value]) -> str:
    """Return "(?, ...)" with a mark for each value. There must be at least one."""
    return f"({', '.join('?' * len(values))})"


def one_of(column: str, values: Collection[Value]) -> str:
    """Return " AND column IN (?, ...)" with a mark for each value. There must be at least one."""
    return f" AND {column} IN {marks(values)}"


def none_of(column: str, values: Collection[Value]) -> str:
    """Return " AND column NOT IN (?, ...)" with a mark for each value; an empty string if there are no values."""
    return f" AND {column} NOT IN {marks(values)}" if values else ""


def given(wanted: Mapping[str, Value]) -> tuple[str, tuple[Value, ...]]:
    """Return " AND column = ?" for each column, and the values. A column whose value is None may have any value."""
    known = {column: value for column, value in wanted.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in known), tuple(known.values())
