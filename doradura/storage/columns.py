"""Maps the fields of a dataclass to the columns of a query, and the query's rows to values of the dataclass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class Columns(Generic[T]):
    """The columns that have the names of a dataclass's fields, in the fields' order."""

    def __init__(self, kind: type[T], **read: Callable[[Any], object]) -> None:
        """`read` converts the columns whose stored value differs from the field's value."""
        self._kind = kind
        self._read = read
        self.names = tuple(field.name for field in fields(kind))
        self.listed = ", ".join(self.names)
        """The columns' names for a SELECT."""

    def value(self, row: Sequence[Any]) -> T:
        """Return the dataclass's value for a row of these columns."""
        values = dict(zip(self.names, row, strict=True))
        for name, read in self._read.items():
            values[name] = read(values[name])
        return self._kind(**values)
